// Ledger: which bytes of a request are with whom, by what was said aloud. It shares no code with
// the scheduler, and judges what it does with parts:
//
//   the store is asked again only when every byte that was missing has arrived, and nothing runs
//   a part is of proven content, and with nobody else but to race the whole rest of one other
//   what a running transfer has told to be verified, or what arrived, is not asked for again
//   a part that is done, progress, or bytes that arrive stop those who have nothing left to get by
//   it, and nobody else
//   one transfer is lowered at a time, to where both halves are large enough
//
// Bytes that nobody has, although they are missing, are `loose`: whoever knows the providers can
// say whether somebody should have them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/range_set.h"
#include "schedule/effect.h"
#include "schedule/event.h"

namespace blobd::sim {

class Ledger {
 public:
  using OnBroken = std::function<void(const std::string&)>;

  // What a transfer has still to get of its request.
  struct Holding {
    RequestId request;
    ProviderId provider;
    Range rest;            // as far as was said; empty: not known, or nothing
    bool stopped = false;  // also: its connection is gone. What it had is with nobody again.
    bool lowering = false;
    TransferId rival;    // has the same bytes, to be faster
    bool raced = false;  // had a rival at some time
  };
  struct Account {
    Kind kind;
    bool in_store = true;  // the store was asked, and has not answered
    bool known = false;    // what is missing was told
    RangeSet missing;      // meanwhile, too
    RangeSet told;         // what need not be got again, as it was said to be verified
    std::set<TransferId> running;
  };

  Ledger(uint32_t parts_per_request, OnBroken broken)
      : parts_per_request_(parts_per_request), broken_(std::move(broken)) {}

  // An event, then its effects in order, then the kinds that are wanted after it.
  void Saw(const schedule::Event& event);
  void Saw(const schedule::Effect& effect);
  void EndEvent(const std::set<Kind>& wanted);
  // The daemon died.
  void Clear();

  const std::map<RequestId, Account>& accounts() const { return accounts_; }
  // nullptr if it is not known, or has ended.
  const Holding* Find(TransferId id) const;
  // What is missing and with nobody.
  RangeSet Loose(const Account& account) const;
  bool Uses(const Account& account, const ProviderId& provider) const;

 private:
  void Expect(bool condition, const std::string& what) {
    if (!condition) broken_(what);
  }
  void OnContentKnown(const schedule::ContentKnown& event);
  void OnArrived(RequestId request, Range range);
  void OnProgress(const schedule::TransferProgress& event);
  void OnBoundary(const schedule::BoundaryAccepted& event);
  void OnEnded(const schedule::TransferEnded& event);
  void OnStart(const schedule::StartTransfer& start);
  void OnLower(const schedule::LowerLimit& effect);
  void OnStop(TransferId id);
  void OnLook(const schedule::LookInStore& effect);
  void CheckPart(const Account& account, const schedule::StartTransfer& start, Holding& holding);
  // It runs no more; what it had is with nobody.
  void Release(TransferId id, Holding& holding);
  // It will not get the range.
  static void GiveBack(Account& account, const Holding& holding, Range range);
  // It need not get what is before `position`, as another has it.
  void Spare(TransferId id, uint64_t position);
  // Its request's, if that knows what it lacks.
  Account* Known(RequestId request);
  static void Advance(Holding& holding, uint64_t position);

  uint32_t parts_per_request_;
  OnBroken broken_;
  std::map<RequestId, Account> accounts_;
  std::map<TransferId, Holding> holdings_;
  // The event gives no reason to stop a transfer that has something to get; those of which one was.
  bool stops_nobody_ = false;
  std::vector<RequestId> stopped_early_;
  // Those that by this event have nothing left to get.
  std::vector<TransferId> superfluous_;
};

}  // namespace blobd::sim
