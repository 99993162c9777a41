// Taking back groups that went bad on the disk, and getting them again.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <latch>
#include <thread>

#include "store/disk_store_for_test.h"
#include "store/store_db.h"

namespace blobd::store {
namespace {

RangeSet Set(std::initializer_list<Range> ranges) {
  RangeSet set;
  for (const Range& range : ranges) set.Insert(range);
  return set;
}

// Holds up the next sync.
class HeldSync {
 public:
  explicit HeldSync(FaultyFileSystem& files) : files_(files) {
    files_.BeforeEachChange([this, is_first = true](FaultyFileSystem::Kind kind) mutable {
      if (kind != FaultyFileSystem::Kind::kSync || !std::exchange(is_first, false)) return;
      begun_.count_down();
      may_go_on_.wait();
    });
  }
  ~HeldSync() { files_.BeforeEachChange(nullptr); }
  HeldSync(const HeldSync&) = delete;
  HeldSync& operator=(const HeldSync&) = delete;
  void WaitUntilItBegins() { begun_.wait(); }
  void Release() { may_go_on_.count_down(); }

 private:
  FaultyFileSystem& files_;
  std::latch begun_{1};
  std::latch may_go_on_{1};
};

class WithdrawTest : public testing::Test {
 protected:
  std::optional<BlobRow> RowAfterClose(const Hash& hash) {
    store_.Close();
    return *StoreDb::Open(store_.layout().database(), "", true)->Find(hash);
  }
  // What store.db claims, with the store open.
  RangeSet Claimed(const Hash& hash) {
    const TestDirectory copies;
    store_.CopyTo(copies.path() + "/copy");
    auto row = StoreDb::Open(copies.path() + "/copy/store.db", "", true)->Find(hash);
    return row->has_value() ? (*row)->groups : RangeSet();
  }
  void FlipData(const TestBlob& blob, uint64_t group, bool complete) {
    const Layout& layout = store_.layout();
    FlipByte((complete ? layout.Complete(blob.hash) : layout.Partial(blob.hash)).data,
             group * kGroupSize + 5);
  }

