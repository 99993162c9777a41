#include "transfer/mirror_session.h"

#include <gtest/gtest.h>

#include "transfer/mirror_for_test.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;
using store::kGroupSize;
using store::TestBlob;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kSize = 64 * kMiB;

struct FakeGets final : MirrorGets {
  struct Get {
    Hash hash;
    std::string url;
    std::string provider;
    uint64_t max_size = 0;
    MirrorShare share;
  };
  void GetBlob(uint64_t number, const Hash& hash, const http::Url& url, const std::string& provider,
               uint64_t max_size, const MirrorShare& share) override {
    gets[number] = {hash, url.text(), provider, max_size, share};
  }
  void LowerBlob(uint64_t number, uint64_t group) override { lowered.push_back({number, group}); }
  void StopBlob(uint64_t number) override { stopped.push_back(number); }
  std::shared_ptr<MirrorPort> OpenFetches(uint64_t number, const Hash&, const http::Url& url,
                                          std::shared_ptr<MirrorReceiver> receiver) override {
    fetches[number] = std::make_shared<FakeMirror>(inbox, content);
    fetches[number]->get = std::move(receiver);
    small[number] = url.text();
    return fetches[number];
  }
  void CloseFetches(uint64_t number) override {
    fetches.at(number)->get = nullptr;
    closed.push_back(std::move(fetches.at(number)));  // tasks of it may still wait
    fetches.erase(number);
  }

  explicit FakeGets(store::Inbox& where) : inbox(where) {}
  store::Inbox& inbox;
  Bytes content;                                            // of every small file
  std::map<uint64_t, std::shared_ptr<FakeMirror>> fetches;  // that are open
  std::vector<std::shared_ptr<FakeMirror>> closed;
  std::map<uint64_t, std::string> small;  // the URLs of all there were
  std::map<uint64_t, Get> gets;           // all there were
  std::vector<std::pair<uint64_t, uint64_t>> lowered;
  std::vector<uint64_t> stopped;
};

struct FakeObserver final : GetObserver {
  void OnProgress(TransferId, const GetProgress& now) override {
    progress = now;
    arrived.InsertAll(now.arrived);
  }
  void OnContent(TransferId, const GetContent& told) override {
    EXPECT_FALSE(content) << "once";
    content = told;
  }
  void OnBoundary(TransferId, uint64_t boundary) override { boundaries.push_back(boundary); }
  void OnEnded(TransferId, const GetProgress& now, const GetEnd& how) override {
    EXPECT_FALSE(end) << "once";
    OnProgress({}, now);
    end = how;
  }
  GetProgress progress;
  RangeSet arrived;
  std::optional<GetContent> content;
  std::vector<uint64_t> boundaries;
  std::optional<GetEnd> end;
};

class MirrorSessionTest : public testing::Test {
 protected:
  ~MirrorSessionTest() override {
    while (store_.inbox().waiting() > 0) store_.inbox().RunOne();
  }
  void Start(const std::string& url, const GetOrder& order) {
    session_ = std::make_shared<MirrorSession>(
        MirrorSession::Deps{store_.store(),
                            std::shared_ptr<Executor>(&store_.inbox(), [](Executor*) {}), gets_,
                            observer_, SystemClock()},
        TransferId{1}, url, order, SizeLimits{});
    session_->Start();
  }
  void RunUntil(const std::function<bool()>& is_so) {
    while (!is_so()) store_.inbox().RunOne();
  }
  static MirrorGetProgress Receiving(uint64_t size, uint64_t position = 0) {
    MirrorGetProgress progress;
    progress.state = GetState::kReceiving;
    progress.claimed_bytes = size;
    progress.takes_parts = true;
    progress.position = position;
    return progress;
  }
  void End(uint64_t number, Outcome outcome, const MirrorGetProgress& progress = {}) {
    session_->OnBlobEnded(number, progress, {outcome, outcome == Outcome::kDone ? "" : "so", {}});
  }

