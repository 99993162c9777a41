// What an event costs the scheduler with a long queue behind it, and what a queued request weighs.
//
// A pair is one request that comes and one that is done: queue, the store's answer, a transfer's
// end, the next start. `touched_per_event` counts the requests, providers, intents and transfers
// that were looked at: it must not grow with the queue.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <cstdint>
#include <cstring>
#include <utility>
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
    live_.push_back(queue.id);
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
  // Ends the oldest running transfer.
  void CompleteOne() {
    if (done_ == running_.size()) return;
    const TransferId oldest = running_[done_++];
    Step(TransferEnded{oldest, Outcome::kDone, "", std::nullopt});
  }
  // Cancels some intent that was not cancelled yet, not the next in order.
  void CancelOne() {
    const size_t at = rng_.Below(live_.size());
    std::swap(live_[at], live_.back());
    Step(Cancel{live_.back()});
    live_.pop_back();
  }

  const Stats& stats() const { return scheduler_.stats(); }
  // Counters of what happened since `before`.
  void Report(benchmark::State& state, const Stats& before) const {
    const auto events = static_cast<double>(stats().events - before.events);
    const auto touched = static_cast<double>(stats().touched - before.touched);
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
    state.counters["events_per_second"] = benchmark::Counter(events, benchmark::Counter::kIsRate);
    state.counters["touched_per_event"] = touched / events;
  }

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
  std::vector<IntentId> live_;
};

// Arguments: queued requests, providers.
void Sizes(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t queued : {1'000, 100'000, 1'000'000}) {
    for (const int64_t providers : {10, 1'000, 100'000}) benchmark->Args({queued, providers});
  }
}

void QueueAndComplete(benchmark::State& state) {
  const size_t before_any = mallinfo2().uordblks;
  Bench bench(static_cast<uint64_t>(state.range(1)));
  for (int64_t i = 0; i < state.range(0); ++i) bench.QueueOne();
  const auto bytes = static_cast<double>(mallinfo2().uordblks - before_any);
  const Stats before = bench.stats();
  for (auto _ : state) {
    bench.QueueOne();
    bench.CompleteOne();
  }
  bench.Report(state, before);
  // With few providers: what a request weighs. With many, most of it is theirs.
  state.counters["bytes_per_request"] = bytes / static_cast<double>(state.range(0));
}
BENCHMARK(QueueAndComplete)->Apply(Sizes);

void QueueAndCancelARandomVictim(benchmark::State& state) {
  Bench bench(static_cast<uint64_t>(state.range(1)));
  for (int64_t i = 0; i < state.range(0); ++i) bench.QueueOne();
  const Stats before = bench.stats();
  for (auto _ : state) {
    bench.QueueOne();
    bench.CancelOne();
  }
  bench.Report(state, before);
}
BENCHMARK(QueueAndCancelARandomVictim)->Apply(Sizes);

}  // namespace
}  // namespace blobd::schedule

BENCHMARK_MAIN();
