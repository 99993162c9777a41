#include "good_names.h"

#include "base/overloaded.h"

namespace blobd::sim {

using namespace schedule;

void GoodNames::Saw(const Event& event, const Ledger& ledger) {
  std::visit(Overloaded{[&](const ProviderHolds& e) { OnHolds(e, ledger); },
                        [&](const CancelTransfer& e) {
                          const Ledger::Holding* holding = ledger.Find(e.transfer);
                          if (holding != nullptr)
                            refused_[holding->request].insert(holding->provider);
                        },
                        [&](const TransferEnded& e) { OnEnded(e, ledger); },
                        [&](const DialFailed& e) { failed_.insert(e.node); },
                        [&](const Disconnected& e) { failed_.insert(e.node); }, [](const auto&) {}},
             event);
}

void GoodNames::OnHolds(const ProviderHolds& event, const Ledger& ledger) {
  partial_.insert({event.hash, event.provider});
  if (!remembered_.contains({event.hash, event.provider})) return;
  for (const auto& [id, account] : ledger.accounts()) {
    if (account.kind.hash != event.hash) continue;
    turned_down_.erase({id, event.provider});
    holds_[{id, event.provider}] = event.ranges;
  }
}

// If it has something else that is missing it is used for that. If not, it may be asked for all
// again some time.
void GoodNames::Learn(const TransferEnded& event, const Ledger::Holding& holding,
                      const Ledger& ledger) {
  const Key key{holding.request, holding.provider};
  const auto account = ledger.accounts().find(holding.request);
  // Of a standing provider nobody says aloud when it comes and goes.
  const bool learns = account != ledger.accounts().end() && account->second.known &&
                      remembered_.contains({account->second.kind.hash, holding.provider});
  if (event.outcome == Outcome::kNotHere && !event.lacks.empty() && !turned_down_.contains(key) &&
      learns) {
    RangeSet& held = holds_.try_emplace(key, RangeSet::All()).first->second;
    held.InsertAll(event.holds);
    held.RemoveAll(event.lacks);
    if (!held.Intersection(account->second.missing).empty()) return;
  }
  turned_down_.insert(key);
  holds_.erase(key);
}

void GoodNames::ForgetHolds(RequestId request) {
  std::erase_if(holds_, [&](const auto& each) { return each.first.first == request; });
}

void GoodNames::OnForget(const ForgetProvider& effect, const Ledger& ledger) {
  remembered_.erase({effect.hash, effect.provider});
  for (const auto& [id, account] : ledger.accounts()) {
    if (account.kind.hash == effect.hash) holds_.erase({id, effect.provider});
  }
}

void GoodNames::OnEnded(const TransferEnded& event, const Ledger& ledger) {
  const Ledger::Holding* holding = ledger.Find(event.transfer);
  if (holding == nullptr) return;
  if (event.content_void) ForgetHolds(holding->request);
  switch (event.outcome) {
    case Outcome::kDone:
      if (!holding->stopped) failed_.erase(holding->provider);
      return;
    case Outcome::kStopped:
      return;
    case Outcome::kLocalFault:
      held_.insert(holding->request);
      return;
    case Outcome::kBusy:
      busy_.insert(holding->provider);
      return;
    case Outcome::kNotHere:
    case Outcome::kAbortRequest:
    case Outcome::kWrongContent:
    case Outcome::kImpossible:
      refused_[holding->request].insert(holding->provider);
      if (!holding->stopped) Learn(event, *holding, ledger);
      return;
    case Outcome::kDropProvider:
    case Outcome::kRetryLater:
      failed_.insert(holding->provider);
      return;
  }
}

void GoodNames::Saw(const Event& event, const Effect& effect, const Ledger& ledger) {
  if (const auto* dial = std::get_if<Dial>(&effect)) {
    failed_.erase(dial->node);
    busy_.erase(dial->node);
  }
  if (const auto* start = std::get_if<StartTransfer>(&effect)) held_.erase(start->request);
  // What was known of who holds what was for the content that the store is asked for anew.
  if (const auto* look = std::get_if<LookInStore>(&effect)) ForgetHolds(look->request);
  if (const auto* remember = std::get_if<RememberProvider>(&effect)) {
    remembered_.insert({remember->hash, remember->provider});
  }
  if (const auto* forget = std::get_if<ForgetProvider>(&effect)) OnForget(*forget, ledger);
  // As time passed it may have stalled.
  const auto* stop = std::get_if<StopTransfer>(&effect);
  if (stop != nullptr && std::holds_alternative<Tick>(event)) {
    const Ledger::Holding* holding = ledger.Find(stop->transfer);
    if (holding != nullptr) failed_.insert(holding->provider);
  }
}

void GoodNames::EndEvent(const std::map<RequestId, Ledger::Account>& accounts) {
  std::erase_if(refused_, [&](const auto& each) { return !accounts.contains(each.first); });
  std::erase_if(holds_, [&](const auto& each) { return !accounts.contains(each.first.first); });
  std::erase_if(turned_down_, [&](const Key& key) { return !accounts.contains(key.first); });
  std::erase_if(held_, [&](RequestId request) { return !accounts.contains(request); });
}

void GoodNames::Clear() { *this = GoodNames(); }

bool GoodNames::MayHave(RequestId request, const ProviderId& provider, Range range) const {
  const auto held = holds_.find({request, provider});
  return held == holds_.end() || held->second.ContainsAll(range);
}

bool GoodNames::IsGood(RequestId request, const Hash& hash, const ProviderId& provider) const {
  if (failed_.contains(provider) || busy_.contains(provider)) return false;
  if (partial_.contains({hash, provider})) return false;
  const auto refused = refused_.find(request);
  return refused == refused_.end() || !refused->second.contains(provider);
}

}  // namespace blobd::sim
