// World: the real scheduler under a virtual clock, with callers, a store, nodes and mirrors played
// by chance.
//
// One queue of things to come, ordered by time, then insertion; the clock jumps from one to the
// next, or to the scheduler's own deadline. After every event the scheduler's invariants and the
// checkers are asked.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "checkers.h"
#include "faults.h"
#include "schedule/scheduler.h"

namespace blobd::sim {

class World {
 public:
  explicit World(const WorldOptions& options);

  // The whole history: with faults, then without, to the end. Ends the process if something is
  // wrong.
  void Run();
  uint64_t events() const { return past_.events + scheduler_->stats().events; }
  schedule::Stats stats() const;
  // The last events and effects, oldest first.
  void PrintLog() const;

 private:
  struct FakeNode {
    Character character = Character::kHonest;
    uint64_t dial = 0;  // number of the running dial, 0: none
    bool up = false;
    bool gone = false;  // flapping: not to be reached now
  };
  struct FakeTransfer {
    schedule::StartTransfer start;
    bool dying = false;   // its connection is gone, its end is on the way
    bool proven = false;  // it has told the size
    bool lied = false;    // which was a false one
    uint64_t position = 0;
    uint64_t end = 0;
  };

  void After(Duration delay, std::function<void()> run);
  // Runs the next thing to come, or lets time pass to the next deadline. False if there is nothing.
  bool StepOnce();
  void Deliver(const schedule::Event& event);
  void Execute(const schedule::Effect& effect);
  [[noreturn]] void Broken(const std::string& what);

  // What callers do.
  void Act();
  void QueueSomething();
  void PauseSomething();
  void CancelSomeTransfer();
  // REQUIRES: there is one
  TransferId SomeTransfer();
  void TellNews();
  // The daemon dies and comes back with what was persisted: intents, providers, bans.
  void Crash();
  schedule::Priority DrawPriority();
  Hash DrawHash();
  std::vector<ProviderId> DrawProviders();

  // What the world answers.
  void OnLookInStore(const schedule::LookInStore& effect);
  void OnDial(const NodeId& node);
  void AnswerDial(const NodeId& node, uint64_t dial);
  void OnGiveUpDial(const NodeId& node);
  void OnDisconnect(const NodeId& node);
  void OnStart(const schedule::StartTransfer& start);
  void OnLowerLimit(const schedule::LowerLimit& effect);
  void OnStop(TransferId id);
  uint64_t LengthOf(const Kind& kind) const;
  // Everything of the kind is in the store.
  bool Complete(const Kind& kind) const;
  // How much of it, from its beginning, the provider has now.
  uint64_t HeldBy(const ProviderId& provider, const Kind& kind) const;
  void TellWhatItHolds(const ProviderId& provider);
  void Move(TransferId id);
  void End(TransferId id, schedule::Outcome outcome, bool content_void = false);
  // What a transfer of unknown content finds out, or believes.
  void TellContent(FakeTransfer& fake);
  void FindOut(TransferId id);
  void LoseConnection(const NodeId& node);
  void Flap(const NodeId& node);
  schedule::Outcome DrawOutcome(Character character);
  Character CharacterOf(const ProviderId& provider) const;
  bool Faulty(double probability) { return faults_ && rng_.Chance(probability); }

  void StopFaults();
  void RunToTheEnd();
  void RunDrained();

  WorldOptions options_;
  Rng rng_;
  schedule::Options scheduler_options_;
  std::unique_ptr<schedule::Scheduler> scheduler_;
  schedule::Stats past_;  // of earlier lives
  Checkers checkers_;
  Instant now_ = Instant::FromNanos(1);
  uint64_t inserted_ = 0;
  std::map<std::pair<Instant, uint64_t>, std::function<void()>> to_come_;
  std::deque<schedule::Effect> to_execute_;
  bool faults_ = true;
  bool all_paused_ = false;
  uint64_t life_ = 0;
  uint64_t next_intent_ = 1;
  uint64_t next_dial_ = 1;
  std::vector<NodeId> node_ids_;
  std::vector<ProviderId> providers_;
  std::map<NodeId, FakeNode> nodes_;
  std::map<std::string, Character> mirrors_;
  std::map<TransferId, FakeTransfer> transfers_;
  std::map<Kind, RequestId> last_look_;  // into the store
  std::map<Kind, RangeSet> have_;        // in the store, also after a crash
  std::set<RequestId> false_lines_;      // a mirror claimed another length
  struct Line {
    Instant at;
    std::variant<schedule::Event, schedule::Effect> what;
  };
  std::deque<Line> log_;
};

}  // namespace blobd::sim
