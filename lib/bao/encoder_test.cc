#include "bao/encoder.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "bao/naive_for_test.h"

namespace blobd::bao {
namespace {

// All that comes out, and how it ended.
struct Answer {
  Bytes bytes;
  Status status;
};

Answer EncodeAll(Encoder& encoder, size_t max_piece, Rng& rng) {
  Answer answer;
  while (true) {
    Bytes out(1 + rng.Below(max_piece));
    const StatusOr<size_t> filled = encoder.Fill(out);
    if (!filled.ok()) {
      answer.status = filled.status();
      EXPECT_EQ(encoder.Fill(out).status(), filled.status());
      return answer;
    }
    answer.bytes.insert(answer.bytes.end(), out.begin(),
                        out.begin() + static_cast<ptrdiff_t>(*filled));
    if (*filled == 0) {
      EXPECT_TRUE(encoder.done());
      return answer;
    }
  }
}

TEST(EncoderTest, RandomSizesSelectionsAndPieces) {
  Rng rng(1);
  for (int run = 0; run < 250; ++run) {
    const NaiveBlob blob(RandomContent(static_cast<size_t>(RandomSize(rng)), rng.Next()));
    const wire::ChunkRanges wanted = RandomSelection(blob.chunk_count(), rng);
    SCOPED_TRACE(fmt::format("run {}, size {}, chunks {} last {}", run, blob.size(),
                             wanted.chunks().ToString(), wanted.last_chunk()));
    NaiveSource source(blob);
    Encoder encoder(blob.hash(), blob.size(), wanted, source);
    const Answer answer = EncodeAll(encoder, rng.Chance(0.3) ? 100 : 100'000, rng);
    EXPECT_TRUE(answer.status.ok());
    EXPECT_EQ(answer.bytes, blob.Response(wanted));
  }
}

TEST(EncoderTest, EmptySelectionHasAnEmptyAnswer) {
  const NaiveBlob blob(RandomContent(100, 2));
  NaiveSource source(blob);
  Encoder encoder(blob.hash(), blob.size(), {}, source);
  EXPECT_TRUE(encoder.done());
  Bytes out(10);
  EXPECT_EQ(*encoder.Fill(out), 0u);
}

TEST(EncoderTest, StopsAtWhatIsNotHeld) {
  const NaiveBlob blob(RandomContent(10 * 16384 + 7, 3));
  Rng rng(4);
  for (int run = 0; run < 200; ++run) {
    RangeSet held(Range{rng.Below(11), 11});
    held.Remove({rng.Below(11), rng.Below(12)});
    const wire::ChunkRanges wanted = RandomSelection(blob.chunk_count(), rng);
    SCOPED_TRACE(fmt::format("run {}, held {}, wanted {}", run, held.ToString(),
                             wanted.chunks().ToString()));
    const Bytes whole = blob.Response(wanted);
    NaiveSource source(blob, held);
    Encoder encoder(blob.hash(), blob.size(), wanted, source);
    const Answer answer = EncodeAll(encoder, 30'000, rng);
    ASSERT_GE(answer.bytes.size(), 8u);
    EXPECT_EQ(answer.bytes,
              Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(answer.bytes.size())));

    bool all_held = true;
    const std::vector<bool> selected = blob.Selected(wanted);
    for (uint64_t i = 0; i < selected.size(); ++i)
      all_held &= !selected[i] || held.Contains(i / 16);
    EXPECT_EQ(answer.status.code(), all_held ? StatusCode::kOk : StatusCode::kNotFound);
    EXPECT_EQ(answer.bytes.size() == whole.size(), all_held);
    EXPECT_EQ(encoder.done(), all_held);
  }
}

// Whatever byte of data or outboard is damaged: no wrong byte comes out, and it is named kDataLoss.
TEST(EncoderTest, StopsAtDamage) {
  const NaiveBlob blob(RandomContent(5 * 16384 + 3000, 5));
  Rng rng(6);
  int found = 0;
  for (int run = 0; run < 300; ++run) {
    const wire::ChunkRanges wanted = RandomSelection(blob.chunk_count(), rng);
    const Bytes whole = blob.Response(wanted);
    NaiveSource source(blob);
    Bytes& damaged = rng.Chance(0.3) ? source.outboard : source.data;
    damaged[rng.Below(damaged.size())] ^= static_cast<uint8_t>(1 + rng.Below(255));
    Encoder encoder(blob.hash(), blob.size(), wanted, source);
    const Answer answer = EncodeAll(encoder, 30'000, rng);
    EXPECT_EQ(answer.bytes,
              Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(answer.bytes.size())));
    if (!answer.status.ok()) {
      EXPECT_EQ(answer.status.code(), StatusCode::kDataLoss);
      EXPECT_FALSE(encoder.done());
      ++found;
    } else {
      EXPECT_EQ(answer.bytes.size(), whole.size());
    }
  }
  EXPECT_GT(found, 50);
}

TEST(EncoderTest, AWrongSizeIsDamage) {
  const NaiveBlob blob(RandomContent(20'000, 7));
  const NaiveBlob empty{Bytes()};
  Rng rng(8);
  NaiveSource source(blob);
  Encoder shorter(blob.hash(), 19'000, wire::ChunkRanges::All(), source);
  EXPECT_EQ(EncodeAll(shorter, 1000, rng).status.code(), StatusCode::kDataLoss);
  Encoder zero(blob.hash(), 0, wire::ChunkRanges::All(), source);
  EXPECT_EQ(EncodeAll(zero, 1000, rng).status.code(), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace blobd::bao
