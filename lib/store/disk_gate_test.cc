// The disk's state: the gate alone, and a store behind it.
#include "store/disk_gate.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <thread>

#include "store/disk_store_for_test.h"

namespace blobd::store {
namespace {

using Kind = FaultyFileSystem::Kind;

class DiskGateTest : public testing::Test {
 protected:
  void Open(uint64_t total, uint64_t free) {
    files_.SetSpace(total, free);
    gate_.emplace(files_, directory_.path(), DiskGate::Options{kGiB, 5}, clock_,
                  [this] { ++changes_; });
  }
  // As a store does every half second.
  void Tick(const Status& database = OkStatus()) {
    clock_.Advance(milliseconds(500));
    if (gate_->NeedsProbe() && gate_->ProbeFiles()) gate_->ProbeEnded(database);
  }

  TestDirectory directory_;
  FaultyFileSystem files_;
  ManualClock clock_;
  int changes_ = 0;
  std::optional<DiskGate> gate_;
};

TEST_F(DiskGateTest, TheReserveIsTheSmallerOfTwo) {
  Open(64 * kMiB, 64 * kMiB);
  EXPECT_NEAR(static_cast<double>(gate_->state().reserve_bytes), 0.05 * 64 * kMiB, 200);
  Open(kTiB, kTiB);
  EXPECT_EQ(gate_->state().reserve_bytes, kGiB);
}

TEST_F(DiskGateTest, TheReserveIsNotTouched) {
  Open(100 * kGiB, 3 * kGiB);
  EXPECT_TRUE(gate_->Take(2 * kGiB - 1000).ok());
  files_.SetSpace(100 * kGiB, kGiB + 1000);
  EXPECT_TRUE(gate_->Take(1000).ok());
  files_.SetSpace(100 * kGiB, kGiB);
  const Status refused = gate_->Take(1);
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Message(refused), "the disk is full: 1 GiB free, 1 GiB reserved");
  EXPECT_EQ(gate_->state().condition, DiskCondition::kFull);
  EXPECT_EQ(changes_, 1);
}

TEST_F(DiskGateTest, WhatIsFreeIsCheckedRarely) {
  Open(100 * kGiB, 50 * kGiB);
  const int before = files_.looks();
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(gate_->Take(kMiB).ok());
  EXPECT_EQ(files_.looks(), before);
  // Others fill the disk too.
  files_.SetSpace(100 * kGiB, kGiB / 2);
  clock_.Advance(milliseconds(300));
  EXPECT_FALSE(gate_->Take(kMiB).ok());
}

TEST_F(DiskGateTest, RoomEndsItWithinTwoSeconds) {
  Open(100 * kGiB, kGiB / 2);
  EXPECT_EQ(gate_->state().condition, DiskCondition::kFull);
  for (int i = 0; i < 10; ++i) Tick();
  EXPECT_EQ(gate_->state().condition, DiskCondition::kFull);
  files_.SetSpace(100 * kGiB, kGiB + kMiB);  // too little to go far
  for (int i = 0; i < 4; ++i) Tick();
  EXPECT_EQ(gate_->state().condition, DiskCondition::kFull);
  files_.SetSpace(100 * kGiB, 2 * kGiB);
  for (int i = 0; i < 3; ++i) Tick();
  EXPECT_EQ(gate_->state().condition, DiskCondition::kOk);
  EXPECT_TRUE(gate_->Take(kMiB).ok());
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(DiskGateTest, AQuotaIsFoundByWritingOnly) {
  Open(100 * kGiB, 50 * kGiB);
  (void)gate_->Note(ErrnoStatus(EDQUOT, "write"));
  EXPECT_EQ(gate_->state().condition, DiskCondition::kFull);
  EXPECT_EQ(gate_->Take(1).code(), StatusCode::kResourceExhausted);
  files_.Fail(Kind::kWrite, 1, 1000, EDQUOT);
  for (int i = 0; i < 10; ++i) Tick();
  EXPECT_EQ(gate_->state().condition, DiskCondition::kFull);
  files_.Heal();
  Tick(ResourceExhausted("the database found none"));
  Tick(ResourceExhausted("the database found none"));
  EXPECT_EQ(gate_->state().condition, DiskCondition::kFull);
  Tick();
  Tick();
  EXPECT_EQ(gate_->state().condition, DiskCondition::kOk);
  EXPECT_EQ(changes_, 2);
}

TEST_F(DiskGateTest, ReadOnlyAndBack) {
  Open(100 * kGiB, 50 * kGiB);
  files_.SetSpace(100 * kGiB, 50 * kGiB, true);
  (void)gate_->Note(ErrnoStatus(EROFS, "write"));
  EXPECT_EQ(gate_->state().condition, DiskCondition::kReadOnly);
  EXPECT_EQ(gate_->Take(1).code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(gate_->Admit(1).code(), StatusCode::kPermissionDenied);
  files_.Fail(Kind::kAny, 1, 1000, EROFS);
  for (int i = 0; i < 10; ++i) Tick();
  EXPECT_EQ(gate_->state().condition, DiskCondition::kReadOnly);
  files_.Heal();
  files_.SetSpace(100 * kGiB, 50 * kGiB);
  for (int i = 0; i < 3; ++i) Tick();
  EXPECT_EQ(gate_->state().condition, DiskCondition::kOk);
  // What SQLite says of it is only that it could not write.
  files_.SetSpace(100 * kGiB, 50 * kGiB, true);
  gate_->LookAgain();
  EXPECT_EQ(gate_->state().condition, DiskCondition::kReadOnly);
}

TEST_F(DiskGateTest, OneFileThatMayNotBeWrittenIsNotTheDisk) {
  Open(100 * kGiB, 50 * kGiB);
  for (const int error : {EACCES, EPERM, EROFS}) {
    EXPECT_EQ(gate_->Note(ErrnoStatus(error, "write")).code(), StatusCode::kPermissionDenied);
    EXPECT_EQ(gate_->state().condition, DiskCondition::kOk);
  }
  EXPECT_TRUE(gate_->Take(kMiB).ok());
  EXPECT_EQ(changes_, 0);
}

TEST_F(DiskGateTest, Admission) {
  Open(100 * kGiB, 11 * kGiB);
  EXPECT_TRUE(gate_->Admit(6 * kGiB).ok());
  const Status refused = gate_->Admit(5 * kGiB);
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Message(refused),
            "needs 5 GiB, 11 GiB free (1 GiB reserved, 6 GiB promised to others)");
  EXPECT_EQ(gate_->state().condition, DiskCondition::kOk);  // others may write
  EXPECT_TRUE(gate_->Admit(4 * kGiB).ok());
  for (int i = 0; i < 4; ++i) Tick();
  EXPECT_EQ(changes_, 0);
  gate_->GiveBack(6 * kGiB);
  for (int i = 0; i < 3; ++i) Tick();
  EXPECT_EQ(changes_, 1);  // there is room for what was refused
  EXPECT_TRUE(gate_->Admit(5 * kGiB).ok());
  for (int i = 0; i < 4; ++i) Tick();
  EXPECT_EQ(changes_, 1);
}

TEST_F(DiskGateTest, WhatWasPromisedIsLeftByOthers) {
  Open(100 * kGiB, 11 * kGiB);
  EXPECT_TRUE(gate_->Admit(8 * kGiB).ok());
  EXPECT_TRUE(gate_->TakeUnpromised(kGiB).ok());
  EXPECT_EQ(gate_->TakeUnpromised(kGiB + 1).code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(gate_->TakeUnpromised(kGiB).ok());  // nothing was taken before
  EXPECT_TRUE(gate_->Take(8 * kGiB).ok());
  EXPECT_EQ(gate_->state().condition, DiskCondition::kOk);
}

TEST_F(DiskGateTest, PromiseIsMadeOnceAndUsedUp) {
  Open(100 * kGiB, 11 * kGiB);
  Promise promise;
  EXPECT_TRUE(promise.Ask(*gate_, 8 * kGiB).ok());
  EXPECT_TRUE(promise.Ask(*gate_, 8 * kGiB).ok());
  EXPECT_EQ(gate_->state().admitted_bytes, 8 * kGiB);
  promise.Use(*gate_, 3 * kGiB);
  EXPECT_EQ(gate_->state().admitted_bytes, 5 * kGiB);
  promise.Use(*gate_, 6 * kGiB);  // groups may be written twice
  EXPECT_EQ(gate_->state().admitted_bytes, 0u);
  promise.End(*gate_);
  EXPECT_TRUE(promise.Ask(*gate_, 2 * kGiB).ok());
  promise.End(*gate_);
  EXPECT_EQ(gate_->state().admitted_bytes, 0u);
}

class FullDiskTest : public testing::Test {
 protected:
  FullDiskTest() {
    store_.files.SetSpace(100 * kGiB, 50 * kGiB);
    store_.Reopen();
    watch_ = store_.store().WatchDisk(store_.inbox(),
                                      [this](const DiskState& state) { told_.push_back(state); });
    AwaitTold(1);
  }
  void AwaitTold(size_t count) {
    while (told_.size() < count) store_.inbox().RunOne();
  }
  // About two seconds.
  void TickOn() {
    for (int i = 0; i < 4; ++i) {
      store_.clock.Advance(DiskStore::kTick);
      store_.Tick();
    }
  }

  TestDirectory directory_;
  StoreUnderTest store_{directory_.path()};
  std::vector<DiskState> told_;
  std::unique_ptr<DiskWatch> watch_;
};

TEST_F(FullDiskTest, WatchersHearOfItAndNothingPublishedIsLost) {
  const TestBlob blob(20 * kGroupSize, 1);
  EXPECT_EQ(told_[0].condition, DiskCondition::kOk);
  EXPECT_EQ(told_[0].reserve_bytes, kGiB);
  const auto writer = store_.Writer(blob.hash);
  writer->ClaimSize(blob.size());
  for (uint64_t group = 0; group < 10; ++group) ASSERT_TRUE(blob.WriteTo(*writer, group).ok());
  writer->Publish();
  store_.files.SetSpace(100 * kGiB, kGiB / 2);
  store_.clock.Advance(seconds(1));
  EXPECT_EQ(blob.WriteTo(*writer, 10).code(), StatusCode::kResourceExhausted);
  AwaitTold(2);
  EXPECT_EQ(told_[1].condition, DiskCondition::kFull);
  EXPECT_EQ(told_[1].free_bytes, kGiB / 2);
  // Everything that takes room is refused, and everything else goes on.
  const TestBlob small(100, 2);
  EXPECT_EQ(store_.PutSmall(small.hash, small.content).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(writer->Admit(blob.size()).code(), StatusCode::kResourceExhausted);
  const auto import = store_.StartImport();
  EXPECT_EQ(import->Append(TestBlob(100'000, 3).content).code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(store_.Flush().ok());
  EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet(Range{0, 10}));
  store_.ExpectClaimsHold(blob);

  TickOn();
  EXPECT_EQ(told_.size(), 2u);
  store_.files.SetSpace(100 * kGiB, 20 * kGiB);
  TickOn();
  AwaitTold(3);
  EXPECT_EQ(told_[2].condition, DiskCondition::kOk);
  for (uint64_t group = 10; group < 20; ++group) ASSERT_TRUE(blob.WriteTo(*writer, group).ok());
  writer->ProveSize(blob.size());
  EXPECT_TRUE(store_.Finish(*writer).ok());
  store_.ExpectComplete(blob);
  EXPECT_TRUE(store_.PutSmall(small.hash, small.content).ok());
}

// Nothing of it is left, least of all that it would have been private.
TEST_F(FullDiskTest, ARefusedSmallImportLeavesNothing) {
  const TestBlob small(100, 2);
  store_.files.SetSpace(100 * kGiB, kGiB / 2);
  store_.clock.Advance(seconds(1));
  const auto import = store_.StartImport();
  import->MakePrivate();
  ASSERT_TRUE(import->Append(small.content).ok());
  EXPECT_EQ(store_.Finish(*import).status().code(), StatusCode::kResourceExhausted);
  EXPECT_FALSE(store_.Lookup(small.hash).is_private);
  EXPECT_EQ(store_.Stats().partial_blobs, 0u);
  store_.files.SetSpace(100 * kGiB, 20 * kGiB);
  TickOn();
  store_.Put(small);
  EXPECT_FALSE(store_.Lookup(small.hash).is_private);
}

TEST_F(FullDiskTest, NoSpaceInTheMiddleOfAWrite) {
  const TestBlob blob(20 * kGroupSize, 1);
  const auto writer = store_.Writer(blob.hash);
  writer->ClaimSize(blob.size());
  ASSERT_TRUE(blob.WriteTo(*writer, 3).ok());
  writer->Publish();
  store_.files.Fail(Kind::kWrite, 1, 1000, ENOSPC);
  EXPECT_EQ(blob.WriteTo(*writer, 4).code(), StatusCode::kResourceExhausted);
  AwaitTold(2);
  EXPECT_EQ(told_[1].condition, DiskCondition::kFull);
  writer->Publish();
  EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet(Range{3, 4}));
  store_.files.Heal();
  TickOn();
  AwaitTold(3);
  EXPECT_EQ(told_[2].condition, DiskCondition::kOk);
  EXPECT_TRUE(blob.WriteTo(*writer, 4).ok());
}

TEST_F(FullDiskTest, ReadOnlyIsToldApart) {
  const TestBlob blob(20 * kGroupSize, 1);
  store_.Put(blob);
  store_.files.Fail(Kind::kAny, 1, 1000, EROFS);
  store_.files.SetSpace(100 * kGiB, 50 * kGiB, true);
  const TestBlob other(20 * kGroupSize, 2);
  const auto writer = store_.Writer(other.hash);
  EXPECT_EQ(other.WriteTo(*writer, 4).code(), StatusCode::kPermissionDenied);
  AwaitTold(2);
  EXPECT_EQ(told_[1].condition, DiskCondition::kReadOnly);
  store_.ExpectComplete(blob);
  store_.files.Heal();
  store_.files.SetSpace(100 * kGiB, 50 * kGiB);
  TickOn();
  AwaitTold(3);
  EXPECT_EQ(told_[2].condition, DiskCondition::kOk);
  EXPECT_TRUE(other.WriteTo(*writer, 4).ok());
}

TEST_F(FullDiskTest, AdmissionIsGivenBackWithTheLastWriter) {
  const TestBlob blob(20 * kGroupSize, 1);
  auto writer = store_.Writer(blob.hash);
  auto second = store_.Writer(blob.hash);
  EXPECT_TRUE(writer->Admit(30 * kGiB).ok());
  EXPECT_TRUE(second->Admit(30 * kGiB).ok());
  const TestBlob other(20 * kGroupSize, 2);
  auto refused = store_.Writer(other.hash);
  EXPECT_EQ(refused->Admit(30 * kGiB).code(), StatusCode::kResourceExhausted);
  writer = nullptr;
  TickOn();
  EXPECT_EQ(told_.size(), 1u);
  second = nullptr;
  TickOn();
  AwaitTold(2);
  EXPECT_EQ(told_[1].condition, DiskCondition::kOk);
  EXPECT_TRUE(refused->Admit(30 * kGiB).ok());
}

// A stream says nothing of its size before.
TEST_F(FullDiskTest, AStreamLeavesWhatIsPromised) {
  const TestBlob blob(20 * kGroupSize, 1);
  auto writer = store_.Writer(blob.hash);
  ASSERT_TRUE(writer->Admit(48 * kGiB).ok());
  store_.files.SetSpace(100 * kGiB, 49 * kGiB);
  store_.clock.Advance(seconds(1));
  const auto import = store_.StartImport();
  EXPECT_EQ(import->Append(TestBlob(100'000, 3).content).code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(blob.WriteTo(*writer, 3).ok());
}

TEST_F(FullDiskTest, ImportOfADescriptorIsRefusedBeforeItCopies) {
  const std::string path = directory_.path() + "/source";
  std::ofstream(path).put('x');
  std::filesystem::resize_file(path, 60 * kGiB);  // sparse
  const auto result = store_.ImportFrom(Descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC)));
  EXPECT_EQ(result.status().code(), StatusCode::kResourceExhausted) << result.status();
  store_.ExpectNoPartialFiles();
}

// Nobody wakes for a store in which nothing happens.
TEST_F(FullDiskTest, TicksAreAskedForWhileSomethingIsDue) {
  TickOn();
  EXPECT_FALSE(store_.tick_asked());
  const TestBlob blob(20 * kGroupSize, 1);
  store_.Write(blob, RangeSet(Range{0, 3}));
  store_.Stats();
  EXPECT_TRUE(store_.tick_asked());
  store_.Tick();
  EXPECT_TRUE(store_.tick_asked());  // not due yet
  ASSERT_TRUE(store_.Flush().ok());
  store_.clock.Advance(seconds(3));
  store_.Tick();
  EXPECT_FALSE(store_.tick_asked());

  store_.files.SetSpace(100 * kGiB, kGiB / 2);
  store_.clock.Advance(seconds(1));
  const TestBlob small(100, 2);
  EXPECT_EQ(store_.PutSmall(small.hash, small.content).code(), StatusCode::kResourceExhausted);
  TickOn();
  EXPECT_TRUE(store_.tick_asked());
  store_.files.SetSpace(100 * kGiB, 20 * kGiB);
  TickOn();
  EXPECT_FALSE(store_.tick_asked());
}

// A writer that stalls publishes no more; what it published is synced all the same.
TEST_F(FullDiskTest, TicksKeepTheBoundForStalledWriters) {
  const TestBlob blob(20 * kGroupSize, 1);
  const auto writer = store_.Writer(blob.hash);
  writer->ClaimSize(blob.size());
  ASSERT_TRUE(blob.WriteTo(*writer, 3).ok());
  writer->Publish();
  std::atomic<int> syncs = 0;
  store_.Stats();
  store_.files.BeforeEachChange([&](Kind kind) { syncs += kind == Kind::kSync ? 1 : 0; });
  store_.Tick();
  EXPECT_EQ(syncs, 0);
  store_.clock.Advance(milliseconds(2500));
  store_.Tick();
  while (syncs == 0) std::this_thread::yield();
  store_.files.BeforeEachChange(nullptr);
}

}  // namespace
}  // namespace blobd::store
