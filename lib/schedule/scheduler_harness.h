// For the tests of this room: a scheduler with a clock one turns by hand. Every step checks the
// invariants.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "schedule/scheduler.h"

namespace blobd::schedule {

inline NodeId Node(uint8_t number) {
  NodeId node;
  node.bytes[31] = number;
  return node;
}
inline Kind Raw(uint8_t number) {
  Kind kind;
  kind.hash.bytes[0] = number;
  return kind;
}
inline Kind Seq(uint8_t number) { return Kind{Raw(number).hash, BlobFormat::kHashSeq}; }
inline ProviderId Mirror(const std::string& url) { return MirrorUrl{url}; }

struct Harness {
  static Options Defaults() {
    Options options;
    options.self = Node(255);
    return options;
  }
  explicit Harness(Options options = Defaults()) : scheduler(std::move(options)) {}

  // Applies an event now; `effects` are those of the last step.
  void Do(const Event& event) {
    effects.clear();
    scheduler.Step(now, event, effects);
    scheduler.CheckInvariants();
    for (const Effect& effect : effects) history.push_back(effect);
  }
  // Lets time pass, with every tick that is due on the way. `effects` are those of all of them.
  void Pass(Duration duration) {
    const Instant end = now + duration;
    std::vector<Effect> all;
    while (scheduler.NextDeadline() && *scheduler.NextDeadline() <= end) {
      now = std::max(now, *scheduler.NextDeadline());
      Do(Tick{});
      all.insert(all.end(), effects.begin(), effects.end());
    }
    now = end;
    Do(Tick{});
    all.insert(all.end(), effects.begin(), effects.end());
    effects = std::move(all);
  }

  IntentId Want(const Kind& kind, std::vector<ProviderId> providers,
                Priority priority = Priority::kNormal, Duration patience = hours(24)) {
    Queue queue;
    queue.id = IntentId{next_intent++};
    queue.kind = kind;
    queue.providers = std::move(providers);
    queue.priority = priority;
    queue.patience = patience;
    Do(queue);
    return queue.id;
  }
  // Queues it, and the store has nothing of it.
  IntentId WantNew(const Kind& kind, std::vector<ProviderId> providers,
                   Priority priority = Priority::kNormal, Duration patience = hours(24)) {
    const IntentId intent = Want(kind, std::move(providers), priority, patience);
    StoreSays(StoreAnswered::State::kIncomplete);
    return intent;
  }
  // Answers the request that was made last.
  void StoreSays(StoreAnswered::State state, const std::string& reason = "") {
    StoreAnswered answer;
    answer.request = RequestId{scheduler.next_request_id() - 1};
    answer.state = state;
    answer.reason = reason;
    Do(answer);
  }
  void Connect(uint8_t node) { Do(Connected{Node(node), milliseconds(10)}); }
  void FailDial(uint8_t node) { Do(DialFailed{Node(node), false, "no answer"}); }
  void End(TransferId transfer, Outcome outcome, const std::string& reason = "") {
    Do(TransferEnded{transfer, outcome, reason, std::nullopt});
  }

  // The effects of one type among those of the last step.
  template <typename T>
  std::vector<T> Saw() const {
    return Only<T>(effects);
  }
  template <typename T>
  std::vector<T> SawEver() const {
    return Only<T>(history);
  }
  template <typename T>
  static std::vector<T> Only(const std::vector<Effect>& from) {
    std::vector<T> only;
    for (const Effect& effect : from) {
      if (const auto* match = std::get_if<T>(&effect)) only.push_back(*match);
    }
    return only;
  }
  // The one transfer that the last step started.
  StartTransfer Started() const {
    const auto started = Saw<StartTransfer>();
    EXPECT_EQ(started.size(), 1u);
    return started.empty() ? StartTransfer{} : started.front();
  }
  // The one intent that the last step ended.
  FinishIntent Finished() const {
    const auto finished = Saw<FinishIntent>();
    EXPECT_EQ(finished.size(), 1u);
    return finished.empty() ? FinishIntent{} : finished.front();
  }
  std::vector<NodeId> Dialled() const {
    std::vector<NodeId> nodes;
    for (const Dial& dial : Saw<Dial>()) nodes.push_back(dial.node);
    return nodes;
  }
  RequestState StateOf(IntentId intent) const {
    const auto view = scheduler.ViewOfIntent(intent);
    EXPECT_TRUE(view.has_value());
    return view ? view->state : RequestState::kInStore;
  }

  Scheduler scheduler;
  Instant now = Instant::FromNanos(1);
  uint64_t next_intent = 1;
  std::vector<Effect> effects;
  std::vector<Effect> history;
};

}  // namespace blobd::schedule
