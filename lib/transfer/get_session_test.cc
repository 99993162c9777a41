// One stream at a time: what is asked for, verified and kept. Several streams are in
// get_lanes_test.cc, bad ends in get_end_test.cc.
#include "transfer/get_session_for_test.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;

TEST_F(GetSessionTest, BlobsOfAllSizes) {
  for (const size_t size :
       {0u, 1u, 1023u, 1024u, 1025u, 16383u, 16384u, 16385u, 65537u, 1048583u}) {
    SCOPED_TRACE(size);
    const Bytes content = RandomBytes(size, size);
    const Hash hash = provider_->Add(content);
    const auto [progress, end] = Get({hash, BlobFormat::kRaw});
    EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
    EXPECT_EQ(progress.verified_bytes, size);
    EXPECT_EQ(progress.total_bytes, size);
    EXPECT_EQ(ReadBack(hash), content);
  }
  EXPECT_EQ(provider_->requests.size(), 10u);
}

TEST_F(GetSessionTest, WhatIsHereIsNotAskedFor) {
  const Hash hash = provider_->Add(RandomBytes(100'000, 1));
  EXPECT_EQ(Get({hash, BlobFormat::kRaw}).second.outcome, Outcome::kDone);
  EXPECT_EQ(Get({hash, BlobFormat::kRaw}).second.outcome, Outcome::kDone);
  EXPECT_EQ(provider_->requests.size(), 1u);
}

TEST_F(GetSessionTest, HashSequenceWithRepeatedAndHeldChildren) {
  const Hash small = provider_->Add(RandomBytes(100, 1));
  const Hash large = provider_->Add(RandomBytes(300'000, 2));
  const Hash held = provider_->Add(RandomBytes(40'000, 3));
  const Hash empty = provider_->Add({});
  ASSERT_EQ(Get({held, BlobFormat::kRaw}).second.outcome, Outcome::kDone);
  const Hash root = AddHashSeq({small, large, held, small, empty, large});
  provider_->requests.clear();
  const auto [progress, end] = Get({root, BlobFormat::kHashSeq});
  EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
  EXPECT_EQ(progress.total_bytes, 6 * 32 + 100 + 300'000 + 40'000);
  EXPECT_EQ(progress.total_blobs, 5u);
  EXPECT_EQ(progress.complete_blobs, 5u);
  for (const Hash& hash : {small, large, held, empty, root})
    EXPECT_EQ(Lookup(hash).state, store::BlobState::kComplete);
  ASSERT_EQ(provider_->requests.size(), 2u);
  const wire::RangeSpecSeq& asked = provider_->requests[1].ranges;
  EXPECT_TRUE(asked.At(0).empty());
  EXPECT_EQ(asked.At(1).ToString(), "0..8192 last");
  EXPECT_EQ(asked.At(2).ToString(), "0..8192 last");
  EXPECT_TRUE(asked.At(3).empty());
  EXPECT_TRUE(asked.At(4).empty());
  EXPECT_EQ(asked.At(5).ToString(), "0..8192 last");
  EXPECT_TRUE(asked.NothingSelectedAfter(5));
}

TEST_F(GetSessionTest, ResumesWhereTheStreamBroke) {
  const Bytes content = RandomBytes(1'000'000, 1);
  const Hash hash = provider_->Add(content);
  provider_->tamper = [](Answer& answer) {
    answer.bytes.resize(answer.bytes.size() / 2);
    answer.end = StreamEnd{StreamEnd::Kind::kLost, 0, "cable cut"};
  };
  const auto [half, broken] = Get({hash, BlobFormat::kRaw});
  EXPECT_EQ(broken.outcome, Outcome::kRetryLater);
  EXPECT_EQ(broken.reason, "cable cut");
  EXPECT_GT(half.verified_bytes, 450'000u);
  EXPECT_FALSE(half.total_bytes);
  EXPECT_EQ(half.claimed_bytes, 1'000'000u);
  EXPECT_EQ(Lookup(hash).verified_bytes, half.verified_bytes);
  EXPECT_EQ(ReadBack(hash), std::nullopt);

  provider_->tamper = nullptr;
  const auto [rest, done] = Get({hash, BlobFormat::kRaw});
  EXPECT_EQ(done.outcome, Outcome::kDone) << done.reason;
  EXPECT_EQ(rest.verified_bytes + half.verified_bytes, 1'000'000u);
  const uint64_t first_missing = half.verified_bytes / 1024;
  EXPECT_EQ(provider_->requests.back().ranges.At(0).ToString(),
            fmt::format("{}..992 last", first_missing));
  EXPECT_EQ(ReadBack(hash), content);
}

TEST_F(GetSessionTest, AMissingChildIsNamedAndTheRestIsKept) {
  const Hash here = provider_->Add(RandomBytes(70'000, 1));
  const Hash missing = provider_->Add(RandomBytes(70'000, 2));
  const Hash root = AddHashSeq({here, missing});
  provider_->Forget(missing);
  const auto [progress, end] = Get({root, BlobFormat::kHashSeq});
  EXPECT_EQ(end.outcome, Outcome::kNotHere);
  EXPECT_NE(end.reason.find("lacks child " + missing.Short()), std::string::npos) << end.reason;
  EXPECT_EQ(Lookup(here).state, store::BlobState::kComplete);
}

}  // namespace
}  // namespace blobd::transfer
