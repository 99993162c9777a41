// TransferTable: every transfer that runs, and the latest that ended [1,000], as callers see them.
//
// Thread: the control loop.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/provider.h"
#include "base/time.h"
#include "engine/rate_meter.h"
#include "engine/values.h"
#include "transfer/node_network.h"

namespace blobd::engine {

class TransferTable {
 public:
  static constexpr size_t kKeptEnded = 1000;

  void Start(TransferId id, const ProviderId& provider, const Kind& kind, WallTime now);
  // Since the last report of this transfer.
  struct More {
    uint64_t verified = 0;
    uint64_t moved = 0;  // given to the store, with proof or without
  };
  More Progress(TransferId id, const transfer::GetProgress& progress);
  // Of another one, which ended long before, nothing is known from now on: its id.
  std::optional<TransferId> End(TransferId id, TransferState state, std::string reason,
                                WallTime now);

  // One that ended in an earlier life.
  void Restore(TransferView view);

  // Takes a sample of every running transfer's rate; those of `changed` have another rate now. True
  // while any runs.
  bool SampleRates(Instant now, std::vector<TransferId>* changed);
  // All running transfers of one kind together.
  double RateOf(const Kind& kind) const;
  double total_rate() const;

  struct Use {
    std::vector<TransferId> transfers;
    double rate = 0;
  };
  // What runs with the node; costs in proportion to that.
  Use UseOf(const NodeId& node) const;
  // At most `limit` nodes greater than `after` (nullopt: from the first) with which anything runs,
  // in order.
  std::vector<NodeId> NodesAfter(const std::optional<NodeId>& after, size_t limit) const;
  // Who has given verified bytes of blobs with this hash, as far as it is remembered here.
  std::set<ProviderId> ProvidersSeen(const Hash& hash) const;

  // nullopt if it is unknown, or forgotten. Intents are not filled in.
  std::optional<TransferView> View(TransferId id) const;
  // Running transfers of one kind.
  std::vector<TransferId> OfKind(const Kind& kind) const;
  // All ids greater than `after`, in order, at most `limit`.
  std::vector<TransferId> After(TransferId after, size_t limit) const;
  // Transfers beyond `after` in the order of the filter; 0: from the beginning.
  std::vector<TransferView> List(const TransferFilter& filter, TransferId after,
                                 size_t limit) const;

 private:
  struct Entry {
    TransferView view;
    uint64_t moved_bytes = 0;
    RateMeter meter;
  };
  TransferView ViewOf(const Entry& entry) const;
  std::optional<TransferId> Keep(TransferView view);

  std::map<TransferId, Entry> running_;
  std::map<NodeId, std::set<TransferId>> of_node_;          // of these; no empty sets
  std::unordered_map<Kind, std::set<TransferId>> of_kind_;  // likewise
  std::map<TransferId, TransferView> ended_;
  std::deque<TransferId> order_of_ended_;  // the oldest end first
};

}  // namespace blobd::engine
