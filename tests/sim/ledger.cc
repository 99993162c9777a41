#include "ledger.h"

#include <algorithm>

#include "base/overloaded.h"

namespace blobd::sim {

using namespace schedule;

namespace {
constexpr uint64_t kLeastHalf = 3 << 20;
constexpr uint64_t kMostRaced = 6 << 20;

Range Overlap(Range a, Range b) { return {std::max(a.begin, b.begin), std::min(a.end, b.end)}; }

Range Span(const RangeSet& set) {
  if (set.empty()) return {};
  return {set.ranges().front().begin, set.ranges().back().end};
}
}  // namespace

const Ledger::Holding* Ledger::Find(TransferId id) const {
  const auto it = holdings_.find(id);
  return it == holdings_.end() ? nullptr : &it->second;
}

Ledger::Account* Ledger::Known(RequestId request) {
  const auto it = accounts_.find(request);
  return it == accounts_.end() || !it->second.known ? nullptr : &it->second;
}

RangeSet Ledger::Loose(const Account& account) const {
  RangeSet loose = account.missing;
  for (const TransferId id : account.running) loose.Remove(holdings_.at(id).rest);
  return loose;
}

bool Ledger::Uses(const Account& account, const ProviderId& provider) const {
  return std::any_of(account.running.begin(), account.running.end(),
                     [&](TransferId id) { return holdings_.at(id).provider == provider; });
}

void Ledger::Advance(Holding& holding, uint64_t position) {
  Range& rest = holding.rest;
  if (!rest.empty()) rest.begin = std::clamp(position, rest.begin, rest.end);
}

// Of two that race the last one gives back what the other had told, too, if that ended before.
void Ledger::GiveBack(Account& account, const Holding& holding, Range range) {
  if (holding.raced && !holding.rival) account.told.Remove(range);
}

void Ledger::Release(TransferId id, Holding& holding) {
  if (holding.stopped) return;
  holding.stopped = true;
  holding.lowering = false;
  const auto account = accounts_.find(holding.request);
  if (account != accounts_.end()) {
    GiveBack(account->second, holding, holding.rest);
    account->second.running.erase(id);
  }
  const auto rival = holdings_.find(holding.rival);
  if (rival != holdings_.end()) rival->second.rival = TransferId{};
  holding.rival = TransferId{};
}

void Ledger::Spare(TransferId id, uint64_t position) {
  Holding& holding = holdings_.at(id);
  if (holding.rest.empty()) return;
  Advance(holding, position);
  if (holding.rest.empty()) superfluous_.push_back(id);
}

// --- what is told

void Ledger::Saw(const Event& event) {
  stops_nobody_ = false;
  stopped_early_.clear();
  superfluous_.clear();
  std::visit(Overloaded{[&](const StoreAnswered& e) {
                          const auto it = accounts_.find(e.request);
                          if (it != accounts_.end()) it->second.in_store = false;
                        },
                        [&](const ContentKnown& e) { OnContentKnown(e); },
                        [&](const Arrived& e) {
                          stops_nobody_ = true;
                          OnArrived(e.request, e.range);
                        },
                        [&](const TransferProgress& e) {
                          stops_nobody_ = true;
                          OnProgress(e);
                        },
                        [&](const BoundaryAccepted& e) {
                          stops_nobody_ = true;
                          OnBoundary(e);
                        },
                        [&](const TransferEnded& e) {
                          stops_nobody_ = e.outcome == Outcome::kDone && !e.content_void;
                          OnEnded(e);
                        },
                        [&](const Disconnected& e) {
                          for (auto& [id, holding] : holdings_) {
                            if (holding.provider == ProviderId(e.node)) Release(id, holding);
                          }
                        },
                        [](const auto&) {}},
             event);
}

// Of all that it lacks the transfer that found it out goes on to get all.
void Ledger::OnContentKnown(const ContentKnown& event) {
  const auto it = accounts_.find(event.request);
  if (it == accounts_.end()) return;
  Account& account = it->second;
  const RangeSet missing = event.missing.Intersection(Range{0, event.length});
  if (account.in_store || account.known || missing.empty()) return;
  account.known = true;
  account.missing = missing;
  for (const TransferId id : account.running) holdings_.at(id).rest = Span(missing);
}

void Ledger::OnArrived(RequestId request, Range range) {
  Account* account = Known(request);
  if (account == nullptr) return;
  account->told.InsertAll(Loose(*account).Intersection(range));
  account->missing.Remove(range);
  for (const TransferId id : account->running) {
    const Range rest = holdings_.at(id).rest;
    if (rest.empty() || range.begin > rest.begin) continue;
    account->told.Insert(Overlap(rest, range));
    Spare(id, range.end);
  }
}

void Ledger::OnProgress(const TransferProgress& event) {
  const auto it = holdings_.find(event.transfer);
  if (it == holdings_.end() || it->second.stopped) return;
  Holding& holding = it->second;
  const uint64_t before = holding.rest.begin;
  Advance(holding, event.position);
  Account* account = Known(holding.request);
  if (account == nullptr) return;
  account->missing.Remove({before, holding.rest.begin});
  account->told.Insert({before, holding.rest.begin});
}

void Ledger::OnBoundary(const BoundaryAccepted& event) {
  const auto it = holdings_.find(event.transfer);
  if (it == holdings_.end()) return;
  Holding& holding = it->second;
  holding.lowering = false;
  if (holding.rest.empty()) return;
  const uint64_t end = holding.rest.end;
  holding.rest.end = std::clamp(event.boundary, holding.rest.begin, end);
  Account* account = Known(holding.request);
  if (account != nullptr && !holding.stopped) GiveBack(*account, holding, {holding.rest.end, end});
}

void Ledger::OnEnded(const TransferEnded& event) {
  const auto it = holdings_.find(event.transfer);
  if (it == holdings_.end()) return;
  Holding& holding = it->second;
  if (event.outcome == Outcome::kDone) {
    const Range rest = holding.rest;
    const RequestId request = holding.request;
    if (!holding.stopped) {
      // Who raced it is too late,
      const auto rival = holdings_.find(holding.rival);
      // but for what this one gave away during the race.
      if (rival != holdings_.end()) Spare(rival->first, rest.end);
      holding.rest.begin = holding.rest.end;
      if (Account* account = Known(request)) {
        account->told.Insert(rest);
        account->missing.Remove(rest);
      }
    } else {
      OnArrived(request, rest);
    }
  }
  Release(event.transfer, holding);
  if (Account* account = Known(holding.request); account != nullptr && event.content_void) {
    account->known = false;
    account->missing = account->told = RangeSet();
  }
  holdings_.erase(it);
}

// --- what is done

void Ledger::Saw(const Effect& effect) {
  std::visit(Overloaded{[&](const LookInStore& e) { OnLook(e); },
                        [&](const StartTransfer& e) { OnStart(e); },
                        [&](const LowerLimit& e) { OnLower(e); },
                        [&](const StopTransfer& e) { OnStop(e.transfer); }, [](const auto&) {}},
             effect);
}

void Ledger::OnLook(const LookInStore& effect) {
  const auto [it, is_new] = accounts_.try_emplace(effect.request);
  Account& account = it->second;
  Expect(is_new || account.missing.empty(),
         "the store is asked when nothing is missing, not before");
  Expect(account.running.empty(), "the store is asked when nothing runs");
  account = Account{};
  account.kind = effect.kind;
}

void Ledger::OnStart(const StartTransfer& start) {
  const auto it = accounts_.find(start.request);
  if (it == accounts_.end()) return Expect(false, "a transfer is for a request");
  Account& account = it->second;
  Expect(!account.in_store, "nothing starts before the store has answered");
  Expect(account.running.size() < parts_per_request_, "no more parts at once than may be");
  Expect(start.part || account.running.empty(), "further transfers of a request get parts");
  Holding holding;
  holding.request = start.request;
  holding.provider = start.provider;
  if (start.part) {
    holding.rest = *start.part;
    CheckPart(account, start, holding);
  } else {
    holding.rest = Span(account.missing);
  }
  if (holding.rival) {
    Holding& rival = holdings_.at(holding.rival);
    rival.rival = start.transfer;
    holding.raced = rival.raced = true;
  }
  account.running.insert(start.transfer);
  holdings_.emplace(start.transfer, holding);
}

void Ledger::CheckPart(const Account& account, const StartTransfer& start, Holding& holding) {
  const Range part = *start.part;
  Expect(!part.empty(), "a part is not empty");
  Expect(account.known, "a part is of proven content");
  for (const TransferId id : account.running) {
    const Holding& other = holdings_.at(id);
    if (Overlap(other.rest, part).empty()) continue;
    Expect(!holding.rival && !other.rival, "a race is between two");
    Expect(part == other.rest, "a race is for all that the other has still to get");
    Expect(part.size() <= kMostRaced, "duplicate work is bounded");
    Expect(other.provider != start.provider, "nobody races itself");
    holding.rival = id;
  }
  if (holding.rival) {
    const bool idle = std::none_of(holdings_.begin(), holdings_.end(), [&](const auto& each) {
      return each.second.provider == start.provider && !each.second.stopped;
    });
    Expect(idle, "only an idle provider races");
    return;
  }
  Expect(!account.told.Intersects(part), "what is verified is not asked for again");
}

void Ledger::OnLower(const LowerLimit& effect) {
  const auto it = holdings_.find(effect.transfer);
  if (it == holdings_.end() || it->second.stopped) {
    return Expect(false, "only what runs is lowered");
  }
  Holding& holding = it->second;
  for (const TransferId id : accounts_.at(holding.request).running) {
    Expect(!holdings_.at(id).lowering, "one transfer is lowered at a time, until it answers");
  }
  Expect(!holding.rival, "who is raced is not lowered");
  Expect(effect.boundary >= holding.rest.begin + kLeastHalf &&
             effect.boundary + kLeastHalf <= holding.rest.end,
         "both halves keep three mebibytes");
  holding.lowering = true;
}

void Ledger::OnStop(TransferId id) {
  const auto it = holdings_.find(id);
  if (it == holdings_.end() || it->second.stopped) {
    return Expect(false, "a transfer is stopped once, while it runs");
  }
  if (stops_nobody_ && !it->second.rest.empty()) stopped_early_.push_back(it->second.request);
  Release(id, it->second);
}

void Ledger::EndEvent(const std::set<Kind>& wanted) {
  std::erase_if(accounts_, [&](const auto& each) { return !wanted.contains(each.second.kind); });
  for (const RequestId request : stopped_early_) {
    Expect(!accounts_.contains(request), "nobody is stopped who has still something to get");
  }
  for (const TransferId id : superfluous_) {
    const Holding* holding = Find(id);
    Expect(holding == nullptr || holding->stopped, "who has nothing left to get is stopped");
  }
}

void Ledger::Clear() {
  accounts_.clear();
  holdings_.clear();
}

}  // namespace blobd::sim