  TestDirectory directory_;
  StoreUnderTest store_{directory_.path()};
};

TEST_F(WithdrawTest, RottenGroupsOfACompleteBlob) {
  const TestBlob blob(100 * kGroupSize + 1234, 1);
  store_.Put(blob);
  const auto early = store_.Reader(blob.hash);
  FlipData(blob, 5, true);
  FlipData(blob, 100, true);
  EXPECT_TRUE(store_.Withdraw(blob.hash, Set({{3, 8}, {99, 1000}})).ok());
  const RangeSet left = Set({{0, 5}, {6, 100}});
  for (const bool is_reopened : {false, true}) {
    SCOPED_TRACE(is_reopened);
    if (is_reopened) store_.Reopen();
    const BlobInfo info = store_.Lookup(blob.hash);
    EXPECT_EQ(info.state, BlobState::kPartial);
    EXPECT_EQ(info.groups, left);
    EXPECT_EQ(info.size, blob.size());
    EXPECT_TRUE(info.size_proven);
    EXPECT_EQ(info.verified_bytes, 99 * kGroupSize);
    store_.ExpectClaimsHold(blob);
    EXPECT_EQ(store_.Stats().complete_blobs, 0u);
    EXPECT_EQ(store_.Stats().complete_bytes, 0u);
    EXPECT_EQ(store_.Stats().partial_bytes, 99 * kGroupSize);
  }
  Bytes group(kGroupSize);
  const auto late = store_.Reader(blob.hash);
  EXPECT_EQ((*late)->ReadAt(5 * kGroupSize, group).code(), StatusCode::kOutOfRange);
  store_.Repair(blob);
  EXPECT_EQ(store_.Stats().complete_bytes, blob.size());
  EXPECT_EQ(store_.Stats().partial_blobs, 0u);
  // Opened when all groups were claimed, it reads them still, and now they are mended.
  EXPECT_TRUE((*early)->ReadAt(5 * kGroupSize, group).ok());
  EXPECT_TRUE(std::equal(group.begin(), group.end(), blob.Group(5).data.begin()));
  store_.Reopen();
  store_.ExpectComplete(blob);
}

TEST_F(WithdrawTest, WhatFitsStays) {
  const TestBlob blob(40 * kGroupSize, 2);
  const TestBlob partial(40 * kGroupSize, 3);
  const TestBlob small(1000, 4);
  store_.Put(blob);
  store_.Write(partial, RangeSet(Range{5, 10}));
  store_.Put(small);
  for (const RangeSet& groups :
       {RangeSet(), RangeSet(Range{0, 1}), RangeSet(Range{7, 100}), RangeSet::All()}) {
    SCOPED_TRACE(groups.ToString());
    EXPECT_TRUE(store_.Withdraw(blob.hash, groups).ok());
    EXPECT_TRUE(store_.Withdraw(partial.hash, groups).ok());
    EXPECT_TRUE(store_.Withdraw(small.hash, groups).ok());
    EXPECT_TRUE(store_.Withdraw(Hash{{9}}, groups).ok());
  }
  store_.ExpectComplete(blob);
  store_.ExpectComplete(small);
  EXPECT_EQ(store_.Lookup(partial.hash).groups, RangeSet(Range{5, 10}));
  EXPECT_EQ(store_.Lookup(Hash{{9}}).state, BlobState::kAbsent);
}

TEST_F(WithdrawTest, BeneathARottenPairNothingFits) {
  const TestBlob blob(100 * kGroupSize, 5);
  // The root's right child: groups 64 to 99.
  const bao::Subtree right = bao::Subtree::Root(bao::ChunkCount(blob.size())).Right();
  for (const bool is_complete : {true, false}) {
    SCOPED_TRACE(is_complete);
    const TestDirectory directory;
    StoreUnderTest store(directory.path());
    const RangeSet held(Range{0, is_complete ? 100u : 99u});
    if (is_complete) {
      store.Put(blob);
    } else {
      store.Write(blob, held);
      EXPECT_TRUE(store.Flush().ok());
    }
    FlipByte((is_complete ? store.layout().Complete(blob.hash) : store.layout().Partial(blob.hash))
                 .outboard,
             right.pair_index * 64 + 40);
    EXPECT_TRUE(store.Withdraw(blob.hash, RangeSet(Range{60, 70})).ok());
    if (is_complete) {
      // Its data is there and right, so the pairs are computed anew.
      store.ExpectComplete(blob);
      continue;
    }
    RangeSet left = held;
    left.Remove({64, 70});
    EXPECT_EQ(store.Lookup(blob.hash).groups, left);
    // One group beneath it brings the pair, and then the others fit.
    store.Write(blob, RangeSet(Range{66, 67}));
    left.Insert({66, 67});
    EXPECT_TRUE(store.Withdraw(blob.hash, RangeSet::All()).ok());
    EXPECT_EQ(store.Lookup(blob.hash).groups, left);
    store.ExpectClaimsHold(blob);
    store.Repair(blob);
  }
}

TEST_F(WithdrawTest, RottenGroupsOfAPartialBlob) {
  const TestBlob blob(100 * kGroupSize, 6);
  for (const bool is_synced : {false, true}) {
    for (const bool is_idle : {false, true}) {
      SCOPED_TRACE(is_synced * 2 + is_idle);
      const TestDirectory directory;
      StoreUnderTest store(directory.path());
      const auto writer = is_idle ? nullptr : store.Writer(blob.hash);
      store.Write(blob, RangeSet(Range{0, 20}));
      if (is_synced) {
        EXPECT_TRUE(store.Flush().ok());
      }
      store.Stats();
      FlipByte(store.layout().Partial(blob.hash).data, 7 * kGroupSize);
      FlipByte(store.layout().Partial(blob.hash).data, 12 * kGroupSize);
      EXPECT_TRUE(store.Withdraw(blob.hash, Set({{7, 9}, {50, 60}})).ok());
      const RangeSet left = Set({{0, 7}, {8, 20}});
      EXPECT_EQ(store.Lookup(blob.hash).groups, left);
      EXPECT_EQ(store.Lookup(blob.hash).verified_bytes, 19 * kGroupSize);
      EXPECT_TRUE(store.Flush().ok());
      EXPECT_TRUE(store.Withdraw(blob.hash, RangeSet::All()).ok());
      store.Reopen();
      EXPECT_EQ(store.Lookup(blob.hash).groups, Set({{0, 7}, {8, 12}, {13, 20}}));
      store.ExpectClaimsHold(blob);
      store.Repair(blob);
    }
  }
}

TEST_F(WithdrawTest, NothingLeftIsAbsent) {
  const TestBlob complete(3 * kGroupSize, 7);
  const TestBlob partial(10 * kGroupSize, 8);
  const TestBlob small(1000, 9);
  store_.Put(complete);
  store_.Put(small);
  store_.Write(partial, RangeSet(Range{4, 6}));
  EXPECT_TRUE(store_.Flush().ok());
  for (uint64_t group = 0; group < 3; ++group) FlipData(complete, group, true);
  FlipByte(store_.layout().Partial(partial.hash).outboard, 0);
  store_.Close();
  ASSERT_TRUE(StoreDb::Open(store_.layout().database(), "", true)
                  ->PutContent(small.hash, Bytes(1000, 1))
                  .ok());
  store_.Reopen();
  for (const TestBlob* blob : {&complete, &partial, &small}) {
    EXPECT_TRUE(store_.Withdraw(blob->hash, RangeSet::All()).ok());
    EXPECT_EQ(store_.Lookup(blob->hash).state, BlobState::kAbsent);
    EXPECT_EQ(store_.Reader(blob->hash).status().code(), StatusCode::kNotFound);
  }
  EXPECT_EQ(store_.Stats().complete_blobs, 0u);
  EXPECT_EQ(store_.Stats().partial_blobs, 0u);
  store_.ExpectNoPartialFiles();
  EXPECT_FALSE(std::filesystem::exists(store_.layout().Complete(complete.hash).data));
  EXPECT_FALSE(std::filesystem::exists(store_.layout().Complete(complete.hash).outboard));
  EXPECT_FALSE(RowAfterClose(partial.hash));
  for (const TestBlob* blob : {&complete, &small}) {
    const auto rest = RowAfterClose(blob->hash);
    ASSERT_TRUE(rest);
    EXPECT_TRUE(rest->was_complete) << "and nothing else";
    EXPECT_EQ(rest->state, RowState::kPartial);
    EXPECT_EQ(rest->size, 0u);
    EXPECT_TRUE(rest->groups.empty());
  }
  store_.Reopen();
  for (const TestBlob* blob : {&complete, &partial, &small}) {
    store_.Put(*blob);
    store_.ExpectComplete(*blob);
  }
}

TEST_F(WithdrawTest, ABlobWithoutItsFilesIsAbsent) {
  const TestBlob blob(20 * kGroupSize, 10);
  for (const bool is_complete : {true, false}) {
    for (const bool is_data : {true, false}) {
      SCOPED_TRACE(is_complete * 2 + is_data);
      if (is_complete) {
        store_.Put(blob);
      } else {
        store_.Write(blob, RangeSet(Range{0, 19}));
        EXPECT_TRUE(store_.Flush().ok());
        store_.Stats();  // behind the end of the writer
      }
      const FilePair paths =
          is_complete ? store_.layout().Complete(blob.hash) : store_.layout().Partial(blob.hash);
      std::filesystem::remove(is_data ? paths.data : paths.outboard);
      const auto reader = store_.Reader(blob.hash);
      if (is_complete && !is_data) {
        // Its bytes are there, only nobody can be shown that they are right.
        std::array<uint8_t, 64> pair{};
        EXPECT_EQ((*reader)->ReadPair(0, &pair).code(), StatusCode::kDataLoss);
      } else {
        EXPECT_EQ(reader.status().code(), StatusCode::kDataLoss);
      }
      EXPECT_TRUE(store_.Withdraw(blob.hash, RangeSet(Range{3, 4})).ok());
      if (is_complete && !is_data) {
        store_.ExpectComplete(blob);
      } else {
        EXPECT_EQ(store_.Lookup(blob.hash).state, BlobState::kAbsent);
        store_.Repair(blob);
      }
      store_.Reopen();
      store_.ExpectComplete(blob);
      // The pair that both are below cannot be mended: nothing fits any more.
      for (const uint64_t group : {0u, 19u}) FlipData(blob, group, true);
      FlipByte(store_.layout().Complete(blob.hash).outboard, 3);
      EXPECT_TRUE(store_.Withdraw(blob.hash, RangeSet::All()).ok());
    }
  }
}

TEST_F(WithdrawTest, AFileCutShort) {
  const TestBlob blob(20 * kGroupSize + 9, 11);
  store_.Put(blob);
  std::filesystem::resize_file(store_.layout().Complete(blob.hash).data, 10 * kGroupSize + 1);
  EXPECT_TRUE(store_.Withdraw(blob.hash, RangeSet::All()).ok());
  EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet(Range{0, 10}));
  store_.Repair(blob);
  // The root's right child (groups 16 to 20) and what is beneath it.
  const bao::Subtree right = bao::Subtree::Root(bao::ChunkCount(blob.size())).Right();
  std::filesystem::resize_file(store_.layout().Complete(blob.hash).outboard,
                               right.pair_index * 64 + 5);
  EXPECT_TRUE(store_.Withdraw(blob.hash, RangeSet::All()).ok());
  store_.ExpectComplete(blob);
  // What is below it cannot be mended where data is wrong too.
  FlipData(blob, 18, true);
  std::filesystem::resize_file(store_.layout().Complete(blob.hash).outboard,
                               right.pair_index * 64 + 5);
  EXPECT_TRUE(store_.Withdraw(blob.hash, RangeSet::All()).ok());
  EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet(Range{0, 16}));
  store_.Repair(blob);
}

