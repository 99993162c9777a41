// GoodNames: which providers have given the scheduler no reason not to use them, by what was said
// aloud. It errs on the side of doubt: one with a good name must be used if it is free, one
// without may be.
#pragma once

#include <map>
#include <set>
#include <utility>

#include "base/range_set.h"
#include "ledger.h"
#include "schedule/effect.h"
#include "schedule/event.h"

namespace blobd::sim {

class GoodNames {
 public:
  // An event, before the ledger saw it, then its effects.
  void Saw(const schedule::Event& event, const Ledger& ledger);
  void Saw(const schedule::Event& event, const schedule::Effect& effect, const Ledger& ledger);
  void EndEvent(const std::map<RequestId, Ledger::Account>& accounts);
  void Clear();

  // False if it said that it holds something else. True if it said nothing.
  bool MayHave(RequestId request, const ProviderId& provider, Range range) const;
  bool IsGood(RequestId request, const Hash& hash, const ProviderId& provider) const;
  // After a fault of our own it may wait.
  bool IsHeld(RequestId request) const { return held_.contains(request); }

 private:
  using Key = std::pair<RequestId, ProviderId>;

  void OnHolds(const schedule::ProviderHolds& event, const Ledger& ledger);
  void Learn(const schedule::TransferEnded& event, const Ledger::Holding& holding,
             const Ledger& ledger);
  void ForgetHolds(RequestId request);
  void OnEnded(const schedule::TransferEnded& event, const Ledger& ledger);
  void OnForget(const schedule::ForgetProvider& effect, const Ledger& ledger);

  std::set<ProviderId> failed_;  // since the last dial or success
  std::set<ProviderId> busy_;    // since the last dial
  std::set<std::pair<Hash, ProviderId>> partial_;
  std::map<RequestId, std::set<ProviderId>> refused_;  // or a caller cancelled a transfer of it
  std::set<RequestId> held_;
  std::set<std::pair<Hash, ProviderId>> remembered_;
  std::map<Key, RangeSet> holds_;  // as far as it was told since it was remembered
  std::set<Key> turned_down_;      // said that it has nothing of it
};

}  // namespace blobd::sim