  static constexpr Kind kRaw = {{{1}}, BlobFormat::kRaw};
  store::TestDirectory directory_;
  store::StoreUnderTest store_{directory_.path()};
  std::shared_ptr<FakeGets> gets_ = std::make_shared<FakeGets>(store_.inbox());
  std::shared_ptr<FakeObserver> observer_ = std::make_shared<FakeObserver>();
  std::shared_ptr<MirrorSession> session_;
};

TEST_F(MirrorSessionTest, WhatAServerThatSendsPartsClaimsIsTold) {
  Start("https://m/f", {kRaw, std::nullopt, true});
  EXPECT_TRUE(gets_->gets.at(1).share.others);
  MirrorGetProgress progress = Receiving(kSize);
  progress.arrived = RangeSet(Range{0, 10});
  session_->OnBlobProgress(1, progress);
  ASSERT_TRUE(observer_->content);
  EXPECT_TRUE(observer_->content->layout->is_claim);
  EXPECT_EQ(observer_->content->layout->length, kSize);
  EXPECT_FALSE(observer_->content->total_bytes);
  EXPECT_EQ(observer_->content->missing, RangeSet({10 * kGroupSize, kSize}));
  progress = Receiving(kSize, 1000);
  progress.arrived = RangeSet(Range{20, 30});
  End(1, Outcome::kDone, progress);
  EXPECT_EQ(observer_->end->outcome, Outcome::kDone);
  EXPECT_TRUE(observer_->progress.on_line);
  EXPECT_EQ(observer_->progress.position, 1000 * kGroupSize);
  EXPECT_EQ(observer_->arrived, RangeSet({20 * kGroupSize, 30 * kGroupSize}));
}

TEST_F(MirrorSessionTest, ASizeThatIsProvenIsNoClaim) {
  Start("https://m/f", {kRaw});
  MirrorGetProgress progress = Receiving(kSize);
  progress.total_bytes = kSize;
  session_->OnBlobProgress(1, progress);
  EXPECT_FALSE(observer_->content->layout->is_claim);
  EXPECT_EQ(observer_->content->total_bytes, kSize);
}

TEST_F(MirrorSessionTest, NothingIsToldOfOneStreamOrAFewBytes) {
  Start("https://m/f", {kRaw, std::nullopt, true});
  session_->OnBlobProgress(1, Receiving(5 * kMiB));
  MirrorGetProgress stream = Receiving(kSize);
  stream.takes_parts = false;
  session_->OnBlobProgress(1, stream);
  EXPECT_FALSE(observer_->content);
  session_->LowerLimit(kMiB);
  EXPECT_EQ(observer_->boundaries, std::vector<uint64_t>{UINT64_MAX});
  EXPECT_TRUE(gets_->lowered.empty());
}

TEST_F(MirrorSessionTest, TheEndIsWhereTheGetSaysThatItIs) {
  Start("https://m/f", {kRaw, std::nullopt, true});
  session_->OnBlobProgress(1, Receiving(kSize));
  session_->LowerLimit(kSize / 2 + 1);
  ASSERT_EQ(gets_->lowered.size(), 1u);
  EXPECT_EQ(gets_->lowered[0], std::pair(uint64_t{1}, kSize / 2 / kGroupSize + 1));
  EXPECT_TRUE(observer_->boundaries.empty());
  session_->OnBlobBoundary(1, 3000);
  EXPECT_EQ(observer_->boundaries.back(), 3000 * kGroupSize);
  session_->LowerLimit(2000 * kGroupSize);
  session_->OnBlobBoundary(1, RangeSet::kOpenEnd);
  EXPECT_EQ(observer_->boundaries.back(), UINT64_MAX) << "it ends where it did";
  End(1, Outcome::kDone, Receiving(kSize, 3000));
  EXPECT_EQ(observer_->progress.position, 3000 * kGroupSize);
}

