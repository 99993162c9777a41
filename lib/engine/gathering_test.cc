#include "engine/gathering.h"

#include <gtest/gtest.h>

#include <deque>
#include <utility>
#include <vector>

#include "engine/keeper_for_test.h"

namespace blobd::engine {
namespace {

using GatheringTest = KeeperTest;

// The disk's threads, which run when the test says so.
class Threads final : public Executor {
 public:
  void Post(Task task) override { tasks_.push_back(std::move(task)); }
  void Run() {
    while (!tasks_.empty()) {
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
  }

 private:
  std::deque<Task> tasks_;
};

TEST_F(GatheringTest, WhatIsTakenInBesideTheControlLoopIsReadThere) {
  Threads threads;
  strand_ = &threads;
  MakeKeeper({});
  const Hash child = Put(1);
  ASSERT_TRUE(Keep(kJoe, {PutList({child}), BlobFormat::kHashSeq}).ok());
  std::vector<KeptBecause> reasons;
  keeper_->WhyKept(child, [&](StatusOr<std::vector<Keeping>> all) {
    ASSERT_TRUE(all.ok()) << all.status();
    for (const Keeping& keeping : *all) reasons.push_back(keeping.because);
  });
  // The control loop is through with all it asks for before anything of it is done. One round is
  // enough then: it has not looked at what the threads still had to take in.
  loop_.Settle();
  threads.Run();
  loop_.Settle();
  EXPECT_EQ(reasons, (std::vector<KeptBecause>{KeptBecause::kLeased}));
  threads.Run();
  loop_.Settle();
}

}  // namespace
}  // namespace blobd::engine
