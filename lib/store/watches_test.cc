// Watching blobs: coalesced news, and ends in any order.
#include "store/watches.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "base/rng.h"
#include "store/disk_store_for_test.h"

namespace blobd::store {
namespace {

BlobInfo Info(uint64_t size) {
  BlobInfo info;
  info.size = size;
  return info;
}

class WatcherTest : public testing::Test {
 protected:
  std::shared_ptr<Watcher> Make() {
    return std::make_shared<Watcher>(Hash{}, inbox_,
                                     [this](const BlobInfo& info) { seen_.push_back(info.size); });
  }
  static void Tell(Watcher& watcher, uint64_t size) {
    watcher.Tell(std::make_shared<const BlobInfo>(Info(size)));
  }

  Inbox inbox_;
  std::vector<uint64_t> seen_;
};

TEST_F(WatcherTest, OneCallIsOnItsWayAndGetsTheNewest) {
  const auto watcher = Make();
  for (uint64_t size = 1; size <= 5; ++size) Tell(*watcher, size);
  EXPECT_EQ(inbox_.waiting(), 1u);
  inbox_.RunOne();
  EXPECT_EQ(seen_, std::vector<uint64_t>({5}));
  Tell(*watcher, 6);
  inbox_.RunOne();
  EXPECT_EQ(seen_, std::vector<uint64_t>({5, 6}));
  EXPECT_EQ(inbox_.waiting(), 0u);
}

TEST_F(WatcherTest, NoCallAfterItsEnd) {
  auto watcher = Make();
  Tell(*watcher, 1);
  watcher->End();
  Tell(*watcher, 2);
  watcher.reset();
  EXPECT_EQ(inbox_.waiting(), 1u);
  inbox_.RunOne();
  EXPECT_TRUE(seen_.empty());
}

TEST_F(WatcherTest, ACallThatIsNeverRunCostsNothing) {
  Tell(*Make(), 1);  // the inbox ends with the task in it
}

TEST_F(WatcherTest, WatchesAreForgotten) {
  Watches watches;
  const auto first = Make();
  const auto second = Make();
  watches.Add(first);
  watches.Add(second);
  watches.Tell(Info(1));
  EXPECT_EQ(inbox_.waiting(), 2u);
  watches.Remove(first);
  watches.Remove(first);
  EXPECT_TRUE(watches.IsWatched(Hash{}));
  watches.Remove(second);
  EXPECT_FALSE(watches.IsWatched(Hash{}));
  watches.Tell(Info(2));
  EXPECT_EQ(inbox_.waiting(), 2u);
}

class WatchTest : public testing::Test {
 protected:
  void WaitBehindAllCalls(Executor& answer_on);
  std::unique_ptr<BlobWatch> Watch(const Hash& hash) {
    return store_.store().Watch(hash, store_.inbox(),
                                [this](const BlobInfo& info) { seen_.push_back(info); });
  }
  // Waits for news; at most one call per change of the blob comes.
  const BlobInfo& Next() {
    const size_t before = seen_.size();
    while (seen_.size() == before) store_.inbox().RunOne();
    return seen_.back();
  }