TEST_F(MirrorSessionTest, AShareOfOneBlobAndAClaimThatIsWrong) {
  const auto layout = std::make_shared<const GetLayout>(LayoutOfBlob(kSize, true));
  Start("https://m/{hash}", {kRaw, GetShare{layout, {kSize / 2, kSize}}, true});
  const FakeGets::Get& get = gets_->gets.at(1);
  EXPECT_EQ(get.share.groups, (Range{kSize / 2 / kGroupSize, kSize / kGroupSize}));
  EXPECT_EQ(get.share.size, kSize);
  EXPECT_EQ(get.url, "https://m/" + kRaw.hash.ToHex());
  EXPECT_EQ(get.provider, "https://m/{hash}");
  session_->OnBlobProgress(1, Receiving(kSize, kSize / 2 / kGroupSize));
  EXPECT_FALSE(observer_->content) << "the line is known";
  GetEnd end{Outcome::kWrongContent, "does not match", {}};
  end.line_is_void = true;
  session_->OnBlobEnded(1, Receiving(kSize), end);
  EXPECT_TRUE(observer_->end->line_is_void);
  EXPECT_EQ(observer_->progress.position, kSize / 2);
}

// Of three children the first half of the second is somebody else's, and the third is cut off.
TEST_F(MirrorSessionTest, AShareOfASequence) {
  const TestBlob children[] = {TestBlob(kMiB, 1), TestBlob(8 * kMiB, 2), TestBlob(kMiB, 3)};
  Bytes list;
  for (const TestBlob& child : children)
    list.insert(list.end(), child.hash.bytes.begin(), child.hash.bytes.end());
  const TestBlob root(list);
  ASSERT_TRUE(store_.PutSmall(root.hash, root.content).ok());
  GetLayout layout;
  layout.length = 10 * kMiB;
  layout.begins = {0, kMiB, 9 * kMiB};
  layout.exact = {true, true, true};
  const GetShare share{std::make_shared<const GetLayout>(layout), {5 * kMiB, 10 * kMiB}};
  Start("https://m/{hash}", {{root.hash, BlobFormat::kHashSeq}, share, true});
  RunUntil([&] { return gets_->gets.size() == 2; });
  const FakeGets::Get& second = gets_->gets.at(1);
  EXPECT_EQ(second.hash, children[1].hash);
  EXPECT_EQ(second.share.groups, (Range{256, 512}));
  EXPECT_EQ(second.share.size, 8 * kMiB);
  EXPECT_EQ(gets_->gets.at(2).hash, children[2].hash);
  EXPECT_EQ(gets_->gets.at(2).share.groups, (Range{0, RangeSet::kOpenEnd}));

  session_->LowerLimit(7 * kMiB);
  ASSERT_EQ(gets_->lowered.size(), 1u);
  EXPECT_EQ(gets_->lowered[0], std::pair(uint64_t{1}, uint64_t{384}));
  session_->OnBlobBoundary(1, 400);
  EXPECT_EQ(observer_->boundaries, std::vector<uint64_t>{kMiB + 400 * kGroupSize});
  EXPECT_EQ(gets_->stopped, std::vector<uint64_t>{2});
  End(2, Outcome::kStopped);
  EXPECT_FALSE(observer_->end) << "the rest goes on";
  store_.Write(children[1], RangeSet(Range{256, 400}));
  MirrorGetProgress progress = Receiving(8 * kMiB, 400);
  progress.arrived = RangeSet(Range{256, 400});
  End(1, Outcome::kDone, progress);
  RunUntil([&] { return observer_->end.has_value(); });
  EXPECT_EQ(observer_->end->outcome, Outcome::kDone) << observer_->end->reason;
  EXPECT_EQ(observer_->progress.position, kMiB + 400 * kGroupSize);
  EXPECT_TRUE(observer_->arrived.ContainsAll({5 * kMiB, kMiB + 400 * kGroupSize}));
}

