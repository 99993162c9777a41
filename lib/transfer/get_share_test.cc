// Shares of a request: what is told of its line, limits that are lowered while a transfer runs, two
// transfers that write one blob, and providers that hold only a part.
#include "transfer/get_session_for_test.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;

constexpr size_t kMiB = 1 << 20;

// What requests asked for by number of a blob of so many groups.
RangeSet GroupsAsked(const std::vector<wire::GetRequest>& requests, uint64_t groups) {
  RangeSet asked;
  for (const wire::GetRequest& get : requests) {
    const RangeSet chunks = get.ranges.At(0).chunks().Intersection({0, groups * 16});
    for (const Range& range : chunks.ranges()) asked.Insert({range.begin / 16, range.end / 16});
  }
  return asked;
}

class GetShareTest : public GetSessionTest {
 protected:
  static GetShare RawShare(uint64_t size, Range range) {
    Inventory inventory;
    inventory.root.size = size;
    inventory.root.size_proven = true;
    return {std::make_shared<const GetLayout>(*LayoutOf(inventory, {})), range};
  }
  static GetOrder Shared(const Kind& kind) { return {kind, std::nullopt, true}; }
};

TEST_F(GetShareTest, TheLineIsToldAsSoonAsTheSizeIsProven) {
  const size_t size = 20 * kMiB + 7;
  const Hash hash = provider_->Add(RandomBytes(size, 1));
  const auto [progress, end] = GetOrdered(Shared({hash, BlobFormat::kRaw}));
  EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
  ASSERT_TRUE(observer_->content);
  EXPECT_EQ(observer_->content->layout->length, size);
  EXPECT_EQ(observer_->content->total_bytes, size);
  // Others need not wait for more than the first request, which is small.
  EXPECT_EQ(provider_->AskedOfRoot()[0], "0..256 last");
  const RangeSet& missing = observer_->content->missing;
  EXPECT_FALSE(missing.Intersects({0, 256 * 1024}));
  RangeSet untold = missing;
  untold.RemoveAll(observer_->arrived);
  EXPECT_TRUE(untold.empty()) << untold.ToString();
  EXPECT_EQ(progress.position, missing.ranges().back().end);
  EXPECT_EQ(progress.total_bytes, size);
  ExpectComplete(hash);
}

TEST_F(GetShareTest, OnlyTheShareIsAskedFor) {
  const size_t size = 20 * kMiB + 7;
  const Hash hash = provider_->Add(RandomBytes(size, 1));
  const GetShare share = RawShare(size, {5 * kMiB, 12 * kMiB});
  const auto [progress, end] = GetOrdered({{hash, BlobFormat::kRaw}, share});
  EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
  EXPECT_FALSE(observer_->content);
  EXPECT_EQ(GroupsAsked(provider_->requests, 1281), RangeSet({320, 768}));
  EXPECT_EQ(observer_->arrived, RangeSet(share.range));
  EXPECT_EQ(progress.verified_bytes, 7 * kMiB);
  EXPECT_EQ(progress.total_bytes, 7 * kMiB);
  EXPECT_EQ(Lookup(hash).groups, RangeSet({320, 768}));
  // What is held is not asked for again, and what is beyond it ends the blob.
  EXPECT_EQ(GetOrdered({{hash, BlobFormat::kRaw}, RawShare(size, {0, size})}).second.outcome,
            Outcome::kDone);
  EXPECT_EQ(observer_->arrived, RangeSet({0, size}));
  uint64_t asked = 0;
  for (const wire::GetRequest& get : provider_->requests)
    asked += get.ranges.At(0).chunks().Intersection({0, 1281 * 16}).Count();
  EXPECT_EQ(asked, 1281 * 16u);
  ExpectComplete(hash);
}

TEST_F(GetShareTest, ALimitThatIsLoweredEndsTheTransferThere) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    NewProvider();
    provider_->order = Rng(seed);
    const size_t size = 16 * kMiB + seed;
    const Hash hash = provider_->Add(RandomBytes(size, 100 + seed));
    const Kind kind{hash, BlobFormat::kRaw};
    Rng draw(seed);
    const uint64_t when = draw.Below(8 * kMiB);
    const uint64_t wish = 1 + draw.Below(size - 1);
    bool asked = false;
    provider_->after_piece = [&] {
      if (asked || !observer_->content || provider_->delivered < when) return;
      asked = true;
      provider_->session.lock()->LowerLimit(wish);
    };
    const auto [progress, end] = GetOrdered(Shared(kind));
    EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
    ASSERT_EQ(observer_->boundaries.size(), 1u);
    const uint64_t boundary = observer_->boundaries[0];
    EXPECT_GE(boundary, std::min<uint64_t>(wish, size));
    EXPECT_EQ(progress.position, std::min<uint64_t>(boundary, size));
    RangeSet held = observer_->content->missing.Missing({0, size});
    held.InsertAll(observer_->arrived);
    EXPECT_TRUE(held.ContainsAll({0, std::min<uint64_t>(boundary, size)})) << held.ToString();
    // Whoever takes over begins there, and asks for nothing that is held.
    const RangeSet before = Lookup(hash).groups;
    provider_->requests.clear();
    provider_->after_piece = nullptr;
    if (boundary < size) {
      EXPECT_EQ(
          GetOrdered({kind, GetShare{observer_->content->layout, {boundary, size}}}).second.outcome,
          Outcome::kDone);
    }
    EXPECT_TRUE(GroupsAsked(provider_->requests, 1025).Intersection(before).empty());
    ExpectComplete(hash);
  }
}