// Whatever becomes of an outboard, whole data is not lost by it.
TEST_F(WithdrawTest, ARottenOutboardIsMended) {
  const TestBlob blob(100 * kGroupSize + 77, 30);
  store_.Put(blob);
  const FilePair paths = store_.layout().Complete(blob.hash);
  for (const uint64_t pair : {0u, 1u, 50u, 99u}) {
    SCOPED_TRACE(pair);
    FlipByte(paths.outboard, pair * 64 + 9);
    EXPECT_TRUE(store_.Withdraw(blob.hash, RangeSet::All()).ok());
    store_.ExpectComplete(blob);
    store_.ExpectClaimsHold(blob);
  }
  std::filesystem::resize_file(paths.outboard, 0);
  const auto verified = store_.Verify(blob.hash);
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_TRUE(verified->rotten.empty()) << "mended: nothing is missing";
  store_.Reopen();
  store_.ExpectComplete(blob);
  store_.ExpectClaimsHold(blob);
}

// A rotten group does not keep the pairs beside it from being mended.
TEST_F(WithdrawTest, WhatIsMendedIsWhatFits) {
  const TestBlob blob(64 * kGroupSize, 31);
  store_.Put(blob);
  const bao::Subtree root = bao::Subtree::Root(bao::ChunkCount(blob.size()));
  FlipByte(store_.layout().Complete(blob.hash).outboard, root.Right().pair_index * 64);
  FlipData(blob, 3, true);
  EXPECT_TRUE(store_.Withdraw(blob.hash, RangeSet::All()).ok());
  EXPECT_EQ(store_.Lookup(blob.hash).groups, Set({{0, 3}, {4, 64}}));
  store_.ExpectClaimsHold(blob);
  store_.Repair(blob);
}

