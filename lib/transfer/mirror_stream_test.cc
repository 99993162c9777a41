// Several gets of one file whose size no server says.
#include "transfer/mirror_for_test.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;
using store::kGroupSize;

constexpr uint64_t kMiB = 1 << 20;

class MirrorStreamTest : public MirrorGetTest {
 protected:
  std::shared_ptr<FakeMirror> Streaming(const TestBlob& blob) {
    const auto mirror = Serving(blob.content);
    mirror->ranges = mirror->length = false;
    return mirror;
  }
  template <typename F>
  void RunUntil(F is_so) {
    while (!is_so()) store_.inbox().RunOne();
  }
  void RunWhatWaits() {
    while (store_.inbox().waiting() > 0) store_.inbox().RunOne();
  }
  // A get that is told to wait.
  Running StartWaiting(const std::shared_ptr<MirrorBlob>& blobs,
                       const std::shared_ptr<FakeMirror>& mirror, const std::string& url,
                       const MirrorShare& share = {}) {
    const Running get = Start(blobs, mirror, url, share);
    RunUntil([&] { return !mirror->asks.empty(); });
    RunWhatWaits();
    return get;
  }
};

TEST_F(MirrorStreamTest, ASecondGetWaitsForTheFirst) {
  for (const bool is_same_url : {false, true}) {
    SCOPED_TRACE(is_same_url);
    const std::string second_url = is_same_url ? "http://first/f" : "http://other/f";
    const TestBlob blob(4 * kMiB + 7, is_same_url);
    const auto blobs = BlobOf(blob.hash);
    const auto first = Streaming(blob);
    const auto second = Streaming(blob);
    const Running a = Start(blobs, first, "http://first/f");
    RunUntil([&] { return first->sent >= kMiB; });
    const Running b = Start(blobs, second, second_url);
    EXPECT_EQ(EndOf(a).outcome, Outcome::kDone) << EndOf(a).reason;
    EXPECT_EQ(EndOf(b).outcome, Outcome::kDone) << EndOf(b).reason;
    EXPECT_EQ(first->asks.size(), 1u);
    EXPECT_EQ(first->sent, blob.size());
    EXPECT_LE(second->asks.size(), 1u) << "to hear that it says no size";
    EXPECT_EQ(second->sent, 0u);
    store_.ExpectComplete(blob);
  }
}

TEST_F(MirrorStreamTest, BothAtOnceAreOneStream) {
  const TestBlob blob(4 * kMiB, 1);
  const auto blobs = BlobOf(blob.hash);
  const auto first = Streaming(blob);
  const auto second = Streaming(blob);
  const Running a = Start(blobs, first, "http://first/f");
  const Running b = Start(blobs, second, "http://other/f");
  EXPECT_EQ(EndOf(a).outcome, Outcome::kDone) << EndOf(a).reason;
  EXPECT_EQ(EndOf(b).outcome, Outcome::kDone) << EndOf(b).reason;
  EXPECT_EQ(first->sent + second->sent, blob.size());
}

TEST_F(MirrorStreamTest, WhoWaitedGoesOnWhenTheFirstBreaksOff) {
  const TestBlob blob(4 * kMiB, 1);
  const auto blobs = BlobOf(blob.hash);
  const auto first = Streaming(blob);
  const auto second = Streaming(blob);
  first->break_after = 2 * kMiB;
  const Running a = Start(blobs, first, "http://first/f");
  RunUntil([&] { return first->sent >= kMiB; });
  const Running b = Start(blobs, second, "http://other/f");
  EXPECT_EQ(EndOf(a).outcome, Outcome::kRetryLater) << EndOf(a).reason;
  EXPECT_EQ(EndOf(b).outcome, Outcome::kDone) << EndOf(b).reason;
  EXPECT_EQ(second->sent, blob.size());
  store_.ExpectComplete(blob);
}

// Who says a size is used at once. The stream goes on with what is wanted still.
TEST_F(MirrorStreamTest, AFileWithASizeDoesNotWait) {
  const TestBlob blob(4 * kMiB, 1);
  const auto blobs = BlobOf(blob.hash);
  const auto first = Streaming(blob);
  first->hang_after = kMiB;
  const Running a = Start(blobs, first, "http://first/f");
  RunUntil([&] { return first->sent >= kMiB; });
  const Running b = Start(blobs, Serving(blob.content), "http://other/f");
  EXPECT_EQ(EndOf(b).outcome, Outcome::kDone) << EndOf(b).reason;
  EXPECT_EQ(EndOf(a).outcome, Outcome::kDone) << EndOf(a).reason;
}