TEST_F(GetShareTest, ALimitThatCannotBeLoweredIsAnsweredAsSuch) {
  const size_t size = 9 * kMiB;
  const Hash hash = provider_->Add(RandomBytes(size, 1));
  // The line is not known yet; then, it is past its end.
  const auto lower = [](GetSession& session) { session.LowerLimit(kMiB); };
  EXPECT_EQ(GetOrdered(Shared({hash, BlobFormat::kRaw}), lower).second.outcome, Outcome::kDone);
  EXPECT_EQ(observer_->boundaries, std::vector<uint64_t>{UINT64_MAX});
  ExpectComplete(hash);
}

// Two transfers on threads of their own write one blob at the same time, in shares that lie between
// each other; the store makes one blob of it.
TEST_F(GetShareTest, TwoTransfersWriteOneBlobAtOnce) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    const size_t size = 24 * kMiB + 100 * seed;
    const Bytes content = RandomBytes(size, 200 + seed);
    const uint64_t cut = 16384 * (300 + 100 * seed);
    const GetShare whole = RawShare(size, {0, size});
    struct Half {
      std::shared_ptr<Executor> strand;
      std::shared_ptr<Provider> provider;
      std::shared_ptr<Observer> observer = std::make_shared<Observer>();
      std::shared_ptr<GetSession> session;
    };
    std::vector<Half> halves(2);
    Hash hash;
    // The second race for the last group of the first, too.
    const std::array<Range, 2> ranges = {Range{0, cut}, Range{cut - 16384, size}};
    for (size_t i = 0; i < 2; ++i) {
      Half& half = halves[i];
      half.strand = pool_->MakeStrand();
      half.provider = std::make_shared<Provider>(half.strand);
      half.provider->order = Rng(seed + 10 * i);
      hash = half.provider->Add(content);
      half.session = std::make_shared<GetSession>(
          GetSession::Deps{*store_, half.strand, half.provider, half.observer, SystemClock()},
          TransferId{++next_id_},
          GetOrder{{hash, BlobFormat::kRaw}, GetShare{whole.layout, ranges[i]}}, options_);
      half.provider->session = half.session;
    }
    for (Half& half : halves) half.strand->Post([session = half.session] { session->Start(); });
    for (Half& half : halves) EXPECT_EQ(half.observer->Wait().second.outcome, Outcome::kDone);
    EXPECT_EQ(Lookup(hash).state, store::BlobState::kComplete);
    EXPECT_TRUE(ReadBack(hash) == content);
    // They end on their strands, with all they hold of the store.
    for (Half& half : halves) {
      std::promise<void> drained;
      half.strand->Post([&] { drained.set_value(); });
      drained.get_future().wait();
    }
  }
}

TEST_F(GetShareTest, OfASequenceTheSizesAreAskedForAndChildrenAreShared) {
  std::vector<Hash> children;
  uint64_t total = 0;
  for (uint64_t i = 0; i < 60; ++i) {
    const size_t size = i == 30 ? 12 * kMiB : 1 + i * 700;
    total += size;
    children.push_back(provider_->Add(RandomBytes(size, 1000 + i)));
  }
  children.push_back(provider_->Add({}));
  children.push_back(children[5]);  // once is enough
  const Hash root = AddHashSeq(children);
  const Kind kind{root, BlobFormat::kHashSeq};
  // The first transfer gives everything from the middle of the large child on away.
  provider_->after_piece = [&, asked = false]() mutable {
    if (asked || !observer_->content) return;
    asked = true;
    const GetLayout& layout = *observer_->content->layout;
    provider_->session.lock()->LowerLimit(layout.begins[30] + 5 * kMiB);
  };
  EXPECT_EQ(GetOrdered(Shared(kind)).second.outcome, Outcome::kDone);
  provider_->after_piece = nullptr;
  ASSERT_TRUE(observer_->content);
  const GetContent content = *observer_->content;
  EXPECT_EQ(content.layout->blobs(), 61u);
  EXPECT_EQ(content.total_bytes, total + 32 * children.size());
  ASSERT_EQ(observer_->boundaries.size(), 1u);
  const uint64_t boundary = observer_->boundaries[0];
  EXPECT_EQ(boundary, content.layout->begins[30] + 5 * kMiB);
  EXPECT_EQ(Lookup(children[30]).state, store::BlobState::kPartial);
  EXPECT_EQ(Lookup(children[59]).state, store::BlobState::kAbsent);
  provider_->requests.clear();
  EXPECT_EQ(GetOrdered({kind, GetShare{content.layout, {boundary, content.layout->length}}})
                .second.outcome,
            Outcome::kDone);
  for (const wire::GetRequest& get : provider_->requests) {
    for (uint64_t i = 0; i <= 30; ++i) EXPECT_TRUE(get.ranges.At(i).empty());
  }
  for (const Hash& child : children) ExpectComplete(child);
}