// Most of it is claimed still when it is about to be completed again.
TEST_F(WithdrawTest, AFileCutShortIsNoticedAtTheEnd) {
  const TestBlob blob(40 * kGroupSize, 21);
  for (const bool is_data : {true, false}) {
    SCOPED_TRACE(is_data);
    const TestDirectory directory;
    StoreUnderTest store(directory.path());
    store.Put(blob);
    const FilePair paths = store.layout().Complete(blob.hash);
    // The root's right child is the pair above groups 32 to 39.
    const bao::Subtree right = bao::Subtree::Root(bao::ChunkCount(blob.size())).Right();
    std::filesystem::resize_file(is_data ? paths.data : paths.outboard,
                                 is_data ? 32 * kGroupSize + 1 : right.pair_index * 64);
    FlipByte(paths.data, 3 * kGroupSize);
    EXPECT_TRUE(store.Withdraw(blob.hash, RangeSet(Range{3, 4})).ok());
    store.Write(blob, RangeSet(Range{3, 4}));
    EXPECT_EQ(store.Finish(*store.Writer(blob.hash)).code(), StatusCode::kDataLoss);
    EXPECT_TRUE(store.Withdraw(blob.hash, RangeSet()).ok());  // behind the one that this causes
    // An outboard is computed anew where the data is right.
    EXPECT_EQ(store.Lookup(blob.hash).groups, RangeSet(Range{0, is_data ? 32u : 40u}));
    store.ExpectClaimsHold(blob);
    store.Repair(blob);
  }
}

