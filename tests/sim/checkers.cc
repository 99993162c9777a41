#include "checkers.h"

#include <algorithm>

#include "base/overloaded.h"

namespace blobd::sim {

using namespace schedule;

std::optional<Kind> Checkers::KindOf(IntentId intent) const {
  const auto it = intents_.find(intent);
  return it == intents_.end() ? std::nullopt : std::optional<Kind>(it->second.kind);
}

std::vector<IntentId> Checkers::OpenIntents() const {
  std::vector<IntentId> open;
  for (const auto& [id, intent] : intents_) open.push_back(id);
  return open;
}

std::set<Kind> Checkers::OpenKinds() const {
  std::set<Kind> kinds;
  for (const auto& [id, intent] : intents_) kinds.insert(intent.kind);
  return kinds;
}

void Checkers::Named(const std::vector<ProviderId>& providers) {
  for (const ProviderId& provider : providers) {
    if (const auto* node = std::get_if<NodeId>(&provider)) nodes_[*node].not_before.reset();
  }
}

Checkers::Persisted Checkers::Crashed() {
  Persisted persisted;
  persisted.bans = banned_;
  for (const auto& [id, intent] : intents_) {
    Queue queue = intent.asked;
    queue.paused = intent.paused;
    queue.patience = std::max(Duration(0), intent.patience_over - now_);
    queue.providers.clear();
    for (const auto& [hash, provider] : remembered_) {
      if (hash == queue.kind.hash) queue.providers.push_back(provider);
    }
    persisted.intents.push_back(queue);
    restored_.insert(id);
  }
  remembered_.clear();
  asked_.clear();
  transfers_.clear();
  set_aside_.clear();
  nodes_.clear();
  ledger_.Clear();
  good_names_.Clear();
  all_paused_ = false;
  return persisted;
}

// The connection is gone: what ran on it only waits for its end.
void Checkers::Lost(const NodeId& node) {
  nodes_[node].link = Link::kDown;
  for (auto& [id, live] : transfers_) {
    if (live.start.provider == ProviderId(node)) live.stopped = true;
  }
}

// REQUIRES: the event was not applied yet
void Checkers::CheckFailures(const Event& event, uint64_t failures) {
  const uint64_t more = failures - failures_;
  failures_ = failures;
  // Time that passes may find several that stalled.
  Expect(more <= 1 || std::holds_alternative<Tick>(event), "an event is at most one failure");
  Expect(more == 0 || !draining_, "what breaks during a shutdown is nobody's failure");
  const NodeId* node = nullptr;
  if (const auto* e = std::get_if<Connected>(&event)) nodes_[e->node].failures = 0;
  if (const auto* e = std::get_if<Disconnected>(&event)) node = &e->node;
  if (const auto* e = std::get_if<TransferProgress>(&event)) {
    const auto it = transfers_.find(e->transfer);
    if (it != transfers_.end() && !it->second.stopped)
      node = std::get_if<NodeId>(&it->second.start.provider);
    if (node != nullptr) nodes_[*node].failures = 0;
  }
  if (const auto* e = std::get_if<TransferEnded>(&event)) {
    const auto it = transfers_.find(e->transfer);
    if (it == transfers_.end()) return Expect(more == 0, "a late event is no failure");
    Expect(more == 0 || !it->second.stopped, "what we stopped is no failure");
    node = std::get_if<NodeId>(&it->second.start.provider);
    if (node != nullptr && e->outcome == Outcome::kDone) nodes_[*node].failures = 0;
  }
  if (node == nullptr || more == 0) return;
  Expect(++nodes_[*node].failures <= 1, "a connection is at most one failure");
}

void Checkers::ApplyPaused(const SetPaused& event) {
  if (!event.intent) {
    all_paused_ = event.paused;
  } else if (const auto it = intents_.find(*event.intent); it != intents_.end()) {
    it->second.paused = event.paused;
  }
}

bool Checkers::Resting(const Kind& kind) const {
  if (all_paused_) return true;
  for (const auto& [id, intent] : intents_) {
    if (intent.kind == kind && !intent.paused) return false;
  }
  return true;
}

void Checkers::ApplyEvent(const Event& event) {
  std::visit(
      Overloaded{[&](const Queue& e) {
                   Expect(e.id > last_intent_ || restored_.erase(e.id) == 1,
                          "the world reused an intent id");
                   last_intent_ = std::max(last_intent_, e.id);
                   if (!OpenKinds().contains(e.kind)) {  // another request
                     std::erase_if(set_aside_,
                                   [&](const auto& it) { return it.second.kind == e.kind; });
                   }
                   intents_[e.id] = {e.kind, e.deadline, now_ + e.patience, e, e.paused};
                   Named(e.providers);
                 },
                 [&](const Cancel& e) { cancelled_ = e.id; },
                 [&](const Withdraw& e) { intents_.erase(e.id); },
                 [&](const NodesHave& e) { Named(e.providers); },
                 [&](const StoreAnswered& e) {
                   const auto it = asked_.find(e.request);
                   if (it == asked_.end()) return;
                   if (e.state == StoreAnswered::State::kComplete) completed_.insert(it->second);
                   if (e.state == StoreAnswered::State::kFailed) doomed_.insert(it->second);
                   asked_.erase(it);
                 },
                 [&](const SetPaused& e) { ApplyPaused(e); },
                 [&](const PathNews& e) { nodes_[e.node].not_before.reset(); },
                 [&](const NetworkBack&) {
                   for (auto& [id, node] : nodes_) node.not_before.reset();
                 },
                 [&](const DiskRoom&) {},
                 [&](const TransferHeld&) {},
                 [&](const BanWanted&) {},
                 [&](const DisconnectWanted&) {},
                 [&](const Unban& e) { banned_.erase(e.provider); },
                 [&](const Connected& e) {
                   Node& node = nodes_[e.node];
                   if (node.link == Link::kDialling) node.link = Link::kUp;
                 },
                 [&](const DialFailed& e) {
                   Node& node = nodes_[e.node];
                   if (node.link != Link::kDialling) return;
                   node.link = Link::kDown;
                   if (!e.local_fault) node.not_before = now_ + options_.node_retry.initial_delay;
                 },
                 [&](const Disconnected& e) {
                   if (nodes_[e.node].link == Link::kUp) Lost(e.node);
                 },
                 [&](const ContentKnown&) {},
                 [&](const ProviderHolds&) {},
                 [&](const Arrived&) {},
                 [&](const BoundaryAccepted&) {},
                 [&](const TransferProgress&) {},
                 [&](const TransferEnded& e) {
                   const auto it = transfers_.find(e.transfer);
                   if (it == transfers_.end()) return;
                   const Kind kind = it->second.start.kind;
                   if (e.outcome == Outcome::kDone) completed_.insert(kind);
                   if (e.outcome == Outcome::kImpossible && !it->second.stopped)
                     doomed_.insert(kind);
                   transfers_.erase(it);
                 },
                 [&](const CancelTransfer& e) {
                   const auto it = transfers_.find(e.transfer);
                   if (it == transfers_.end() || it->second.stopped) return;
                   const StartTransfer& start = it->second.start;
                   set_aside_[{start.request, start.provider}] = {start.kind, now_ + seconds(5)};
                 },
                 [&](const SetLimits& e) { limits_ = e.limits; },
                 [&](const Drain&) { draining_ = true; },
                 [&](const Tick&) {}},
      event);
}

uint32_t Checkers::LiveOn(const ProviderId& provider, bool running_only) const {
  uint32_t count = 0;
  for (const auto& [id, live] : transfers_) {
    if (live.start.provider == provider && !(running_only && live.stopped)) ++count;
  }
  return count;
}

std::set<RequestId> Checkers::Running() const {
  std::set<RequestId> running;
  for (const auto& [id, live] : transfers_) {
    if (!live.stopped) running.insert(live.start.request);
  }
  return running;
}

uint32_t Checkers::Connections() const {
  uint32_t count = 0;
  for (const auto& [id, node] : nodes_) count += node.link != Link::kDown ? 1 : 0;
  return count;
}

void Checkers::OnStart(const StartTransfer& start) {
  Expect(start.transfer > last_transfer_, "transfer ids increase");
  last_transfer_ = start.transfer;
  Expect(!draining_, "nothing starts while draining");
  Expect(!Resting(start.kind), "what is paused does not start");
  Expect(OpenKinds().contains(start.kind), "a transfer is for something that is wanted");
  Expect(start.question || remembered_.contains({start.kind.hash, start.provider}),
         "a transfer goes to a named provider");
  if (start.question) {
    const auto& standing = options_.standing;
    Expect(std::find(standing.begin(), standing.end(), start.provider) != standing.end(),
           "only standing providers are asked without being named");
  }
  Expect(!start.part || good_names_.MayHave(start.request, start.provider, *start.part),
         "nobody is asked for what it does not hold");
  Expect(start.provider != ProviderId(options_.self), "we are no provider of our own");
  const auto aside = set_aside_.find({start.request, start.provider});
  Expect(aside == set_aside_.end() || aside->second.until <= now_,
         "who was cancelled does not begin again at once");
  uint32_t capacity = limits_.connections_per_mirror;
  if (const auto* node = std::get_if<NodeId>(&start.provider)) {
    Expect(nodes_[*node].link == Link::kUp, "a transfer goes to a connected node");
    capacity = limits_.requests_per_node;
  }
  Expect(LiveOn(start.provider, false) < capacity, "no transfer starts at a provider's limit");
  if (!Running().contains(start.request)) {
    const size_t others = Holding(start.request);
    Expect(others < limits_.requests, "no request starts at the limit of requests");
  }
  transfers_[start.transfer] = Live{start, false};
}

void Checkers::OnFinish(const FinishIntent& finish) {
  const auto it = intents_.find(finish.intent);
  if (it == intents_.end()) {
    Expect(false, "an intent ends once");
    return;
  }
  const OpenIntent& intent = it->second;
  const bool deadline_passed = intent.deadline && *intent.deadline <= now_;
  switch (finish.code) {
    case ResultCode::kDone:
      Expect(complete_(intent.kind), "done means that it is complete");
      break;
    case ResultCode::kCancelled:
      Expect(cancelled_ == finish.intent, "who is cancelled was cancelled");
      break;
    case ResultCode::kDeadlineExceeded:
      Expect(deadline_passed, "the deadline passed");
      break;
    case ResultCode::kNoProviders:
      Expect(finish.failures.empty(), "no provider was ever tried");
      [[fallthrough]];
    case ResultCode::kFailed:
      Expect(doomed_.contains(intent.kind) || (intent.patience_over <= now_ && !draining_),
             "who fails is out of patience");
      Expect(doomed_.contains(intent.kind) || (!intent.paused && !all_paused_),
             "who is paused does not run out of patience");
      Expect(doomed_.contains(intent.kind) ||
                 std::none_of(set_aside_.begin(), set_aside_.end(),
                              [&](const auto& each) {
                                return each.second.kind == intent.kind && each.second.until > now_;
                              }),
             "nobody fails because a transfer was cancelled");
      break;
  }
  intents_.erase(it);
}

void Checkers::OnDial(const NodeId& id) {
  Node& node = nodes_[id];
  Expect(!draining_ && !all_paused_, "nothing is dialled while draining or paused");
  Expect(id != options_.self, "we do not dial ourselves");
  Expect(node.link == Link::kDown, "only what is not connected is dialled");
  Expect(Connections() < limits_.connections, "no dial at the limit of connections");
  // A standing provider leaves its last hash without a word, and its retry state with it.
  const auto& standing = options_.standing;
  const bool quiet = std::find(standing.begin(), standing.end(), ProviderId(id)) != standing.end();
  Expect(quiet || !node.not_before || *node.not_before <= now_,
         "a failed dial is not repeated at once");
  const auto ban = banned_.find(ProviderId(id));
  Expect(ban == banned_.end() || ban->second <= now_, "who is banned is not dialled");
  node.link = Link::kDialling;
}

void Checkers::OnEffect(const Effect& effect) {
  std::visit(
      Overloaded{
          [&](const LookInStore& e) {
            Expect(!asked_.contains(e.request), "a request asks the store once");
            asked_[e.request] = e.kind;
          },
          [&](const Dial& e) { OnDial(e.node); },
          [&](const GiveUpDial& e) {
            Expect(nodes_[e.node].link == Link::kDialling, "only a running dial is given up");
            nodes_[e.node].link = Link::kDown;
          },
          [&](const Disconnect& e) {
            if (nodes_[e.node].link != Link::kUp)
              return;  // the late answer of a dial that was given up
            Expect(LiveOn(e.node, true) == 0, "no connection is closed under a running transfer");
            Lost(e.node);
          },
          [&](const StartTransfer& e) { OnStart(e); }, [](const LowerLimit&) {},
          [&](const StopTransfer& e) {
            const auto it = transfers_.find(e.transfer);
            if (it != transfers_.end()) it->second.stopped = true;
          },
          [&](const FinishIntent& e) { OnFinish(e); },
          [&](const RememberProvider& e) {
            Expect(remembered_.insert({e.hash, e.provider}).second,
                   "what is known is not remembered");
            const auto ban = banned_.find(e.provider);
            Expect(ban == banned_.end() || ban->second <= now_, "who is banned is refused");
          },
          [&](const ForgetProvider& e) {
            Expect(remembered_.erase({e.hash, e.provider}) == 1, "only what is known is forgotten");
            for (const auto& [hash, provider] : remembered_) {
              if (provider == e.provider) return;
            }
            // With its last hash its retry state goes, and that it was set aside.
            std::erase_if(set_aside_,
                          [&](const auto& each) { return each.first.second == e.provider; });
            if (const auto* node = std::get_if<NodeId>(&e.provider))
              nodes_[*node].not_before.reset();
          },
          [&](const BanProvider& e) { banned_[e.provider] = now_ + e.length; }},
      effect);
}

// Some hash has it as a provider, or it is asked for all of them.
bool Checkers::Wanted(const NodeId& node) const {
  const auto& standing = options_.standing;
  const ProviderId id = node;
  return std::find(standing.begin(), standing.end(), id) != standing.end() ||
         std::any_of(remembered_.begin(), remembered_.end(),
                     [&](const auto& known) { return known.second == id; });
}

void Checkers::CheckLimits() {
  Expect(Running().size() <= limits_.requests, "no more requests run than may");
  Expect(Connections() <= limits_.connections, "no more connections than there may be");
  for (const auto& [id, node] : nodes_) {
    Expect(LiveOn(id, true) <= limits_.requests_per_node,
           "no more transfers on a node than may be");
    Expect(node.link != Link::kDialling || Wanted(id), "a dial that nobody wants is given up");
  }
  for (const auto& [id, live] : transfers_) {
    Expect(live.stopped || OpenKinds().contains(live.start.kind), "what nobody wants does not run");
    Expect(live.stopped || !Resting(live.start.kind), "what is paused does not run");
  }
  for (const auto& [id, intent] : intents_) {
    Expect(!intent.deadline || *intent.deadline > now_, "an intent ends at its deadline");
  }
}

void Checkers::Saw(Instant now, const Event& event, const std::vector<Effect>& effects,
                   uint64_t failures) {
  now_ = now;
  completed_.clear();
  doomed_.clear();
  cancelled_.reset();
  CheckFailures(event, failures);
  good_names_.Saw(event, ledger_);
  ledger_.Saw(event);
  ApplyEvent(event);
  for (const Effect& effect : effects) {
    good_names_.Saw(event, effect, ledger_);
    ledger_.Saw(effect);
    OnEffect(effect);
  }
  if (cancelled_) Expect(!intents_.contains(*cancelled_), "a cancelled intent has ended");
  ledger_.EndEvent(OpenKinds());
  good_names_.EndEvent(ledger_.accounts());
  CheckLimits();
  CheckNobodyIsIdle();
}

void Checkers::CheckRest(const Scheduler& scheduler) {
  Expect(intents_.empty(), "every intent has ended");
  Expect(transfers_.empty() && scheduler.running_transfers() == 0, "no transfer is left");
  Expect(scheduler.unfinished_requests() == 0, "no request is left");
  Expect(remembered_.empty(), "no provider is left in the map");
  Expect(Connections() == 0, "no connection is left");
  Expect(!scheduler.NextDeadline(), "no timer is left");
}

}  // namespace blobd::sim
