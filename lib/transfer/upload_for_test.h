// A world for the tests of serving: an UploadCore with a fake endpoint and a store in memory, on
// virtual time and one thread. Which loop or strand goes on next is drawn from a seed, so that
// answers come early and late.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "bao/naive_for_test.h"
#include "base/rng.h"
#include "base/timers.h"
#include "transfer/endpoint_for_test.h"
#include "transfer/store_for_test.h"
#include "transfer/upload_core.h"
#include "wire/request.h"

namespace blobd::transfer {

using bao::RandomContent;

inline NodeId TestNode(uint8_t number) {
  NodeId node;
  node.bytes[0] = number;
  return node;
}

inline Bytes GetOf(const Hash& hash, const wire::RangeSpecSeq& ranges) {
  return wire::EncodeGet(hash, ranges);
}
inline Bytes GetBlob(const Hash& hash) {
  return GetOf(hash, wire::RangeSpecSeq::OfRawBlob(wire::ChunkRanges::All()));
}
inline Bytes GetSequence(const Hash& hash) { return GetOf(hash, wire::RangeSpecSeq::OfHashSeq()); }

// Size header and data of a blob of at most one group.
inline Bytes SmallAnswer(const Bytes& content) {
  Bytes answer(8);
  for (size_t i = 0; i < 8; ++i) answer[i] = static_cast<uint8_t>(content.size() >> (8 * i));
  answer.insert(answer.end(), content.begin(), content.end());
  return answer;
}

class VirtualTime final : public Timers {
 public:
  Instant Now() const override { return now_; }
  TimerId AddTimer(Instant at, Task task) override {
    timers_.emplace(std::pair(std::max(at, now_), next_), std::move(task));
    return next_++;
  }
  bool CancelTimer(TimerId id) override {
    return std::erase_if(timers_, [id](const auto& t) { return t.first.second == id; }) > 0;
  }
  // Runs the next timer if it is due by `end`; else goes there.
  bool Step(Instant end) {
    if (timers_.empty() || timers_.begin()->first.first > end) {
      now_ = end;
      return false;
    }
    auto timer = timers_.extract(timers_.begin());
    now_ = timer.key().first;
    timer.mapped()();
    return true;
  }
  size_t size() const { return timers_.size(); }

 private:
  Instant now_ = Instant::FromNanos(1);
  std::map<std::pair<Instant, TimerId>, Task> timers_;
  TimerId next_ = 1;
};

// Executors of one thread.
class Turns {
 public:
  explicit Turns(uint64_t seed) : rng_(seed) {}

  std::shared_ptr<Executor> Make() { return std::make_shared<Queue>(*this); }
  bool RunOne() {
    if (ready_.empty()) return false;
    const size_t at = rng_.Below(ready_.size());
    const std::shared_ptr<Queue> queue = ready_[at];
    Task task = std::move(queue->tasks.front());
    queue->tasks.pop_front();
    if (queue->tasks.empty()) {
      ready_[at] = ready_.back();
      ready_.pop_back();
    }
    task();
    return true;
  }

 private:
  struct Queue final : Executor, std::enable_shared_from_this<Queue> {
    explicit Queue(Turns& owner) : turns(owner) {}
    void Post(Task task) override {
      if (tasks.empty()) turns.ready_.push_back(shared_from_this());
      tasks.push_back(std::move(task));
    }
    Turns& turns;
    std::deque<Task> tasks;
  };
  Rng rng_;
  std::vector<std::shared_ptr<Queue>> ready_;
};

class World : public UploadSink {
 public:
  explicit World(const ServeOptions& options = Anyone(), uint64_t seed = 1)
      : turns_(seed),
        network_(turns_.Make()),
        control_(turns_.Make()),
        core_(std::make_shared<UploadCore>(
            UploadCore::Deps{*network_, time_, *control_, [this] { return turns_.Make(); }, store,
                             SystemClock(), &throttle_},
            endpoint, options, this)),
        most_readers_(options.open_readers + 2 * options.reads_at_once) {
    core_->Start();
  }
  ~World() override {
    if (core_ != nullptr) Shutdown();
    EXPECT_EQ(store.open_readers(), 0);
    EXPECT_EQ(store.watches(), 0u);
  }

  static ServeOptions Anyone() {
    ServeOptions options;
    options.mode = ServeMode::kAnyone;
    return options;
  }

  // Everything that can happen without time or peers.
  void Run() {
    while (turns_.RunOne()) {
      if (core_ != nullptr) CheckBounds();
    }
  }
  void RunSome(size_t tasks) {
    for (size_t i = 0; i < tasks && turns_.RunOne(); ++i) {
    }
  }
  // Peers read all that they get.
  void RunAcknowledging() {
    do {
      Run();
    } while (endpoint->AcknowledgeAll());
    Run();
  }
  // The same for a while, in steps of `step`.
  void WaitAcknowledging(Duration duration, Duration step = milliseconds(10)) {
    for (const Instant end = time_.Now() + duration; time_.Now() < end;) {
      RunAcknowledging();
      Wait(step);
    }
    RunAcknowledging();
  }
  void Wait(Duration duration) {
    Run();
    const Instant end = time_.Now() + duration;
    while (time_.Step(end)) Run();
    Run();
  }
  void Shutdown() {
    core_->Shutdown();
    core_.reset();
    Run();
  }

  quic::ConnectionId Connect(uint8_t node = 1) {
    const auto connected = endpoint->Connect(TestNode(node));
    EXPECT_FALSE(connected.refusal.has_value());
    return connected.id;
  }
  // The whole answer to one request of a peer that reads everything.
  const FakeEndpoint::Stream& Ask(const Bytes& request) {
    const auto key = endpoint->Request(Connect(), request);
    RunAcknowledging();
    return endpoint->stream(key);
  }

  // Nothing is left of any stream.
  void ExpectAtRest() {
    EXPECT_EQ(endpoint->open_streams(), 0u);
    EXPECT_EQ(core().queue().size(), 0u);
    EXPECT_EQ(core().queue().used(), 0u);
    EXPECT_EQ(core().queue().reading(), 0u);
    EXPECT_EQ(core().request_memory(), 0u);
    EXPECT_EQ(store.open_readers(), 0);
    EXPECT_EQ(store.watches(), 0u);
  }
  void CheckBounds() {
    ASSERT_LE(endpoint->unacknowledged(), core_->queue().used());
    ASSERT_LE(store.open_readers(), static_cast<int>(most_readers_));
  }

  UploadCore& core() { return *core_; }
  VirtualTime& time() { return time_; }
  Throttle& throttle() { return throttle_; }
  UploadServer::Snapshot Take() { return core_->Take(); }

  // UploadSink
  void OnRotten(const Hash& hash, const RangeSet& groups) override {
    rotten.emplace_back(hash, groups);
  }

  MemoryStore store;
  const std::shared_ptr<FakeEndpoint> endpoint = std::make_shared<FakeEndpoint>();
  std::vector<std::pair<Hash, RangeSet>> rotten;

 private:
  Turns turns_;
  VirtualTime time_;
  Throttle throttle_{time_};
  const std::shared_ptr<Executor> network_;
  const std::shared_ptr<Executor> control_;
  std::shared_ptr<UploadCore> core_;
  const size_t most_readers_;
};

}  // namespace blobd::transfer