TEST_F(WithdrawTest, AWriterCannotBringBackWhatItWroteBefore) {
  const TestBlob blob(40 * kGroupSize, 12);
  const auto early = store_.Writer(blob.hash);
  ASSERT_TRUE(blob.WriteTo(*early, 3).ok());
  ASSERT_TRUE(blob.WriteTo(*early, 30).ok());
  store_.Write(blob, RangeSet(Range{0, 10}));
  store_.Stats();
  FlipData(blob, 3, false);
  EXPECT_TRUE(store_.Withdraw(blob.hash, RangeSet(Range{0, 10})).ok());
  early->Publish();
  EXPECT_EQ(store_.Lookup(blob.hash).groups, Set({{0, 3}, {4, 10}, {30, 31}}));
  EXPECT_EQ(store_.Finish(*early).code(), StatusCode::kFailedPrecondition);
  // It is not disturbed otherwise, and one opened now can.
  ASSERT_TRUE(blob.WriteTo(*early, 31).ok());
  early->Publish();
  store_.Write(blob, RangeSet(Range{3, 4}));
  EXPECT_EQ(store_.Lookup(blob.hash).groups, Set({{0, 10}, {30, 32}}));
  store_.Repair(blob);
}

TEST_F(WithdrawTest, WhileItIsSynced) {
  const TestBlob blob(40 * kGroupSize, 13);
  store_.Write(blob, RangeSet(Range{0, 10}));
  store_.Stats();
  FlipData(blob, 3, false);
  HeldSync held(store_.files);
  std::optional<Status> flushed;
  std::optional<Status> withdrawn;
  store_.store().Flush(store_.inbox(), [&](const Status& status) { flushed = status; });
  held.WaitUntilItBegins();
  store_.store().Withdraw(blob.hash, RangeSet(Range{0, 40}), store_.inbox(),
                          [&](const Status& status) { withdrawn = status; });
  store_.Stats();
  EXPECT_FALSE(withdrawn);
  held.Release();
  while (!flushed || !withdrawn) store_.inbox().RunOne();
  EXPECT_TRUE(flushed->ok());
  EXPECT_TRUE(withdrawn->ok());
  EXPECT_EQ(store_.Lookup(blob.hash).groups, Set({{0, 3}, {4, 10}}));
  EXPECT_EQ(Claimed(blob.hash), Set({{0, 3}, {4, 10}}));
}