// A stream that trickles holds nobody up for ever; and it is overtaken once.
TEST_F(MirrorStreamTest, ASlowStreamIsOvertaken) {
  clock_ = &store_.clock;
  const TestBlob blob(4 * kMiB, 1);
  const auto blobs = BlobOf(blob.hash);
  const auto first = Streaming(blob);
  const auto second = Streaming(blob);
  first->hang_after = first->piece;
  const Running a = Start(blobs, first, "http://first/f");
  RunUntil([&] { return first->sent > 0; });
  const Running b = StartWaiting(blobs, second, "http://other/f");
  store_.clock.Advance(seconds(9));
  b.get->Beat();
  RunWhatWaits();
  EXPECT_EQ(second->sent, 0u);
  store_.clock.Advance(seconds(1));
  b.get->Beat();
  EXPECT_EQ(EndOf(b).outcome, Outcome::kDone) << EndOf(b).reason;
  EXPECT_EQ(EndOf(a).outcome, Outcome::kDone) << EndOf(a).reason;
  EXPECT_EQ(first->asks.size(), 1u);
  EXPECT_EQ(second->sent, blob.size());
  store_.ExpectComplete(blob);
}

// Two files of which nobody says the size, and memory for one.
TEST_F(MirrorStreamTest, OneThatIsTooMuchToRememberComesLater) {
  budgets_.values = std::make_shared<MemoryBudget>(4 * kMiB / kGroupSize * 32);
  const TestBlob large(4 * kMiB, 1);
  const TestBlob small(kMiB, 2);
  const auto first = Streaming(large);
  first->hang_after = 3 * kMiB + first->piece;
  const Running a = Start(BlobOf(large.hash), first, "http://first/f");
  RunUntil([&] { return first->sent >= first->hang_after; });
  RunWhatWaits();
  EXPECT_GE(budgets_.values->used(), 3 * kMiB / kGroupSize * 32);
  const auto blobs = BlobOf(small.hash);
  const Running b = Start(blobs, Streaming(small), "http://other/f");
  EXPECT_EQ(EndOf(b).outcome, Outcome::kBusy) << EndOf(b).reason;
  EXPECT_FALSE(b.observer->blob_over) << "what is there stays";
  EXPECT_FALSE(a.observer->end);
  a.get->Stop();
  EXPECT_EQ(budgets_.values->used(), 0u);
  const Running again = Start(blobs, Streaming(small), "http://other/f");
  EXPECT_EQ(EndOf(again).outcome, Outcome::kDone) << EndOf(again).reason;
  EXPECT_EQ(budgets_.values->used(), 0u);
  store_.ExpectComplete(small);
}

// The same mirror would be as slow. A request that has other providers turns to them.
TEST_F(MirrorStreamTest, WhoHasOthersDoesNotWaitForEver) {
  clock_ = &store_.clock;
  const TestBlob blob(4 * kMiB, 1);
  const auto blobs = BlobOf(blob.hash);
  const auto first = Streaming(blob);
  first->hang_after = first->piece;
  const Running a = Start(blobs, first, "http://first/f");
  RunUntil([&] { return first->sent > 0; });
  const auto alone = Streaming(blob);
  const Running patient = Start(blobs, alone, "http://first/f");
  const Running other =
      Start(blobs, Streaming(blob), "http://first/f", {{0, RangeSet::kOpenEnd}, {}, true});
  while (!other.observer->end) {
    store_.clock.Advance(seconds(1));
    patient.get->Beat();
    other.get->Beat();
    RunWhatWaits();
  }
  EXPECT_EQ(EndOf(other).outcome, Outcome::kBusy) << EndOf(other).reason;
  EXPECT_FALSE(patient.observer->end);
  EXPECT_TRUE(alone->asks.empty());
  a.get->Stop();
  EXPECT_EQ(EndOf(patient).outcome, Outcome::kDone) << EndOf(patient).reason;
}

}  // namespace
}  // namespace blobd::transfer
