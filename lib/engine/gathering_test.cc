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
  keeper_->WhyKept(kRoot, child, [&](StatusOr<std::vector<Keeping>> all) {
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

TEST_F(GatheringTest, OfHiddenContentOnlyThatATagKeepsItIsTold) {
  const Hash hash = Put(1);
  const Kind kind{hash, BlobFormat::kRaw};
  ASSERT_TRUE(Keep(kJoe, kind).ok());
  ASSERT_TRUE(ChangeTag(kJoe, {"plans", kind, true, {}}).ok());
  const auto told = [&] { return Message(Remove(kAnn, {hash}).status()); };
  const std::string before = told();
  EXPECT_NE(before.find("a private tag of somebody else"), std::string::npos) << before;
  store_.blobs[hash].state = store::BlobState::kPartial;
  ASSERT_TRUE(Queue(kJoe, {Item(kind)}).ok());
  EXPECT_EQ(told(), before) << "nor that it is wanted";
  EXPECT_EQ(Why(hash, kAnn), (std::vector<KeptBecause>{KeptBecause::kTagged}));
  EXPECT_EQ(Why(hash, kJoe), (std::vector<KeptBecause>{KeptBecause::kWanted, KeptBecause::kTagged,
                                                       KeptBecause::kLeased}));
  // Who wants it knows it.
  ASSERT_TRUE(Queue(kAnn, {Item(kind)}).ok());
  EXPECT_NE(told(), before);
  EXPECT_EQ(Why(hash, kAnn), Why(hash, kJoe));
}

}  // namespace
}  // namespace blobd::engine
