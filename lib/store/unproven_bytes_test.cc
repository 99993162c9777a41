// Bytes without proof: they lie where they belong, and are nothing until they are taken as
// verified.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <optional>
#include <thread>
#include <utility>

#include "store/disk_store_for_test.h"

namespace blobd::store {
namespace {

constexpr uint64_t kSize = 5 * kGroupSize + 77;

RangeSet Groups(uint64_t begin, uint64_t end) { return RangeSet(Range{begin, end}); }

class UnprovenBytesTest : public testing::Test {
 protected:
  ByteView Content(uint64_t begin_group, uint64_t end_group) const {
    const uint64_t begin = begin_group * kGroupSize;
    return ByteView(blob_.content).subspan(begin, std::min(end_group * kGroupSize, kSize) - begin);
  }
  Bytes Wrong(uint64_t begin_group, uint64_t end_group) const {
    const ByteView right = Content(begin_group, end_group);
    Bytes wrong(right.begin(), right.end());
    for (uint8_t& byte : wrong) byte ^= 0xff;
    return wrong;
  }
  void WriteAllPairs(BlobWriter& writer) const {
    for (uint64_t group = 0; group < blob_.group_count(); ++group) {
      EXPECT_TRUE(writer.Write({}, blob_.Path(group)).ok());
    }
  }

