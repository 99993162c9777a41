#include "good_names.h"

#include "base/overloaded.h"

namespace blobd::sim {

using namespace schedule;

void GoodNames::Saw(const Event& event, const Ledger& ledger) {
  std::visit(Overloaded{[&](const ProviderHolds& e) {
                          partial_.insert({e.hash, e.provider});
                        },
                        [&](const CancelTransfer& e) {
                          const Ledger::Holding* holding = ledger.Find(e.transfer);
                          if (holding != nullptr)
                            refused_[holding->request].insert(holding->provider);
                        },
                        [&](const TransferEnded& e) { OnEnded(e, ledger); }, [](const auto&) {}},
             event);
}

void GoodNames::OnEnded(const TransferEnded& event, const Ledger& ledger) {
  const Ledger::Holding* holding = ledger.Find(event.transfer);
  if (holding == nullptr) return;
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
  // As time passed it may have stalled.
  const auto* stop = std::get_if<StopTransfer>(&effect);
  if (stop != nullptr && std::holds_alternative<Tick>(event)) {
    const Ledger::Holding* holding = ledger.Find(stop->transfer);
    if (holding != nullptr) failed_.insert(holding->provider);
  }
}

void GoodNames::EndEvent(const std::map<RequestId, Ledger::Account>& accounts) {
  std::erase_if(refused_, [&](const auto& each) { return !accounts.contains(each.first); });
  std::erase_if(held_, [&](RequestId request) { return !accounts.contains(request); });
}

void GoodNames::Clear() { *this = GoodNames(); }

bool GoodNames::IsGood(RequestId request, const Hash& hash, const ProviderId& provider) const {
  if (failed_.contains(provider) || busy_.contains(provider)) return false;
  if (partial_.contains({hash, provider})) return false;
  const auto refused = refused_.find(request);
  return refused == refused_.end() || !refused->second.contains(provider);
}

}  // namespace blobd::sim