TEST_F(WithdrawTest, AllOfItWhileItIsSyncedAndToBeSyncedAgain) {
  const TestBlob blob(40 * kGroupSize, 22);
  store_.Write(blob, RangeSet(Range{0, 10}));
  store_.Stats();
  HeldSync held(store_.files);
  size_t answers = 0;
  const auto count = [&](const Status& status) {
    EXPECT_TRUE(status.ok()) << status;
    ++answers;
  };
  store_.store().Flush(store_.inbox(), count);
  held.WaitUntilItBegins();
  store_.Write(blob, RangeSet(Range{10, 20}));
  store_.store().Flush(store_.inbox(), count);
  store_.Stats();
  FlipByte(store_.layout().Partial(blob.hash).outboard, 0);
  store_.files.Fail(FaultyFileSystem::Kind::kRead, 1 << 30, 1 << 30, 0);  // none: counts only
  store_.store().Withdraw(blob.hash, RangeSet::All(), store_.inbox(), count);
  // Most often it waits for the sync then; it makes no difference if not.
  while (store_.files.calls() == 0) std::this_thread::yield();
  store_.Stats();
  held.Release();
  while (answers < 3) store_.inbox().RunOne();
  EXPECT_EQ(store_.Lookup(blob.hash).state, BlobState::kAbsent);
  EXPECT_TRUE(Claimed(blob.hash).empty());
}

TEST_F(WithdrawTest, WhileItIsFinished) {
  const TestBlob blob(40 * kGroupSize, 14);
  for (const bool is_withdrawn_first : {false, true}) {
    SCOPED_TRACE(is_withdrawn_first);
    const TestDirectory directory;
    StoreUnderTest store(directory.path());
    store.Write(blob, RangeSet(Range{0, 40}));
    const auto writer = store.Writer(blob.hash);
    FlipByte(store.layout().Partial(blob.hash).data, 3 * kGroupSize);
    std::optional<Status> finished;
    std::optional<Status> withdrawn;
    const auto withdraw = [&] {
      store.store().Withdraw(blob.hash, RangeSet::All(), store.inbox(),
                             [&](const Status& status) { withdrawn = status; });
    };
    if (is_withdrawn_first) withdraw();
    writer->Finish(store.inbox(), [&](const Status& status) { finished = status; });
    if (!is_withdrawn_first) withdraw();
    while (!finished || !withdrawn) store.inbox().RunOne();
    EXPECT_TRUE(finished->ok() || finished->code() == StatusCode::kFailedPrecondition) << *finished;
    EXPECT_TRUE(withdrawn->ok()) << *withdrawn;
    EXPECT_EQ(store.Lookup(blob.hash).groups, Set({{0, 3}, {4, 40}}));
    store.Reopen();
    EXPECT_EQ(store.Lookup(blob.hash).groups, Set({{0, 3}, {4, 40}}));
    store.Repair(blob);
  }
}

TEST_F(WithdrawTest, AllGroupsHereButNotMoved) {
  const TestBlob blob(40 * kGroupSize, 15);
  for (int k = 1; k < 20; ++k) {
    SCOPED_TRACE(k);
    const TestDirectory directory;
    StoreUnderTest store(directory.path());
    store.Write(blob, RangeSet(Range{0, 40}));
    store.files.Fail(FaultyFileSystem::Kind::kAny, k, 1 << 30, ENOSPC);
    const Status status = store.Finish(*store.Writer(blob.hash));
    store.files.Heal();
    if (status.ok()) break;
    if (store.Lookup(blob.hash).groups != RangeSet(Range{0, 40})) continue;
    // Wherever its files are now.
    const FilePair paths = store.layout().Complete(blob.hash);
    const bool is_moved = std::filesystem::exists(paths.data);
    FlipByte(is_moved ? paths.data : store.layout().Partial(blob.hash).data, 3 * kGroupSize);
    EXPECT_TRUE(store.Withdraw(blob.hash, RangeSet(Range{0, 10})).ok());
    for (const bool is_reopened : {false, true}) {
      if (is_reopened) store.Reopen();
      EXPECT_EQ(store.Lookup(blob.hash).groups, Set({{0, 3}, {4, 40}}));
      store.ExpectClaimsHold(blob);
    }
    store.Repair(blob);
  }
}

