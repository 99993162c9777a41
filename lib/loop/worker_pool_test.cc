#include "loop/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

namespace blobd::loop {
namespace {

// Lets a test wait for something that happens on a worker.
class Gate {
 public:
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [&] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

TEST(WorkerPoolTest, TasksOfAStrandRunInOrderAndNeverTogether) {
  constexpr int kStrands = 8;
  constexpr int kTasks = 500;
  struct State {
    std::vector<int> seen;  // unguarded on purpose: the strand is the lock
    std::atomic<int> inside{0};
  };
  std::vector<State> states(kStrands);
  {
    WorkerPool pool(4);
    std::vector<std::shared_ptr<Executor>> strands;
    for (int s = 0; s < kStrands; ++s) strands.push_back(pool.MakeStrand());
    for (int i = 0; i < kTasks; ++i) {
      for (size_t s = 0; s < kStrands; ++s) {
        strands[s]->Post([&state = states[s], i] {
          EXPECT_EQ(state.inside.fetch_add(1), 0);
          state.seen.push_back(i);
          state.inside.fetch_sub(1);
        });
      }
    }
  }  // the destructor runs everything
  for (const State& state : states) {
    ASSERT_EQ(state.seen.size(), size_t{kTasks});
    for (int i = 0; i < kTasks; ++i) EXPECT_EQ(state.seen[static_cast<size_t>(i)], i);
  }
}

TEST(WorkerPoolTest, StrandsRunAtTheSameTime) {
  WorkerPool pool(2);
  Gate first_runs;
  Gate second_runs;
  Gate done;
  const auto first = pool.MakeStrand();
  const auto second = pool.MakeStrand();
  first->Post([&] {
    first_runs.Open();
    second_runs.Wait();
    done.Open();
  });
  second->Post([&] {
    first_runs.Wait();
    second_runs.Open();
  });
  done.Wait();
}

TEST(WorkerPoolTest, BusyStrandYieldsItsThread) {
  WorkerPool pool(1);
  const auto busy = pool.MakeStrand();
  const auto other = pool.MakeStrand();
  Gate done;
  int busy_runs = 0;
  constexpr int kAll = 100;
  Gate start;
  busy->Post([&] { start.Wait(); });
  for (int i = 0; i < kAll; ++i) busy->Post([&] { ++busy_runs; });
  other->Post([&] {
    EXPECT_LT(busy_runs, kAll / 2);
    done.Open();
  });
  start.Open();
  done.Wait();
}

TEST(WorkerPoolTest, StrandMayPostToItself) {
  WorkerPool pool(2);
  const auto strand = pool.MakeStrand();
  Gate done;
  int count = 0;
  UniqueFunction<void()> step = [&] {
    if (++count == 100) return done.Open();
    strand->Post([&] { step(); });
  };
  strand->Post([&] { step(); });
  done.Wait();
  EXPECT_EQ(count, 100);
}

TEST(WorkerPoolTest, StrandOutlivesThePool) {
  std::shared_ptr<Executor> strand;
  {
    WorkerPool pool(1);
    strand = pool.MakeStrand();
  }
  auto owned = std::make_shared<int>(1);
  strand->Post([owned] { ADD_FAILURE(); });
  EXPECT_EQ(owned.use_count(), 1);
}

}  // namespace
}  // namespace blobd::loop
