// TransfersSource: what Downloads.WatchTransfers follows (feed.h).
//
// Thread: the control loop.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "blobd/v1/downloads.pb.h"
#include "engine/engine.h"
#include "rpc/feed.h"
#include "rpc/hash_judge.h"

namespace blobd::rpc {

class TransfersSource {
 public:
  using Id = TransferId;
  using Response = v1::WatchTransfersResponse;
  struct Filter {
    std::vector<TransferId> ids;  // in order; empty: all
    std::optional<Hash> hash;
    bool running_only = false;
  };
  struct Item {
    SharedBytes bytes;
    mutable SharedBytes veiled;  // the same without the hash; made when it is needed
    Hash hash;
    bool is_running = false;
  };

  TransfersSource(engine::Engine& engine, engine::Keeper& keeper)
      : engine_(engine), judge_(std::make_shared<HashJudge>(keeper)) {}

  engine::ChangeWatch<TransferId>& watch() { return engine_.transfer_watch(); }
  void Refresh(UniqueFunction<void()> done) { done(); }
  std::vector<TransferId> After(const Filter& filter, const std::optional<TransferId>& after,
                                size_t limit) const;
  Item Make(TransferId id) const;
  FeedFate FateOf(const Filter& filter, TransferId id, const Item& item, FeedPhase phase) const;
  bool Judge(const engine::Caller& caller,
             const std::vector<std::pair<TransferId, const Item*>>& items, Task done);
  // Of hidden content that was found by its hash there is nothing to tell.
  SharedBytes BytesFor(const engine::Caller& caller, const Filter& filter, TransferId id,
                       const Item& item) const;
  void AddGone(TransferId id, Response* response) const {
    response->add_gone_transfer_ids(id.value);
  }
  void Enter(const engine::Caller& caller) { judge_->Enter(caller); }
  void Leave(const engine::Caller& caller) { judge_->Leave(caller); }

 private:
  engine::Engine& engine_;
  std::shared_ptr<HashJudge> judge_;
};

using TransfersFeed = Feed<TransfersSource>;

// What a call asks for, as a reader of the feed. kInvalidArgument.
StatusOr<std::shared_ptr<FeedReader>> ReaderOf(TransfersFeed& feed, const engine::Caller& caller,
                                               const v1::WatchTransfersRequest& request);

}  // namespace blobd::rpc
