#include "world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/check.h"
#include "base/overloaded.h"
#include "describe.h"

namespace blobd::sim {

using namespace schedule;

namespace {

constexpr size_t kLogLines = 60;
// After the faults everything that is still wanted must be there within this time: it covers every
// request one after the other on the slowest provider, and dead providers being dialled in between.
constexpr Duration kBoundWithoutFaults = hours(4);

NodeId MakeNode(uint32_t number) {
  NodeId node;
  node.bytes[0] =
      static_cast<uint8_t>(number * 37 + 11);  // so that the order of ids is not that of numbers
  node.bytes[31] = static_cast<uint8_t>(number);
  return node;
}

Options MakeOptions(const WorldOptions& world) {
  Options options;
  options.self = MakeNode(200);
  options.limits = world.limits;
  options.seed = world.seed;
  options.limits.connections_per_mirror = 2;
  options.node_ability.parts = world.parts;
  options.mirror_ability = {world.parts, 2};
  for (uint32_t i = 0; i < world.standing; ++i) options.standing.push_back(MakeNode(i));
  // Small, so that rounds of several happen.
  options.standing_at_a_time = 2;
  return options;
}

}  // namespace

World::World(const WorldOptions& options)
    : options_(options),
      rng_(options.seed + 0x51ed),
      scheduler_options_(MakeOptions(options)),
      scheduler_(std::make_unique<Scheduler>(scheduler_options_)),
      checkers_(
          scheduler_options_, [this](const std::string& what) { Broken(what); },
          [this](const Kind& kind) { return Complete(kind); }) {
  for (uint32_t i = 0; i < options_.nodes.size(); ++i) {
    const NodeId node = MakeNode(i);
    node_ids_.push_back(node);
    providers_.push_back(node);
    nodes_[node].character = options_.nodes[i];
    if (options_.nodes[i] == Character::kFlapping) {
      After(rng_.Between(seconds(1), minutes(2)), [this, node] { Flap(node); });
    }
  }
  for (uint32_t i = 0; i < options_.mirrors.size(); ++i) {
    const std::string url = fmt::format("https://mirror-{}/", i);
    providers_.push_back(MirrorUrl{url});
    mirrors_[url] = options_.mirrors[i];
  }
  providers_.push_back(scheduler_options_.self);
}

// Things of a life that is over do not happen any more; flapping nodes do not care.
void World::After(Duration delay, std::function<void()> run) {
  to_come_.emplace(std::make_pair(now_ + delay, ++inserted_),
                   [this, life = life_, run = std::move(run)] {
                     if (life == life_) run();
                   });
}

Stats World::stats() const {
  Stats sum = past_;
  sum.Add(scheduler_->stats());
  return sum;
}

void World::Crash() {
  past_ = stats();
  ++life_;
  const uint64_t next_transfer = scheduler_->next_transfer_id();
  scheduler_options_.first_transfer_id = next_transfer;
  scheduler_options_.first_request_id = scheduler_->next_request_id();
  scheduler_options_.limits = scheduler_->limits();
  scheduler_ = std::make_unique<Scheduler>(scheduler_options_);
  transfers_.clear();
  for (auto& [node, fake] : nodes_) {
    fake.up = false;
    fake.dial = 0;
    if (fake.character == Character::kFlapping) Flap(node);
  }
  all_paused_ = false;
  const Checkers::Persisted persisted = checkers_.Crashed();
  for (const auto& [provider, until] : persisted.bans) {
    scheduler_->RestoreBan(provider, until, 1, "before the crash");
  }
  for (const Queue& queue : persisted.intents) Deliver(queue);
}

void World::Broken(const std::string& what) {
  // The handler of failed checks prints the log and how to replay it.
  CheckFailed(what.c_str(), "history", static_cast<int>(events()));
}

void World::PrintLog() const {
  for (const Line& line : log_) {
    const std::string text = std::visit([](const auto& what) { return Describe(what); }, line.what);
    const bool is_event = std::holds_alternative<Event>(line.what);
    std::fprintf(stderr, "%14.6f s %s %s\n", static_cast<double>(line.at.nanos()) / 1e9,
                 is_event ? "event " : "   -> ", text.c_str());
  }
}

void World::Deliver(const Event& event) {
  const auto log = [&](std::variant<Event, Effect> what) {
    if (log_.size() >= kLogLines) log_.pop_front();
    log_.push_back(Line{now_, std::move(what)});
  };
  log(event);
  std::vector<Effect> effects;
  scheduler_->Step(now_, event, effects);
  for (const Effect& effect : effects) log(effect);
  scheduler_->CheckInvariants();
  checkers_.Saw(now_, event, effects, stats().failures);
  for (const Effect& effect : effects) Execute(effect);
}

bool World::StepOnce() {
  const std::optional<Instant> deadline = scheduler_->NextDeadline();
  if (deadline && (to_come_.empty() || *deadline <= to_come_.begin()->first.first)) {
    now_ = std::max(now_, *deadline);
    Deliver(Tick{});
    return true;
  }
  if (to_come_.empty()) return false;
  now_ = to_come_.begin()->first.first;
  const std::function<void()> run = std::move(to_come_.begin()->second);
  to_come_.erase(to_come_.begin());
  run();
  return true;
}

void World::Execute(const Effect& effect) {
  std::visit(
      Overloaded{
          [&](const LookInStore& e) { OnLookInStore(e); }, [&](const Dial& e) { OnDial(e.node); },
          [&](const GiveUpDial& e) { OnGiveUpDial(e.node); },
          [&](const Disconnect& e) { OnDisconnect(e.node); },
          [&](const StartTransfer& e) { OnStart(e); },
          [&](const LowerLimit& e) { OnLowerLimit(e); },
          [&](const StopTransfer& e) { OnStop(e.transfer); },
          [&](const FinishIntent& e) {
            const bool fine = e.code == ResultCode::kDone || e.code == ResultCode::kCancelled ||
                              e.code == ResultCode::kDeadlineExceeded;
            if (!faults_ && !fine) Broken("without faults an intent failed");
          },
          [](const RememberProvider&) {}, [](const ForgetProvider&) {}, [](const BanProvider&) {}},
      effect);
}

// --- what the world answers

uint64_t World::LengthOf(const Kind& kind) const {
  const uint64_t seed = kind.hash.bytes[0] * 7u + (kind.format == BlobFormat::kRaw ? 0u : 3u);
  return seed % 4 == 0 ? 1 + seed * 1000 : (1 + seed % 11) * options_.scale * (3 << 20) + seed;
}

bool World::Complete(const Kind& kind) const {
  const auto it = have_.find(kind);
  return it != have_.end() && it->second.ContainsAll({0, LengthOf(kind)});
}

void World::OnLookInStore(const LookInStore& effect) {
  const RequestId request = effect.request;
  last_look_[effect.kind] = request;
  After(rng_.Between(Duration(0), milliseconds(50)), [this, request, kind = effect.kind] {
    StoreAnswered answer;
    answer.request = request;
    RangeSet& have = have_[kind];
    if (Faulty(options_.store_fails)) {
      answer.state = StoreAnswered::State::kFailed;
      answer.reason = "disk";
    } else if (rng_.Chance(options_.store_has_it) || Complete(kind)) {
      have.Insert({0, LengthOf(kind)});
      answer.state = StoreAnswered::State::kComplete;
    }
    Deliver(answer);
    if (answer.state != StoreAnswered::State::kIncomplete) return;
    // What it has is gone now and then, as when it was collected; never what is written to.
    const bool is_written = std::any_of(transfers_.begin(), transfers_.end(), [&](const auto& it) {
      return it.second.start.kind == kind;
    });
    if (rng_.Chance(0.5) && last_look_[kind] == request && !is_written) have = RangeSet();
    if (!have.empty()) {
      Deliver(ContentKnown{request, LengthOf(kind), have.Missing({0, LengthOf(kind)}), nullptr});
    }
  });
}

void World::OnDial(const NodeId& node) {
  FakeNode& fake = nodes_[node];
  if (fake.up) Broken("dialled although it is connected");
  const uint64_t dial = next_dial_++;
  fake.dial = dial;
  const bool hangs = faults_ ? rng_.Chance(0.1) : fake.character == Character::kDead;
  const Duration delay = hangs ? seconds(10) : rng_.Between(milliseconds(1), milliseconds(400));
  After(delay, [this, node, dial] { AnswerDial(node, dial); });
}

void World::AnswerDial(const NodeId& node, uint64_t dial) {
  FakeNode& fake = nodes_[node];
  const bool late = fake.dial != dial;
  // A dial that was given up has no answer, except where its answer crossed the giving up.
  if (late && !Faulty(options_.late_answers)) return;
  if (fake.up) return;
  const bool dies = fake.character == Character::kDead || fake.gone ||
                    (fake.character == Character::kLossy && Faulty(0.3));
  const bool ours = Faulty(options_.local_fault);
  fake.dial = 0;
  if (dies || ours) return Deliver(DialFailed{node, ours, "no answer"});
  fake.up = true;
  Deliver(Connected{node, milliseconds(5 + rng_.Below(100))});
  TellWhatItHolds(node);
}

void World::OnGiveUpDial(const NodeId& node) { nodes_[node].dial = 0; }

void World::OnDisconnect(const NodeId& node) {
  FakeNode& fake = nodes_[node];
  fake.up = false;
  if (Faulty(options_.late_answers)) {
    // The peer closed it at the same time. The news is only sent while it is down, since a later
    // connection would be meant.
    After(rng_.Between(Duration(0), milliseconds(20)), [this, node] {
      if (!nodes_[node].up) Deliver(Disconnected{node, true, "closed"});
    });
  }
}

Character World::CharacterOf(const ProviderId& provider) const {
  if (const auto* node = std::get_if<NodeId>(&provider)) return nodes_.at(*node).character;
  return mirrors_.at(std::get<MirrorUrl>(provider).url);
}

uint64_t World::HeldBy(const ProviderId& provider, const Kind& kind) const {
  const uint64_t length = LengthOf(kind);
  const Character character = CharacterOf(provider);
  if (!faults_ || (character != Character::kPartial && character != Character::kGrowing)) {
    return length;
  }
  const uint64_t part = length / 16 * (1 + kind.hash.bytes[0] % 15);
  if (character == Character::kPartial) return part;
  return std::min(length, part / 4 + now_.nanos() / 100);
}

void World::TellWhatItHolds(const ProviderId& provider) {
  const Character character = CharacterOf(provider);
  if (character != Character::kPartial && character != Character::kGrowing) return;
  if (rng_.Chance(0.3)) return;
  for (const Kind& kind : checkers_.OpenKinds()) {
    if (kind.format != BlobFormat::kRaw) continue;
    Deliver(ProviderHolds{kind.hash, provider, RangeSet({0, HeldBy(provider, kind)})});
  }
}

void World::OnStart(const StartTransfer& start) {
  FakeTransfer fake{start};
  fake.position = start.part ? start.part->begin : 0;
  fake.end = start.part ? start.part->end : LengthOf(start.kind);
  transfers_[start.transfer] = fake;
  const TransferId id = start.transfer;
  After(rng_.Between(milliseconds(1), milliseconds(500)), [this, id] { Move(id); });
}

void World::OnLowerLimit(const LowerLimit& effect) {
  const bool cannot = rng_.Chance(0.1);
  After(rng_.Between(Duration(0), milliseconds(60)), [this, effect, cannot] {
    const auto it = transfers_.find(effect.transfer);
    if (it == transfers_.end() || it->second.dying) return;
    BoundaryAccepted answer{effect.transfer, UINT64_MAX};
    FakeTransfer& fake = it->second;
    // It may be past the wish already.
    const uint64_t boundary = std::max(effect.boundary, fake.position + rng_.Below(1 << 20));
    if (!cannot && boundary < fake.end) answer.boundary = fake.end = boundary;
    Deliver(answer);
    if (Faulty(options_.late_answers)) Deliver(answer);
  });
}

void World::Move(TransferId id) {
  const auto it = transfers_.find(id);
  if (it == transfers_.end() || it->second.dying) return;
  FakeTransfer& fake = it->second;
  const ProviderId provider = fake.start.provider;
  const Kind kind = fake.start.kind;
  const Character character = CharacterOf(provider);
  if (Faulty(options_.holds)) Deliver(TransferHeld{id, rng_.Chance(0.5)});
  const bool never = character == Character::kLiar || character == Character::kWithout;
  if (never || rng_.Chance(0.25)) {
    const Outcome outcome = DrawOutcome(character);
    const auto* node = std::get_if<NodeId>(&provider);
    if (outcome == Outcome::kRetryLater && node != nullptr && rng_.Chance(0.7)) {
      return LoseConnection(*node);
    }
    if (outcome != Outcome::kDone) return End(id, outcome);
  }
  if (!fake.start.part && !fake.proven && options_.parts && rng_.Chance(0.8)) {
    TellContent(fake);
    if (!transfers_.contains(id)) return;
  }
  if (false_lines_.contains(fake.start.request) && rng_.Chance(0.2)) return FindOut(id);
  const uint64_t held = HeldBy(provider, kind);
  const uint64_t fastest = character == Character::kSlow ? options_.scale << 20 : 8 << 20;
  const uint64_t most = rng_.Below(fastest) + 1;
  const uint64_t to = std::min({fake.end, held, fake.position + most});
  if (to > fake.position) {
    TransferProgress progress{id, to - fake.position, std::nullopt, to};
    if (rng_.Chance(0.5)) progress.total_bytes = LengthOf(kind);
    have_[kind].Insert({fake.position, to});
    fake.position = to;
    Deliver(progress);
  }
  const auto still = transfers_.find(id);
  if (still == transfers_.end() || still->second.dying) return;
  const bool is_beyond = still->second.position >= LengthOf(kind);
  if (is_beyond && false_lines_.contains(still->second.start.request)) return FindOut(id);
  if (still->second.position >= still->second.end) {
    // What it has is never all of the content.
    const bool lied = still->second.lied;
    return End(id, lied ? Outcome::kWrongContent : Outcome::kDone, lied);
  }
  if (still->second.position >= held) return End(id, Outcome::kNotHere);
  const Duration longest = character == Character::kSlow ? seconds(20) : seconds(1);
  After(rng_.Between(milliseconds(1), longest), [this, id] { Move(id); });
}

// By its bytes, or because it has proof, that the line is a false one.
void World::FindOut(TransferId id) {
  const StartTransfer& start = transfers_.at(id).start;
  false_lines_.erase(start.request);
  const bool is_node = std::holds_alternative<NodeId>(start.provider);
  End(id, is_node ? Outcome::kStopped : Outcome::kWrongContent, true);
}

void World::TellContent(FakeTransfer& fake) {
  fake.proven = true;
  const Kind& kind = fake.start.kind;
  uint64_t length = LengthOf(kind);
  if (std::holds_alternative<MirrorUrl>(fake.start.provider) && Faulty(0.3)) {
    false_lines_.insert(fake.start.request);
    fake.lied = true;
    length = rng_.Chance(0.5) ? length / 2 + 1 : length + rng_.Below(64 << 20);
  }
  const RangeSet missing = have_[kind].Missing({0, length});
  if (!missing.empty()) {
    fake.position = std::max(fake.position, missing.ranges().front().begin);
    fake.end = missing.ranges().back().end;
  }
  Deliver(ContentKnown{fake.start.request, length, missing, nullptr});
}

Outcome World::DrawOutcome(Character character) {
  switch (character) {
    case Character::kWithout:
      return rng_.Chance(0.5) ? Outcome::kNotHere : Outcome::kAbortRequest;
    case Character::kLiar:
      return Outcome::kDropProvider;
    case Character::kBusy:
      if (Faulty(0.6)) return Outcome::kBusy;
      break;
    case Character::kLossy:
      if (Faulty(0.6)) return Outcome::kRetryLater;
      break;
    case Character::kPartial:
    case Character::kGrowing:
    case Character::kHonest:
    case Character::kSlow:
    case Character::kDead:
    case Character::kFlapping:
      break;
  }
  if (Faulty(options_.breaks)) return Outcome::kRetryLater;
  if (Faulty(options_.local_fault)) return Outcome::kLocalFault;
  if (Faulty(options_.impossible)) return Outcome::kImpossible;
  if (Faulty(0.02)) return Outcome::kStopped;  // as after CancelTransfer
  return Outcome::kDone;
}

void World::End(TransferId id, Outcome outcome, bool content_void) {
  const auto node = transfers_.extract(id);
  if (node.empty()) return;
  TransferEnded ended{id, outcome, "for a reason", std::nullopt};
  if (outcome == Outcome::kNotHere && rng_.Chance(0.5)) {
    const schedule::StartTransfer& start = node.mapped().start;
    const uint64_t held = HeldBy(start.provider, start.kind);
    if (rng_.Chance(0.5)) ended.holds = RangeSet({0, held});
    ended.lacks = RangeSet({held, LengthOf(start.kind)});
  }
  ended.content_void = content_void;
  if (rng_.Chance(0.5)) ended.own_fault = OwnFault::kNetwork;
  if (outcome == Outcome::kBusy && rng_.Chance(0.7))
    ended.wait = rng_.Between(Duration(0), hours(1));
  Deliver(ended);
  if (Faulty(options_.late_answers)) {
    After(rng_.Between(Duration(0), seconds(2)), [this, ended] { Deliver(ended); });
  }
}

void World::OnStop(TransferId id) {
  After(rng_.Between(Duration(0), milliseconds(300)), [this, id] {
    const auto it = transfers_.find(id);
    if (it == transfers_.end() || it->second.dying) return;
    // Whatever comes first.
    Outcome outcome = Outcome::kStopped;
    if (Faulty(0.2)) outcome = DrawOutcome(CharacterOf(it->second.start.provider));
    if (outcome == Outcome::kDone && it->second.lied) outcome = Outcome::kStopped;
    if (outcome == Outcome::kDone) {
      // It was done before the stop reached it.
      have_[it->second.start.kind].Insert({it->second.position, it->second.end});
    }
    End(id, outcome);
  });
}

// The connection breaks: its end and those of its transfers arrive in any order.
void World::LoseConnection(const NodeId& node) {
  const Duration longest = rng_.Chance(0.2) ? seconds(4) : milliseconds(30);
  const auto soon = [&] { return rng_.Between(Duration(0), longest); };
  for (auto& [id, transfer] : transfers_) {
    if (transfer.start.provider != ProviderId(node) || transfer.dying) continue;
    transfer.dying = true;
    const TransferId dying = id;
    After(soon(), [this, dying] { End(dying, Outcome::kRetryLater); });
  }
  if (!nodes_[node].up) return;
  const bool in_order = rng_.Chance(0.3);
  After(soon(), [this, node, in_order] {
    FakeNode& fake = nodes_[node];
    if (!fake.up) return;  // closed by us before the news was here
    fake.up = false;
    Deliver(Disconnected{node, in_order, "reset"});
  });
}

void World::Flap(const NodeId& node) {
  FakeNode& fake = nodes_[node];
  if (!faults_) {
    fake.gone = false;
    return;
  }
  fake.gone = !fake.gone;
  if (fake.gone && fake.up) LoseConnection(node);
  // Sometimes for longer than it takes to become unreachable.
  const Duration longest = rng_.Chance(0.2) ? minutes(20) : seconds(30);
  After(rng_.Between(seconds(1), longest), [this, node] { Flap(node); });
}

// --- the history

void World::StopFaults() {
  if (all_paused_) Deliver(SetPaused{std::nullopt, false});
  for (const IntentId intent : checkers_.OpenIntents()) Deliver(SetPaused{intent, false});
  faults_ = false;
  for (auto& [node, fake] : nodes_) fake.gone = false;
  // Node 0 has everything, and everybody is told.
  for (const Kind& kind : checkers_.OpenKinds()) {
    Deliver(NodesHave{kind.hash, {ProviderId(node_ids_[0])}});
  }
}

void World::RunToTheEnd() {
  StopFaults();
  const Instant bound = now_ + kBoundWithoutFaults;
  while (checkers_.open_intents() > 0) {
    if (now_ > bound) Broken("without faults, not everything finished in time");
    if (!StepOnce()) Broken("intents are open and nothing will ever happen");
  }
  while (StepOnce()) {
  }
  checkers_.CheckRest(*scheduler_);
}

// Shutting down: what runs may end, nothing starts, and nothing fails.
void World::RunDrained() {
  // Some wait for a provider already, and some have just come.
  for (const ProviderId& provider : providers_) {
    if (rng_.Chance(0.3)) Deliver(BanWanted{provider, hours(1), "unwanted"});
  }
  for (uint64_t steps = rng_.Below(20); steps > 0; --steps) {
    if (rng_.Chance(0.3)) QueueSomething();
    StepOnce();
  }
  Deliver(Drain{});
  while (checkers_.live_transfers() > 0) {
    if (!StepOnce()) Broken("a transfer never ended");
  }
  // Nobody may be left to somebody who waits, and still that is for the next life to say.
  for (const ProviderId& provider : providers_) {
    if (rng_.Chance(0.5)) Deliver(BanWanted{provider, hours(1), "unwanted"});
  }
  // However long it takes: patience passes, connections break, callers come and go.
  const Instant until = now_ + (rng_.Chance(0.3) ? hours(25) : minutes(30));
  while (now_ < until && StepOnce()) {
    if (!rng_.Chance(0.1)) continue;
    const std::vector<IntentId> open = checkers_.OpenIntents();
    if (open.empty() || rng_.Chance(0.5)) {
      PauseSomething();
    } else {
      Deliver(Cancel{open[rng_.Below(open.size())]});
    }
  }
}

void World::Run() {
  uint64_t steps = 0;
  while (steps < options_.steps || events() < 500) {
    const Instant next = now_ + rng_.Between(Duration(0), options_.between_actions);
    while (true) {
      const auto deadline = scheduler_->NextDeadline();
      const bool timer = deadline && *deadline <= next;
      const bool thing = !to_come_.empty() && to_come_.begin()->first.first <= next;
      if (!timer && !thing) break;
      StepOnce();
    }
    now_ = next;
    Act();
    ++steps;
  }
  if (options_.ends_with_drain) return RunDrained();
  RunToTheEnd();
}

}  // namespace blobd::sim