TEST_F(WithdrawTest, AnImportMendsToo) {
  const TestBlob blob(40 * kGroupSize, 16);
  store_.Put(blob);
  FlipData(blob, 3, true);
  FlipByte(store_.layout().Complete(blob.hash).outboard, 64);
  EXPECT_TRUE(store_.Withdraw(blob.hash, RangeSet(Range{0, 5})).ok());
  EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet(Range{5, 40}));
  store_.Put(blob);
  store_.ExpectComplete(blob);
  store_.ExpectNoPartialFiles();
  store_.Reopen();
  store_.ExpectComplete(blob);
}

TEST_F(WithdrawTest, ManyAtOnce) {
  const TestBlob blob(40 * kGroupSize, 17);
  store_.Put(blob);
  for (uint64_t group = 0; group < 40; group += 2) FlipData(blob, group, true);
  size_t answers = 0;
  for (uint64_t group = 0; group < 40; ++group) {
    store_.store().Withdraw(blob.hash, RangeSet(Range{group, group + 1}), store_.inbox(),
                            [&](const Status& status) {
                              EXPECT_TRUE(status.ok()) << status;
                              ++answers;
                            });
  }
  while (answers < 40) store_.inbox().RunOne();
  EXPECT_EQ(store_.Lookup(blob.hash).groups.Count(), 20u);
  store_.ExpectClaimsHold(blob);
  EXPECT_EQ(store_.Stats().complete_blobs, 0u);
  store_.Repair(blob);
  EXPECT_EQ(store_.Stats().complete_blobs, 1u);
}

TEST_F(WithdrawTest, WhatCannotBeRecordedIsNotTakenBack) {
  const TestBlob blob(40 * kGroupSize, 19);
  store_.Write(blob, RangeSet(Range{0, 10}));
  store_.Stats();
  FlipData(blob, 3, false);
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(store_.layout().database().c_str(), &other), SQLITE_OK);
  const auto run = [&](const char* sql) {
    EXPECT_EQ(sqlite3_exec(other, sql, nullptr, nullptr, nullptr), SQLITE_OK);
  };
  run("ALTER TABLE blobs RENAME TO hidden");
  EXPECT_FALSE(store_.Withdraw(blob.hash, RangeSet(Range{0, 10})).ok());
  run("ALTER TABLE hidden RENAME TO blobs");
  sqlite3_close(other);
  EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet(Range{0, 10}));
  EXPECT_TRUE(store_.Withdraw(blob.hash, RangeSet(Range{0, 10})).ok());
  EXPECT_EQ(store_.Lookup(blob.hash).groups, Set({{0, 3}, {4, 10}}));
}

TEST_F(WithdrawTest, ALateWriterOfTheCompletedBlobCannotHarmIt) {
  const TestBlob blob(20 * kGroupSize, 20);
  const auto late = store_.Writer(blob.hash);  // has opened nothing yet
  store_.Put(blob);
  FlipData(blob, 3, true);
  EXPECT_TRUE(store_.Withdraw(blob.hash, RangeSet::All()).ok());
  ASSERT_TRUE(blob.WriteTo(*late, 3).ok());
  late->Publish();
  EXPECT_EQ(store_.Lookup(blob.hash).groups, Set({{0, 3}, {4, 20}}));
  store_.ExpectClaimsHold(blob);
  store_.Repair(blob);
}

}  // namespace
}  // namespace blobd::store
