// ProviderTable: the providers the scheduler knows, and the indexes that make a decision cheap. An
// index entry is a function of one provider; Refresh recomputes it after anything about that
// provider changed.
//
//   ready      takes a transfer now, somebody waits: by its first in order, and by its first by
//   place dialable   could be dialled, somebody waits whose hash may dial: by the first such in
//   order connected  nodes with an open connection: by the first that waits for them (nobody: last)
//   ready_more, dialable_more   the same for running requests, which could use it for further parts
//   idle       of these, those without a running transfer: by how long
//
// A hash at its limit of dials is skipped in `dialable`; as it sponsors that many running dials, no
// more than the connection limit allows are ever skipped.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "schedule/provider.h"
#include "schedule/provider_map.h"

namespace blobd::schedule {

template <typename Key>
class ProviderIndex {
 public:
  struct Entry {
    Key key;
    uint64_t number = 0;
    Provider* provider = nullptr;

    friend auto operator<=>(const Entry& a, const Entry& b) {
      if (a.key != b.key) return a.key <=> b.key;
      return a.number <=> b.number;
    }
    friend bool operator==(const Entry& a, const Entry& b) {
      return a.key == b.key && a.number == b.number;
    }
  };

  // Moves the provider from `current` to `wanted`, and says so in `current`.
  void Put(Provider& provider, std::optional<Key>& current, const std::optional<Key>& wanted) {
    if (current == wanted) return;
    if (current) entries_.erase(Entry{*current, provider.number, nullptr});
    if (wanted) entries_.insert(Entry{*wanted, provider.number, &provider});
    current = wanted;
  }

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  // REQUIRES: not empty
  const Entry& First() const { return *entries_.begin(); }
  const std::set<Entry>& entries() const { return entries_; }

 private:
  std::set<Entry> entries_;
};

class ProviderTable {
 public:
  // `options` outlives the table and may change; then RefreshAll is due.
  explicit ProviderTable(const Options& options) : options_(options) {}

  Provider& FindOrAdd(const ProviderId& id);
  Provider* Find(const ProviderId& id);
  const Provider* Find(const ProviderId& id) const;
  Provider* FindNumber(uint64_t number);
  // REQUIRES: nothing refers to it any more
  void Erase(Provider& provider);

  void SetLink(Provider& provider, Link link);
  void SetIdleSince(Provider& provider, std::optional<Instant> since);
  void Refresh(Provider& provider);
  void RefreshAll();

  const ProviderIndex<Order>& ready() const { return ready_; }
  const ProviderIndex<IntentId>& ready_by_place() const { return ready_by_place_; }
  const ProviderIndex<Order>& dialable() const { return dialable_; }
  const ProviderIndex<Order>& ready_more() const { return ready_more_; }
  const ProviderIndex<Order>& dialable_more() const { return dialable_more_; }
  const ProviderIndex<Order>& connected() const { return connected_; }
  const ProviderIndex<Instant>& idle() const { return idle_; }
  // Nodes that hold a connection slot: dialling and connected.
  uint32_t connections() const { return connections_; }

  // Those being dialled, by number. In time proportional to all providers: for rare events.
  std::vector<Provider*> Dialling() const;
  // Those with a pause, by number; in time proportional to all providers too.
  std::vector<Provider*> Paused() const;
  // The first that may have it dialled, nullptr if nobody.
  Request* FirstToDial(const Provider& provider) const;

  size_t size() const { return providers_.size(); }
  // In no particular order: for checks only.
  const std::unordered_map<ProviderId, Provider>& providers() const { return providers_; }

 private:
  const Options& options_;
  uint64_t last_number_ = 0;
  uint32_t connections_ = 0;
  std::unordered_map<ProviderId, Provider> providers_;
  std::unordered_map<uint64_t, Provider*> by_number_;
  ProviderIndex<Order> ready_;
  ProviderIndex<IntentId> ready_by_place_;
  ProviderIndex<Order> dialable_;
  ProviderIndex<Order> ready_more_;
  ProviderIndex<Order> dialable_more_;
  ProviderIndex<Order> connected_;
  ProviderIndex<Instant> idle_;

  template <typename Accept>
  std::vector<Provider*> Those(Accept accept) const;
};

}  // namespace blobd::schedule
