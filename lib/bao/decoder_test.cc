#include "bao/decoder.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bao/naive_for_test.h"

namespace blobd::bao {
namespace {

constexpr uint64_t kLimit = uint64_t{1} << 44;

Bytes Header(uint64_t size) {
  Bytes header;
  for (int i = 0; i < 8; ++i) header.push_back(static_cast<uint8_t>(size >> (8 * i)));
  return header;
}

TEST(DecoderTest, RandomSizesSelectionsAndPieces) {
  Rng rng(1);
  for (int run = 0; run < 250; ++run) {
    const NaiveBlob blob(RandomContent(static_cast<size_t>(RandomSize(rng)), rng.Next()));
    const wire::ChunkRanges wanted = RandomSelection(blob.chunk_count(), rng);
    SCOPED_TRACE(fmt::format("run {}, size {}, chunks {} last {}", run, blob.size(),
                             wanted.chunks().ToString(), wanted.last_chunk()));
    Bytes response = blob.Response(wanted);
    const size_t length = response.size();
    response.resize(length + 5);  // what follows belongs to the next blob
    Decoder decoder(blob.hash(), wanted, kLimit);
    TruthSink sink(blob);
    const size_t max_piece = rng.Chance(0.3) ? 100 : rng.Chance(0.5) ? 20'000 : 1'000'000;
    EXPECT_FALSE(decoder.started());
    EXPECT_EQ(FeedInPieces(decoder, response, max_piece, rng, sink), length);
    EXPECT_EQ(decoder.error(), DecodeError::kNone);
    ASSERT_TRUE(decoder.done());
    EXPECT_TRUE(decoder.started());
    EXPECT_EQ(decoder.claimed_size(), blob.size());
    EXPECT_EQ(sink.claimed(), blob.size());

    const std::vector<bool> selected = blob.Selected(wanted);
    EXPECT_EQ(decoder.size_proven(), selected.back());
    RangeSet bytes;
    for (uint64_t i = 0; i < selected.size(); ++i) {
      if (selected[i]) bytes.Insert({i * 1024, std::min(blob.size(), i * 1024 + 1024)});
    }
    EXPECT_EQ(sink.bytes(), bytes);
    if (wanted == wire::ChunkRanges::All()) {
      EXPECT_EQ(sink.pairs().size(), blob.outboard().size() / 64);
    }
    EXPECT_EQ(decoder.Feed(response, sink), 0u);
  }
}

TEST(DecoderTest, DataIsNotCopiedIfItLiesInOnePiece) {
  class Sink : public DecodeSink {
   public:
    void OnSize(uint64_t) override {}
    void OnLeaf(const Leaf& leaf) override { data = leaf.data; }
    ByteView data;
  };
  const NaiveBlob blob(RandomContent(5000, 2));
  const Bytes response = blob.Response(wire::ChunkRanges::All());
  Decoder decoder(blob.hash(), wire::ChunkRanges::All(), kLimit);
  Sink sink;
  decoder.Feed(ByteView(response).first(8), sink);
  decoder.Feed(ByteView(response).subspan(8), sink);
  EXPECT_EQ(sink.data.data(), response.data() + 8);
}

TEST(DecoderTest, EveryFlippedBitIsFound) {
  Rng rng(3);
  for (int run = 0; run < 60; ++run) {
    const NaiveBlob blob(RandomContent(static_cast<size_t>(rng.Below(60'000)), rng.Next()));
    const wire::ChunkRanges wanted = RandomSelection(blob.chunk_count(), rng);
    const Bytes response = blob.Response(wanted);
    SCOPED_TRACE(fmt::format("run {}, size {}, chunks {} last {}", run, blob.size(),
                             wanted.chunks().ToString(), wanted.last_chunk()));
    for (int flip = 0; flip < 100; ++flip) {
      const size_t bit = flip < 64 ? static_cast<size_t>(flip) : rng.Below(response.size() * 8);
      Bytes wrong = response;
      wrong[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
      Decoder decoder(blob.hash(), wanted, kLimit);
      TruthSink sink(blob);
      const size_t taken = FeedInPieces(decoder, wrong, 50'000, rng, sink);
      EXPECT_FALSE(decoder.size_proven() && decoder.claimed_size() != blob.size());
      if (!decoder.done() || taken < wrong.size()) continue;
      EXPECT_LT(bit, 64u) << "bit " << bit;
      EXPECT_FALSE(decoder.size_proven());
      EXPECT_FALSE(blob.Selected(wanted).back());
    }
  }
}

// The claimed size decides where pairs seem to stand; those given on must be at their true places
// nevertheless.
TEST(DecoderTest, PairsAreTrueUnderFalseSizes) {
  Rng rng(4);
  int unproven = 0;
  for (int run = 0; run < 3000; ++run) {
    static const NaiveBlob blob(RandomContent(300'000, 5));
    const wire::ChunkRanges wanted = RandomSelection(blob.chunk_count(), rng);
    Bytes response = blob.Response(wanted);
    const Bytes header =
        Header(rng.Chance(0.5) ? rng.Below(600'000) : blob.size() / 1024 * 1024 + rng.Below(5000));
    std::copy(header.begin(), header.end(), response.begin());
    Decoder decoder(blob.hash(), wanted, kLimit);
    TruthSink sink(blob);
    decoder.Feed(response, sink);
    if (decoder.size_proven()) {
      EXPECT_EQ(decoder.claimed_size(), blob.size());
    }
    if (decoder.done() && !decoder.size_proven()) ++unproven;
  }
  EXPECT_GT(unproven, 0);
}

TEST(DecoderTest, ErrorsSayWhatWasWrong) {
  const NaiveBlob blob(RandomContent(40'000, 6));
  const NaiveBlob small(RandomContent(3, 6));
  const NaiveBlob empty{Bytes()};
  const Bytes good = blob.Response(wire::ChunkRanges::All());
  const auto with_header = [](uint64_t size, Bytes response) {
    const Bytes header = Header(size);
    std::copy(header.begin(), header.end(), response.begin());
    return response;
  };
  Bytes wrong_pair = good;
  wrong_pair[8 + 63] ^= 1;
  Bytes wrong_leaf = good;
  wrong_leaf[8 + 2 * 64 + 16384 + 5] ^= 1;
  struct Case {
    std::string name;
    const NaiveBlob& blob;
    Bytes response;
    DecodeError error;
    size_t taken;
  };
  const std::vector<Case> cases = {
      {"pair", blob, wrong_pair, DecodeError::kWrongPair, 72},
      {"second leaf", blob, wrong_leaf, DecodeError::kWrongLeaf, 8 + 2 * 64 + 2 * 16384},
      {"absurd size", blob, with_header(uint64_t{1} << 43, good), DecodeError::kWrongPair, 200},
      {"above the limit", blob, with_header(kLimit + 1, good), DecodeError::kWrongSize, 8},
      {"largest size", blob, with_header(~uint64_t{0}, good), DecodeError::kWrongSize, 8},
      {"zero for what is not empty", blob, with_header(0, good), DecodeError::kWrongSize, 8},
      {"not zero for what is empty", empty, with_header(1, good), DecodeError::kWrongSize, 8},
      {"shorter", small, with_header(2, small.Response(wire::ChunkRanges::All())),
       DecodeError::kWrongLeaf, 10},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Decoder decoder(c.blob.hash(), wire::ChunkRanges::All(), kLimit);
    TruthSink sink(c.blob);
    EXPECT_EQ(decoder.Feed(c.response, sink), c.taken);
    EXPECT_EQ(decoder.error(), c.error);
    EXPECT_FALSE(decoder.done());
    EXPECT_FALSE(decoder.size_proven());
    EXPECT_EQ(decoder.Feed(c.response, sink), 0u);
    EXPECT_EQ(sink.claimed().has_value(), c.error != DecodeError::kWrongSize);
    EXPECT_TRUE(decoder.claimed_size().has_value());
  }
}

TEST(DecoderTest, NoLimitOfItsOwnBeyondTheTrees) {
  const NaiveBlob blob(RandomContent(40'000, 7));
  for (uint64_t size : {uint64_t{1} << 63, (uint64_t{1} << 63) + 1, ~uint64_t{0}}) {
    Decoder decoder(blob.hash(), wire::ChunkRanges::LastChunk(), ~uint64_t{0});
    TruthSink sink(blob);
    Bytes response = Header(size);
    response.resize(200);
    decoder.Feed(response, sink);
    EXPECT_EQ(decoder.error(),
              size > kMaxBlobSize ? DecodeError::kWrongSize : DecodeError::kWrongPair);
  }
}

TEST(DecoderTest, EmptyBlobIsABareHeader) {
  const NaiveBlob blob{Bytes()};
  for (const wire::ChunkRanges& wanted :
       {wire::ChunkRanges::All(), wire::ChunkRanges::LastChunk()}) {
    Decoder decoder(blob.hash(), wanted, kLimit);
    TruthSink sink(blob);
    EXPECT_EQ(decoder.Feed(Bytes(9), sink), 8u);
    EXPECT_TRUE(decoder.done());
    EXPECT_TRUE(decoder.size_proven());
    EXPECT_EQ(sink.leaves(), 1u);
  }
}

TEST(DecoderTest, NothingWantedIsDoneAtOnce) {
  const NaiveBlob blob(RandomContent(100, 8));
  Decoder decoder(blob.hash(), {}, kLimit);
  TruthSink sink(blob);
  EXPECT_TRUE(decoder.done());
  EXPECT_EQ(decoder.Feed(blob.Response(wire::ChunkRanges::All()), sink), 0u);
  EXPECT_FALSE(decoder.started());
}

TEST(DecoderTest, AnAnswerCutShortIsNotDone) {
  const NaiveBlob blob(RandomContent(20'000, 9));
  const Bytes response = blob.Response(wire::ChunkRanges::All());
  for (size_t length :
       {size_t{0}, size_t{7}, size_t{8}, size_t{71}, size_t{72}, response.size() - 1}) {
    Decoder decoder(blob.hash(), wire::ChunkRanges::All(), kLimit);
    TruthSink sink(blob);
    EXPECT_EQ(decoder.Feed(ByteView(response).first(length), sink), length);
    EXPECT_FALSE(decoder.done());
    EXPECT_FALSE(decoder.size_proven());
    EXPECT_EQ(decoder.error(), DecodeError::kNone);
    EXPECT_EQ(decoder.started(), length > 0);
    EXPECT_EQ(decoder.claimed_size().has_value(), length >= 8);
  }
}

}  // namespace
}  // namespace blobd::bao