  const TestBlob blob_{kSize, 1};
  TestDirectory directory_;
};

TEST_F(UnprovenBytesTest, AreABlobOnceTheyAreTakenAsVerified) {
  StoreUnderTest store(directory_.path());
  const auto writer = store.Writer(blob_.hash);
  writer->ClaimSize(kSize);
  EXPECT_EQ(*writer->WriteUnproven(2 * kGroupSize, Content(2, 6)), RangeSet());
  EXPECT_EQ(*writer->WriteUnproven(0, Content(0, 2)), RangeSet());
  writer->Publish();
  EXPECT_EQ(store.Lookup(blob_.hash).state, BlobState::kAbsent) << "nothing is known of them";
  Bytes back(kSize);
  EXPECT_EQ(*writer->ReadUnproven(0, back), kSize);
  EXPECT_EQ(back, blob_.content);

  WriteAllPairs(*writer);
  writer->TakeAsVerified(Groups(0, 6));
  writer->ProveSize(kSize);
  EXPECT_TRUE(store.Finish(*writer).ok());
  store.ExpectComplete(blob_);
}

TEST_F(UnprovenBytesTest, LeaveVerifiedGroupsAsTheyAre) {
  StoreUnderTest store(directory_.path());
  const auto node = store.Writer(blob_.hash);
  node->ClaimSize(kSize);
  EXPECT_TRUE(blob_.WriteTo(*node, 1).ok());
  node->Publish();
  EXPECT_TRUE(blob_.WriteTo(*node, 3).ok());  // not published yet
  const auto mirror = store.Writer(blob_.hash);
  RangeSet left = Groups(1, 2);
  left.Insert({3, 4});
  EXPECT_EQ(*mirror->WriteUnproven(0, Wrong(0, 6)), left);
  node->Publish();
  EXPECT_EQ(store.Lookup(blob_.hash).groups, left);
  for (const uint64_t group : {0u, 2u, 4u, 5u}) EXPECT_TRUE(blob_.WriteTo(*node, group).ok());
  node->ProveSize(kSize);
  EXPECT_EQ(*mirror->WriteUnproven(0, Wrong(0, 6)), Groups(0, 6));
  EXPECT_EQ(*mirror->WriteUnproven(6 * kGroupSize, Wrong(0, 2)), Groups(6, 8)) << "behind its end";
  EXPECT_TRUE(store.Finish(*node).ok());
  EXPECT_EQ(*mirror->WriteUnproven(0, Wrong(0, 6)), Groups(0, 6)) << "it is complete now";
  store.ExpectComplete(blob_);
}

TEST_F(UnprovenBytesTest, LeaveAnImportAsItIs) {
  StoreUnderTest store(directory_.path());
  const auto mirror = store.Writer(blob_.hash);
  store.Put(blob_);
  EXPECT_EQ(*mirror->WriteUnproven(0, Wrong(0, 6)), Groups(0, 6));
  store.ExpectComplete(blob_);
}

// Whatever step of the import it is that fails.
TEST_F(UnprovenBytesTest, LeaveWhatIsBeingWrittenWhileAnImportFails) {
  int failed = 0;
  for (int call = 1;; ++call) {
    SCOPED_TRACE(call);
    const TestDirectory directory;
    StoreUnderTest store(directory.path());
    const auto node = store.Writer(blob_.hash);
    node->ClaimSize(kSize);
    EXPECT_TRUE(blob_.WriteTo(*node, 1).ok());
    node->Publish();
    EXPECT_TRUE(blob_.WriteTo(*node, 3).ok());  // not published yet
    const auto mirror = store.Writer(blob_.hash);
    auto import = store.StartImport();
    ASSERT_TRUE(import->Append(blob_.content).ok());
    store.files.Fail(FaultyFileSystem::Kind::kAny, call, call, EIO);
    const bool is_imported = store.Finish(*import).ok();
    store.files.Heal();
    import = nullptr;  // and its files
    const auto left = mirror->WriteUnproven(0, Wrong(0, 6));
    ASSERT_TRUE(left.ok()) << left.status();
    EXPECT_TRUE(left->Contains(3));
    node->Publish();
    if (is_imported) {
      store.ExpectComplete(blob_);
      break;
    }
    ++failed;
    EXPECT_TRUE(store.Lookup(blob_.hash).groups.Contains(1));
    store.Repair(blob_);
  }
  EXPECT_GT(failed, 1);
}

// A group that is named and not kept would be nobody's to bring, and one that is kept and not named
// anybody's to write over.
TEST_F(UnprovenBytesTest, LeaveWhatIsPublishedWhileAnImportFails) {
  StoreUnderTest store(directory_.path());
  auto node = store.Writer(blob_.hash);
  node->ClaimSize(kSize);
  EXPECT_TRUE(blob_.WriteTo(*node, 1).ok());
  node->Publish();
  EXPECT_TRUE(blob_.WriteTo(*node, 3).ok());
  auto import = store.StartImport();
  ASSERT_TRUE(import->Append(blob_.content).ok());
  // While the import puts its files in the place of the node's, and a mirror asks for a writer.
  std::shared_ptr<BlobWriter> mirror;
  std::atomic<bool> is_published = false;
  store.files.BeforeEachChange([&](FaultyFileSystem::Kind kind) {
    if (kind != FaultyFileSystem::Kind::kAny || is_published.exchange(true)) return;
    store.store().OpenWriter(
        blob_.hash, store.inbox(),
        [&](StatusOr<std::shared_ptr<BlobWriter>> writer) { mirror = *std::move(writer); });
    node->Publish();
    node = nullptr;
    store.files.Fail(FaultyFileSystem::Kind::kAny, 1, 1000, EIO);
  });
  EXPECT_FALSE(store.Finish(*import).ok());
  store.files.BeforeEachChange(nullptr);
  store.files.Heal();
  EXPECT_TRUE(is_published);
  while (mirror == nullptr) store.inbox().RunOne();
  RangeSet both = Groups(1, 2);
  both.InsertAll(Groups(3, 4));
  EXPECT_EQ(store.Lookup(blob_.hash).groups, both);
  EXPECT_EQ(*mirror->WriteUnproven(0, Wrong(0, 6)), both);
  store.ExpectClaimsHold(blob_);
  store.Repair(blob_);
}

TEST_F(UnprovenBytesTest, AreNothingAfterTheProcessEnded) {
  const TestDirectory copy;
  {
    StoreUnderTest store(directory_.path());
    const auto writer = store.Writer(blob_.hash);
    writer->ClaimSize(kSize);
    EXPECT_TRUE(writer->WriteUnproven(0, Wrong(0, 6)).ok());
    WriteAllPairs(*writer);
    writer->Publish();
    store.CopyTo(copy.path() + "/state");
  }
  StoreUnderTest store(copy.path() + "/state");
  EXPECT_EQ(store.Lookup(blob_.hash).groups, RangeSet());
  store.Repair(blob_);
}

// What the last life wrote is found under the right size, while a mirror writes over it.
TEST_F(UnprovenBytesTest, AreNotTakenForWhatWasFoundBeforeTheyCame) {
  const TestDirectory copy;
  {
    StoreUnderTest store(directory_.path());
    const auto writer = store.Writer(blob_.hash);
    writer->ClaimSize(kGroupSize + 5);  // a liar's: nothing is found under it
    for (uint64_t group = 0; group < blob_.group_count(); ++group) {
      EXPECT_TRUE(blob_.WriteTo(*writer, group).ok());
    }
    store.CopyTo(copy.path() + "/state");
  }
  StoreUnderTest store(copy.path() + "/state");
  EXPECT_EQ(store.Lookup(blob_.hash).groups, RangeSet());
  const auto mirror = store.Writer(blob_.hash);
  std::atomic<bool> is_writing = false;
  store.files.BeforeEachChange([&](FaultyFileSystem::Kind kind) {
    if (kind != FaultyFileSystem::Kind::kWrite || is_writing.exchange(true)) return;
    EXPECT_TRUE(mirror->WriteUnproven(0, Wrong(0, 1)).ok());
    is_writing = false;
  });
  mirror->ClaimSize(kSize);
  while (store.Lookup(blob_.hash).groups.empty()) {
  }
  store.files.BeforeEachChange(nullptr);
  EXPECT_EQ(store.Lookup(blob_.hash).groups, Groups(1, 6));
  EXPECT_EQ(*mirror->WriteUnproven(0, Wrong(0, 6)), Groups(1, 6));
  store.Repair(blob_);
}

TEST_F(UnprovenBytesTest, MayComeWhereAVerifiedWriteFailed) {
  StoreUnderTest store(directory_.path());
  const auto first = store.Writer(blob_.hash);
  EXPECT_TRUE(blob_.WriteTo(*first, 1).ok());
  const auto second = store.Writer(blob_.hash);
  store.files.Fail(FaultyFileSystem::Kind::kWrite, 1, 1000, EIO);
  EXPECT_FALSE(blob_.WriteTo(*second, 1).ok());
  EXPECT_FALSE(blob_.WriteTo(*second, 2).ok());
  store.HealDisk();
  const auto mirror = store.Writer(blob_.hash);
  EXPECT_EQ(*mirror->WriteUnproven(0, Content(0, 6)), Groups(1, 2)) << "that one was written";
}

TEST_F(UnprovenBytesTest, TakeNoRoomThatWasPromisedToOthers) {
  StoreUnderTest store(directory_.path());
  const uint64_t reserve = store.options().reserve_bytes;
  store.files.SetSpace(uint64_t{1} << 40, reserve + 64 * kGroupSize);
  store.clock.Advance(seconds(1));
  const auto other = store.Writer(TestBlob(3, 3).hash);
  EXPECT_TRUE(other->Admit(60 * kGroupSize).ok());
  const auto mirror = store.Writer(blob_.hash);
  EXPECT_EQ(mirror->WriteUnproven(0, Content(0, 6)).status().code(),
            StatusCode::kResourceExhausted);
  EXPECT_TRUE(other->Write({}, blob_.Path(0)).ok()) << "the disk is not full";
}

// Long before they are verified, so that not all is left to the end.
class SyncedUnprovenBytesTest : public UnprovenBytesTest {
 protected:
  SyncedUnprovenBytesTest() {
    store_.options().unsynced_bytes = 8 * kGroupSize;  // a sync after half as many
    store_.Reopen();
  }
  // The first four, which are worth a sync: the one with this number fails.
  std::shared_ptr<BlobWriter> WriteSome(int failing_sync) {
    auto writer = store_.Writer(blob_.hash);
    writer->ClaimSize(kSize);
    WriteAllPairs(*writer);
    store_.files.Fail(FaultyFileSystem::Kind::kSync, failing_sync, failing_sync, EIO);
    EXPECT_EQ(*writer->WriteUnproven(0, Content(0, 4)), RangeSet());
    return writer;
  }
  // From the next one on.
  void HoldSyncs() {
    store_.files.BeforeEachChange([this](FaultyFileSystem::Kind kind) {
      if (kind == FaultyFileSystem::Kind::kSync) may_sync_.wait(false);
    });
  }
  void LetSyncsGoOn() {
    may_sync_ = true;
    may_sync_.notify_all();
    store_.files.BeforeEachChange(nullptr);
  }
  bool IsBelieved(BlobWriter& writer) { return writer.WriteUnproven(0, Content(0, 1)).ok(); }
  void TakeAll(BlobWriter& writer) {
    writer.TakeAsVerified(Groups(0, 6));
    writer.ProveSize(kSize);
  }