TEST_F(MirrorSessionTest, AListMayBeAsLongAsTheMostChildren) {
  const TestBlob root(Bytes(32, 7));
  Start("https://m/{hash}", {{root.hash, BlobFormat::kHashSeq}});
  RunUntil([&] { return gets_->gets.size() == 1; });
  EXPECT_EQ(gets_->gets.at(1).max_size, SizeLimits{}.max_children * 32);
  ASSERT_TRUE(store_.PutSmall(root.hash, root.content).ok());
  End(1, Outcome::kDone);
  RunUntil([&] { return gets_->gets.size() == 2; });
  EXPECT_EQ(gets_->gets.at(2).max_size, SizeLimits{}.max_blob_size) << "its child";
}

// The children of these have the same content but for the last byte of their hash.
class MirrorChildrenTest : public MirrorSessionTest {
 protected:
  ~MirrorChildrenTest() override {
    session_->Stop();
    while (store_.inbox().waiting() > 0) store_.inbox().RunOne();
  }
  // The list is here, and as many of its children are being got as may be.
  void StartList(uint64_t children = 40) {
    Bytes list;
    for (uint64_t i = 0; i < children; ++i) {
      Hash hash = small_.hash;
      if (i != kSmall)
        hash.bytes[0] = static_cast<uint8_t>(i + (i >= small_.hash.bytes[0] ? 1 : 0));
      list.insert(list.end(), hash.bytes.begin(), hash.bytes.end());
    }
    const TestBlob root(list);
    ASSERT_TRUE(store_.PutSmall(root.hash, root.content).ok());
    Start("https://m/{hash}", {{root.hash, BlobFormat::kHashSeq}});
    RunUntil([&] { return gets_->gets.size() == 32; });
  }
  void EndOfSize(uint64_t number, uint64_t size) {
    MirrorGetProgress progress;
    progress.total_bytes = progress.verified_bytes = size;
    End(number, Outcome::kDone, progress);
  }

  static constexpr uint64_t kSmall = 36;  // the place of the one that there is
  const TestBlob small_{4096, 1};
};

TEST_F(MirrorChildrenTest, AfterFourSmallOnesTheNextIsExpectedToBeSmall) {
  StartList();
  for (uint64_t number = 1; number <= 3; ++number) EndOfSize(number, kGroupSize);
  EXPECT_EQ(gets_->gets.size(), 35u);
  EXPECT_TRUE(gets_->small.empty());
  EndOfSize(4, kGroupSize + 1);
  EXPECT_TRUE(gets_->small.empty());
  for (uint64_t number = 5; number <= 7; ++number) EndOfSize(number, 0);
  EXPECT_TRUE(gets_->small.empty());
  EndOfSize(8, 1);
  EXPECT_EQ(gets_->gets.size(), 39u);
  RunUntil([&] { return !gets_->small.empty(); });
  EXPECT_EQ(gets_->small.size(), 1u);
}

TEST_F(MirrorChildrenTest, ASmallOneIsStoredAndOthersAreGotInTheOtherWay) {
  gets_->content = small_.content;
  StartList();
  for (uint64_t number = 1; number <= 8; ++number) EndOfSize(number, 100);
  RunUntil([&] { return gets_->small.size() == 5 && gets_->fetches.empty(); });
  // One of them is what its hash says.
  store_.ExpectComplete(small_);
  EXPECT_EQ(gets_->gets.size(), 39u);
  for (uint64_t number = 36; number <= 40; ++number) {
    const bool is_right = gets_->small.at(number).ends_with(small_.hash.ToHex());
    EXPECT_EQ(gets_->gets.contains(number), !is_right) << number;
    if (!is_right) {
      EXPECT_EQ(gets_->gets.at(number).url, gets_->small.at(number));
    }
  }
  session_->Stop();
  EXPECT_EQ(gets_->stopped.size(), 40u - 8 - 1);
}