TEST_F(GetShareTest, WhoHoldsAPartSaysWhichAndGivesIt) {
  const size_t size = 32 * kMiB;
  const Hash hash = provider_->Add(RandomBytes(size, 1));
  provider_->At(hash).held = RangeSet({1024, 1536});  // 16 to 24 MiB
  provider_->knows_observe = true;
  const auto [progress, end] = GetOrdered({{hash, BlobFormat::kRaw}, RawShare(size, {0, size})});
  EXPECT_EQ(end.outcome, Outcome::kNotHere);
  EXPECT_EQ(provider_->observed, 1u);
  EXPECT_EQ(Lookup(hash).groups, RangeSet({1024, 1536}));
  EXPECT_EQ(end.holds, RangeSet({16 * kMiB, 24 * kMiB}));
  EXPECT_EQ(end.lacks, RangeSet({16 * kMiB, 24 * kMiB}).Missing({0, size}));
  // All of it is not asked for piece by piece.
  EXPECT_LE(provider_->requests.size(), 8u);
}

TEST_F(GetShareTest, WhoseConnectionIsReplacedMeanwhileIsAskedAgain) {
  const size_t size = 32 * kMiB;
  const Hash hash = provider_->Add(RandomBytes(size, 1));
  provider_->At(hash).held = RangeSet({1024, 1536});
  provider_->knows_observe = true;
  provider_->observed_in_vain = 2;
  const auto [progress, end] = GetOrdered({{hash, BlobFormat::kRaw}, RawShare(size, {0, size})});
  EXPECT_EQ(end.outcome, Outcome::kNotHere);
  EXPECT_EQ(provider_->observed, 3u);
  EXPECT_EQ(end.holds, RangeSet({16 * kMiB, 24 * kMiB}));
  EXPECT_EQ(Lookup(hash).groups, RangeSet({1024, 1536}));
  EXPECT_LE(provider_->requests.size(), 8u);
}

TEST_F(GetShareTest, WhoCannotSayItIsFoundOutByAsking) {
  const size_t size = 32 * kMiB;
  const Hash hash = provider_->Add(RandomBytes(size, 1));
  provider_->At(hash).held = RangeSet({0, 100});
  const auto [progress, end] = GetOrdered({{hash, BlobFormat::kRaw}, RawShare(size, {0, size})});
  EXPECT_EQ(end.outcome, Outcome::kNotHere);
  EXPECT_TRUE(end.holds.empty());
  EXPECT_FALSE(end.lacks.Intersects({0, 16384 * 80}));
  EXPECT_TRUE(end.lacks.ContainsAll({16384 * 100, size})) << end.lacks.ToString();
}

// The first request would never reach the last chunk.
TEST_F(GetShareTest, WhoLacksTheBeginningStillProvesTheSize) {
  const size_t size = 32 * kMiB;
  const Hash hash = provider_->Add(RandomBytes(size, 1));
  provider_->At(hash).held = RangeSet({1024, 2048});
  provider_->knows_observe = true;
  const auto [progress, end] = GetOrdered(Shared({hash, BlobFormat::kRaw}));
  EXPECT_EQ(end.outcome, Outcome::kNotHere);
  ASSERT_TRUE(observer_->content);
  EXPECT_EQ(observer_->content->layout->length, size);
  EXPECT_EQ(Lookup(hash).groups, RangeSet({1024, 2048}));
  EXPECT_EQ(end.holds, RangeSet({16 * kMiB, 32 * kMiB}));
}

TEST_F(GetShareTest, AChildThatIsMissingIsToldAsARange) {
  std::vector<Hash> children;
  for (uint64_t i = 0; i < 40; ++i) children.push_back(provider_->Add(RandomBytes(1000 + i, i)));
  const Kind kind{AddHashSeq(children), BlobFormat::kHashSeq};
  provider_->Forget(children[20]);
  const auto [progress, end] = GetOrdered(Shared(kind));
  EXPECT_EQ(end.outcome, Outcome::kNotHere);
  ASSERT_TRUE(observer_->content);
  EXPECT_EQ(end.lacks, RangeSet(observer_->content->layout->RangeOf(20)));
}

}  // namespace
}  // namespace blobd::transfer