  std::atomic<bool> may_sync_ = false;
  StoreUnderTest store_{directory_.path()};
};

TEST_F(SyncedUnprovenBytesTest, AreWorthASync) {
  const auto writer = WriteSome(1000);
  while (store_.files.calls() == 0) std::this_thread::yield();
  EXPECT_EQ(*writer->WriteUnproven(4 * kGroupSize, Content(4, 6)), RangeSet());
  TakeAll(*writer);
  EXPECT_TRUE(store_.Finish(*writer).ok());
  store_.ExpectComplete(blob_);
}

// The kernel tells that once, and a later sync would succeed without what is lost.
TEST_F(SyncedUnprovenBytesTest, AreNotBelievedWhenThatFails) {
  const auto writer = WriteSome(1);
  while (IsBelieved(*writer)) std::this_thread::yield();
  store_.HealDisk();
  TakeAll(*writer);
  EXPECT_FALSE(store_.Finish(*writer).ok());
  EXPECT_EQ(store_.Lookup(blob_.hash).groups, RangeSet());
  const auto again = store_.Writer(blob_.hash);
  EXPECT_EQ(*again->WriteUnproven(0, Content(0, 6)), RangeSet());
  WriteAllPairs(*again);
  TakeAll(*again);
  EXPECT_TRUE(store_.Finish(*again).ok());
  store_.ExpectComplete(blob_);
}

// What others verified before is synced behind that, which succeeds and says nothing.
TEST_F(SyncedUnprovenBytesTest, TakeWithThemWhatIsSyncedBehindThem) {
  const auto node = store_.Writer(blob_.hash);
  node->ClaimSize(kSize);
  EXPECT_TRUE(blob_.WriteTo(*node, 5).ok());
  HoldSyncs();
  const auto mirror = WriteSome(1);
  store_.Stats();  // its sync has begun
  node->Publish();
  EXPECT_EQ(store_.Lookup(blob_.hash).groups, Groups(5, 6));
  std::optional<Status> flushed;
  store_.store().Flush(store_.inbox(), [&](Status status) { flushed = std::move(status); });
  store_.Stats();  // and the other waits for it
  LetSyncsGoOn();
  while (!flushed) store_.inbox().RunOne();
  EXPECT_FALSE(flushed->ok());
  EXPECT_EQ(store_.Lookup(blob_.hash).groups, RangeSet());
}

// What was taken back may be on the disk all the same.
TEST_F(SyncedUnprovenBytesTest, AreLookedForWhenThatFailsBehindTheLastWriter) {
  auto node = store_.Writer(blob_.hash);
  node->ClaimSize(kSize);
  EXPECT_TRUE(blob_.WriteTo(*node, 5).ok());
  node->Publish();
  HoldSyncs();
  auto mirror = WriteSome(1);
  store_.Stats();  // its sync has begun
  mirror = node = nullptr;
  store_.Stats();
  LetSyncsGoOn();
  while (store_.files.calls() == 0) std::this_thread::yield();
  RangeSet found;
  for (int i = 0; i < 1000 && found.empty(); ++i) found = store_.Lookup(blob_.hash).groups;
  EXPECT_TRUE(found.Contains(5));
}

// A blob of which only unproven bytes are here, with a log that tells of them.
class KeptUnprovenBytesTest : public UnprovenBytesTest {
 protected:
  void KeepSome() {
    const auto writer = store_.Writer(blob_.hash);
    writer->ClaimSize(kSize);
    EXPECT_TRUE(store_.store().OpenUnprovenLog(blob_.hash, true).ok());
    EXPECT_TRUE(writer->WriteUnproven(0, Wrong(0, 2)).ok());
  }
  bool log_is_there() {
    const auto writer = store_.Writer(blob_.hash);
    return store_.store().OpenUnprovenLog(blob_.hash, false).ok();
  }