  TestDirectory directory_;
  StoreUnderTest store_{directory_.path()};
  std::vector<BlobInfo> seen_;
};

TEST_F(WatchTest, TheLifeOfABlob) {
  const TestBlob blob(20 * kGroupSize, 1);
  const auto watch = Watch(blob.hash);
  EXPECT_EQ(Next().state, BlobState::kAbsent);
  EXPECT_EQ(seen_.back().hash, blob.hash);
  store_.Write(blob, RangeSet(Range{0, 5}));
  EXPECT_EQ(Next().groups, RangeSet(Range{0, 5}));
  EXPECT_EQ(seen_.back().size, blob.size());
  const auto writer = store_.Writer(blob.hash);
  writer->Publish();  // nothing new
  store_.Stats();
  EXPECT_EQ(store_.inbox().waiting(), 0u);
  store_.Write(blob, RangeSet(Range{5, 20}));
  EXPECT_EQ(Next().groups, RangeSet(Range{0, 20}));
  EXPECT_TRUE(store_.Finish(*writer).ok());
  while (seen_.back().state != BlobState::kComplete) Next();
  EXPECT_EQ(seen_.back().verified_bytes, blob.size());
  FlipByte(store_.layout().Complete(blob.hash).data, 3 * kGroupSize);
  const size_t before = seen_.size();
  EXPECT_TRUE(store_.Withdraw(blob.hash, RangeSet(Range{0, 5})).ok());
  EXPECT_EQ(seen_.size(), before + 1);  // told before the answer
  EXPECT_EQ(seen_.back().state, BlobState::kPartial);
  EXPECT_FALSE(seen_.back().groups.Contains(3));
  store_.Repair(blob);
  EXPECT_EQ(seen_.back().state, BlobState::kComplete);
}

TEST_F(WatchTest, OneThatIsHereAlready) {
  const TestBlob complete(20 * kGroupSize, 2);
  const TestBlob small(10, 3);
  store_.Put(complete);
  const auto first = Watch(complete.hash);
  EXPECT_EQ(Next().state, BlobState::kComplete);
  const auto second = Watch(small.hash);
  EXPECT_EQ(Next().state, BlobState::kAbsent);
  EXPECT_TRUE(store_.PutSmall(small.hash, small.content).ok());
  EXPECT_EQ(seen_.back().state, BlobState::kComplete);
  EXPECT_EQ(seen_.back().hash, small.hash);
}

TEST_F(WatchTest, AFailedSyncIsTold) {
  const TestBlob blob(20 * kGroupSize, 4);
  const auto watch = Watch(blob.hash);
  const auto writer = store_.Writer(blob.hash);
  store_.Write(blob, RangeSet(Range{0, 5}));
  while (seen_.empty() || seen_.back().groups.empty()) Next();
  store_.files.Fail(FaultyFileSystem::Kind::kSync, 1, 1, EIO);
  EXPECT_FALSE(store_.Flush().ok());
  EXPECT_EQ(seen_.back().state, BlobState::kAbsent);
}

TEST_F(WatchTest, NoCallAfterTheWatchWasDestroyed) {
  const TestBlob blob(20 * kGroupSize, 5);
  auto watch = Watch(blob.hash);
  watch.reset();
  store_.Write(blob, RangeSet(Range{0, 5}));
  store_.Stats();
  EXPECT_TRUE(seen_.empty());
}

TEST_F(WatchTest, DestroyedInItsOwnCall) {
  const TestBlob blob(10, 6);
  int calls = 0;
  std::unique_ptr<BlobWatch> watch;
  watch = store_.store().Watch(blob.hash, store_.inbox(), [&](const BlobInfo&) {
    ++calls;
    watch.reset();
  });
  EXPECT_TRUE(store_.PutSmall(blob.hash, blob.content).ok());
  store_.Stats();
  EXPECT_EQ(calls, 1);
}

TEST_F(WatchTest, TheStoreMayEndFirst) {
  const TestBlob blob(20 * kGroupSize, 7);
  const auto watch = Watch(blob.hash);
  Next();
  auto untold = Watch(blob.hash);
  store_.Close();
  untold.reset();
  // The watch does not keep the database open.
  store_.Reopen();
  store_.Put(blob);
  store_.Stats();
  EXPECT_EQ(seen_.size(), 1u);
}

// What thread and address sanitizer are for: watches come and go on other threads while the blob
// changes and the store ends.
// A store that is asked faster than it answers would come to nothing else.
void WatchTest::WaitBehindAllCalls(Executor& answer_on) {
  std::promise<void> answered;
  store_.store().Stats(answer_on, [&](const StatusOr<StoreStats>&) { answered.set_value(); });
  answered.get_future().wait();
}

TEST_F(WatchTest, ComesAndGoesAtAnyMoment) {
  const TestBlob blob(200 * kGroupSize, 8);
  std::atomic<uint64_t> calls = 0;
  loop::WorkerPool callers(2);
  const std::shared_ptr<Executor> strand = callers.MakeStrand();
  std::atomic<bool> is_over = false;
  std::vector<std::unique_ptr<BlobWatch>> left[2];
  std::vector<std::thread> threads;
  for (auto& mine : left) {
    threads.emplace_back([&] {
      Rng rng(9);
      while (!is_over) {
        mine.push_back(store_.store().Watch(
            blob.hash, *strand, [&, held = std::make_shared<uint64_t>(0)](const BlobInfo& info) {
              // No group is lost here, so the news only grow.
              EXPECT_LE(*held, info.verified_bytes);
              *held = info.verified_bytes;
              ++calls;
            }));
        if (mine.size() > 10) mine.erase(mine.begin() + static_cast<ptrdiff_t>(rng.Below(10)));
        if (rng.Below(16) == 0) WaitBehindAllCalls(*strand);
      }
    });
  }
  const auto writer = store_.Writer(blob.hash);
  for (uint64_t group = 0; group < blob.group_count(); ++group) {
    ASSERT_TRUE(blob.WriteTo(*writer, group).ok());
    writer->Publish();
    store_.Stats();
  }
  writer->ProveSize(blob.size());
  EXPECT_TRUE(store_.Finish(*writer).ok());
  is_over = true;
  for (std::thread& thread : threads) thread.join();
  store_.Close();
  EXPECT_GT(calls, 0u);
}

}  // namespace
}  // namespace blobd::store
