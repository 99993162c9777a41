// What an event costs the scheduler with a long queue behind it.
//
// A pair is one request that comes and one that is done: queue, the store's answer, a transfer's
// end, the next start.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/rng.h"
#include "schedule/scheduler.h"

namespace blobd::schedule {
namespace {

class Bench {
 public:
  explicit Bench(uint64_t providers) : scheduler_(Options{}), rng_(1) {
    for (uint64_t i = 1; i <= providers; ++i) {
      NodeId node;
      std::memcpy(node.bytes.data(), &i, sizeof i);
      nodes_.push_back(node);
    }
  }

  void QueueOne() {
    Queue queue;
    queue.id = IntentId{next_intent_++};
    for (size_t i = 0; i < 32; i += 8) {
      const uint64_t word = rng_.Next();
      std::memcpy(queue.kind.hash.bytes.data() + i, &word, 8);
    }
    queue.providers = {nodes_[queue.id.value % nodes_.size()]};
    Step(queue);
    StoreAnswered incomplete;
    incomplete.request = RequestId{scheduler_.next_request_id() - 1};
    Step(incomplete);
  }
  // Ends the oldest running transfer. REQUIRES: one runs
  void CompleteOne() {
    const TransferId oldest = running_[done_++];
    Step(TransferEnded{oldest, Outcome::kDone, "", std::nullopt});
  }
  // Cancels some queued intent, not the next in order.
  void CancelOne(uint64_t from, uint64_t count) {
    Step(Cancel{IntentId{from + rng_.Below(count)}});
  }

  uint64_t next_intent() const { return next_intent_; }
  const Stats& stats() const { return scheduler_.stats(); }

 private:
  void Step(const Event& event) {
    effects_.clear();
    scheduler_.Step(now_, event, effects_);
    // A dial succeeds at once; a transfer waits for CompleteOne.
    std::vector<NodeId> dialled;
    for (const Effect& effect : effects_) {
      if (const auto* dial = std::get_if<Dial>(&effect)) dialled.push_back(dial->node);
      if (const auto* start = std::get_if<StartTransfer>(&effect))
        running_.push_back(start->transfer);
    }
    for (const NodeId& node : dialled) Step(Connected{node, milliseconds(1)});
  }

  Scheduler scheduler_;
  Rng rng_;
  Instant now_ = Instant::FromNanos(1);
  uint64_t next_intent_ = 1;
  std::vector<NodeId> nodes_;
  std::vector<Effect> effects_;
  std::vector<TransferId> running_;
  size_t done_ = 0;
};

void QueueAndComplete(benchmark::State& state) {
  Bench bench(10);
  for (int64_t i = 0; i < state.range(0); ++i) bench.QueueOne();
  const Stats before = bench.stats();
  for (auto _ : state) {
    bench.QueueOne();
    bench.CompleteOne();
  }
  const auto events = static_cast<double>(bench.stats().events - before.events);
  const auto decisions = static_cast<double>(bench.stats().decisions - before.decisions);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
  state.counters["events_per_second"] = benchmark::Counter(events, benchmark::Counter::kIsRate);
  state.counters["decisions_per_event"] = decisions / events;
}
BENCHMARK(QueueAndComplete)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);

void QueueAndCancelARandomVictim(benchmark::State& state) {
  Bench bench(10);
  for (int64_t i = 0; i < state.range(0); ++i) bench.QueueOne();
  const auto queued = static_cast<uint64_t>(state.range(0));
  for (auto _ : state) {
    bench.QueueOne();
    bench.CancelOne(bench.next_intent() - queued, queued);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(QueueAndCancelARandomVictim)->Arg(1'000)->Arg(100'000);

}  // namespace
}  // namespace blobd::schedule

BENCHMARK_MAIN();