  StoreUnderTest store_{directory_.path()};
};

TEST_F(KeptUnprovenBytesTest, AreListedCountedAndRemoved) {
  for (const bool is_next_life : {false, true}) {
    SCOPED_TRACE(is_next_life);
    KeepSome();
    if (is_next_life) store_.Reopen();
    EXPECT_EQ(store_.Lookup(blob_.hash).state, BlobState::kAbsent);
    const std::vector<BlobUse> uses = store_.ListByUse(std::nullopt, 10);
    ASSERT_EQ(uses.size(), 1u);
    EXPECT_EQ(uses[0].hash, blob_.hash);
    EXPECT_EQ(uses[0].disk_bytes, 2 * kGroupSize);
    EXPECT_FALSE(uses[0].is_pinned);
    EXPECT_EQ(store_.Stats().partial_bytes, 2 * kGroupSize);
    const auto freed = store_.Remove(blob_.hash);
    ASSERT_TRUE(freed.ok()) << freed.status();
    EXPECT_EQ(*freed, 2 * kGroupSize);
    EXPECT_TRUE(store_.ListByUse(std::nullopt, 10).empty());
    store_.ExpectNoPartialFiles();
  }
}

TEST_F(KeptUnprovenBytesTest, GoWhenNobodyWantsThem) {
  for (const bool is_next_life : {false, true}) {
    SCOPED_TRACE(is_next_life);
    KeepSome();
    if (is_next_life) store_.Reopen();
    store_.store().ForgetUnproven(blob_.hash);
    EXPECT_EQ(store_.Remove(blob_.hash).status().code(), StatusCode::kNotFound);
    store_.ExpectNoPartialFiles();
  }
}

TEST_F(KeptUnprovenBytesTest, GoWithTheLastWriterUnlessAnotherWantsThem) {
  KeepSome();
  auto writer = store_.Writer(blob_.hash);
  store_.store().ForgetUnproven(blob_.hash);
  EXPECT_TRUE(log_is_there()) << "somebody has come who wants them";
  writer = nullptr;
  EXPECT_TRUE(log_is_there());
  writer = store_.Writer(blob_.hash);
  store_.store().ForgetUnproven(blob_.hash);
  writer = nullptr;
  EXPECT_EQ(store_.Lookup(blob_.hash).state, BlobState::kAbsent);
  store_.ExpectNoPartialFiles();
}

// What of the blob is verified stays.
TEST_F(KeptUnprovenBytesTest, GoAndLeaveWhatIsVerified) {
  KeepSome();
  store_.Write(blob_, Groups(3, 4));
  store_.store().ForgetUnproven(blob_.hash);
  EXPECT_TRUE(store_.Flush().ok());
  EXPECT_EQ(store_.Lookup(blob_.hash).groups, Groups(3, 4));
  EXPECT_FALSE(std::filesystem::exists(store_.layout().Partial(blob_.hash).unproven_log));
}

}  // namespace
}  // namespace blobd::store