TEST_F(MirrorChildrenTest, StoppedThoseOfThatKindEndToo) {
  gets_->content = small_.content;
  StartList();
  for (uint64_t number = 1; number <= 4; ++number) EndOfSize(number, 100);
  for (uint64_t number = 5; number <= 32; ++number) EndOfSize(number, 100);
  RunUntil([&] { return !gets_->fetches.empty(); });
  session_->Stop();
  for (const auto& [number, get] : gets_->gets) {
    if (number > 32) End(number, Outcome::kStopped);
  }
  RunUntil([&] { return observer_->end.has_value(); });
  EXPECT_EQ(observer_->end->outcome, Outcome::kStopped);
  EXPECT_TRUE(gets_->fetches.empty());
}

// They are over, and have not said so yet: nothing else is begun for them.
TEST_F(MirrorChildrenTest, StoppedWhenOneIsOverItBeginsNothing) {
  gets_->content = Bytes(4096, 3);  // fits none
  StartList();
  for (uint64_t number = 1; number <= 35; ++number) EndOfSize(number, 100);
  RunUntil([&] { return gets_->fetches.size() == 5; });
  const size_t before = gets_->gets.size();
  RunUntil([&] { return gets_->fetches.begin()->second->sent > 0; });
  session_->Stop();
  RunUntil([&] { return observer_->end.has_value(); });
  EXPECT_EQ(gets_->gets.size(), before);
  EXPECT_EQ(observer_->end->outcome, Outcome::kStopped);
}

TEST_F(MirrorChildrenTest, WhatOthersBroughtMeanwhileIsNotAskedFor) {
  StartList();
  ASSERT_TRUE(store_.PutSmall(small_.hash, small_.content).ok());
  for (uint64_t number = 1; number <= 8; ++number) EndOfSize(number, 100);
  RunUntil([&] { return gets_->small.size() == 4; });
  for (const auto& [number, url] : gets_->small) {
    EXPECT_FALSE(url.ends_with(small_.hash.ToHex()));
  }
}

// Each wrong guess costs the server a request, so it is made less and less often.
TEST_F(MirrorChildrenTest, WhoGuessedWrongWaitsForMoreSmallOnes) {
  gets_->content = Bytes(4096, 3);  // fits none
  StartList();
  for (uint64_t number = 1; number <= 4; ++number) EndOfSize(number, 100);
  RunUntil([&] { return gets_->gets.size() == 36; });
  EXPECT_EQ(gets_->small.size(), 1u);
  for (uint64_t number = 5; number <= 8; ++number) EndOfSize(number, 100);
  RunUntil([&] { return gets_->gets.size() == 40; });
  EXPECT_EQ(gets_->small.size(), 1u);
}

TEST_F(MirrorChildrenTest, GuessesInTheSameBeliefCountOnce) {
  gets_->content = Bytes(4096, 3);  // fits none
  StartList(60);
  for (uint64_t number = 1; number <= 12; ++number) EndOfSize(number, 100);
  RunUntil([&] { return gets_->fetches.size() == 9; });
  RunUntil([&] { return gets_->fetches.empty(); });
  ASSERT_EQ(gets_->small.size(), 9u);
  for (uint64_t number = 13; number <= 20; ++number) EndOfSize(number, 100);
  RunUntil([&] { return !gets_->fetches.empty(); });
}

TEST_F(MirrorSessionTest, StoppedItWaitsForItsGets) {
  Start("https://m/f", {kRaw});
  session_->Stop();
  EXPECT_EQ(gets_->stopped, std::vector<uint64_t>{1});
  EXPECT_FALSE(observer_->end);
  session_->LowerLimit(0);
  End(1, Outcome::kStopped);
  EXPECT_EQ(observer_->end->outcome, Outcome::kStopped);
  session_->LowerLimit(0);
  EXPECT_EQ(observer_->boundaries.size(), 1u) << "no answer after the end";
}

TEST_F(MirrorSessionTest, OneUrlIsNoSequence) {
  Start("https://m/f", {{{{1}}, BlobFormat::kHashSeq}});
  EXPECT_EQ(observer_->end->outcome, Outcome::kAbortRequest);
}

}  // namespace
}  // namespace blobd::transfer
