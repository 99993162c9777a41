#include "wire/range_spec.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "base/hex.h"
#include "base/rng.h"
#include "wire/vectors_for_test.h"

namespace blobd::wire {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

std::string HexOf(const ChunkRanges& ranges) {
  Writer writer;
  WriteRangeSpec(ranges, writer);
  return ToHex(writer.bytes());
}

std::string HexOf(const RangeSpecSeq& seq) {
  Writer writer;
  WriteRangeSpecSeq(seq, writer);
  return ToHex(writer.bytes());
}

StatusOr<ChunkRanges> SpecOf(const std::string& hex) {
  const Bytes bytes = vectors::FromHexOrThrow(hex);
  Reader reader(bytes);
  auto ranges = ReadRangeSpec(reader);
  EXPECT_TRUE(!ranges.ok() || reader.remaining() == 0);
  return ranges;
}

StatusOr<RangeSpecSeq> SeqOf(const std::string& hex) {
  const Bytes bytes = vectors::FromHexOrThrow(hex);
  Reader reader(bytes);
  auto seq = ReadRangeSpecSeq(reader);
  EXPECT_TRUE(!seq.ok() || reader.remaining() == 0);
  return seq;
}

TEST(RangeSpec, VectorsBothWays) {
  const auto index = vectors::LoadIndex();
  ASSERT_GE(index["range_spec_encodings"].size(), 12u);
  for (const auto& each : index["range_spec_encodings"]) {
    const std::string hex = each["hex"];
    SCOPED_TRACE(hex);
    const ChunkRanges ranges = vectors::RangesOf(each["ranges"]);
    EXPECT_EQ(HexOf(ranges), hex);
    const auto decoded = SpecOf(hex);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, ranges);
    EXPECT_EQ(HexOf(*decoded), hex);
  }
}

TEST(RangeSpec, SequenceVectorsBothWays) {
  const auto index = vectors::LoadIndex();
  ASSERT_GE(index["range_spec_seq_encodings"].size(), 11u);
  for (const auto& each : index["range_spec_seq_encodings"]) {
    const std::string hex = each["hex"];
    SCOPED_TRACE(hex);
    RangeSpecSeq seq;
    if (each["ranges_per_blob"].is_string()) {
      ASSERT_EQ(each["ranges_per_blob"], "300 times nothing, then [[0,null]]");
      std::vector<ChunkRanges> blobs(300);
      blobs.push_back(ChunkRanges::All());
      seq = RangeSpecSeq::OfBlobs(blobs, each["last_repeats"]);
    } else {
      seq = vectors::RangeSpecSeqOf(each["ranges_per_blob"], each["last_repeats"]);
    }
    EXPECT_EQ(HexOf(seq), hex);
    const auto decoded = SeqOf(hex);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, seq);
  }
}

TEST(RangeSpec, LenientSpecs) {
  struct Case {
    std::string hex;
    std::string ranges;  // as ToString writes them
    std::string canonical;
  };
  const std::vector<Case> cases = {
      {"0400100010", "0..32", "020020"},  // touching ranges
      {"020500", "nothing", "00"},        // an empty range
      {"0405000001", "5..6", "020501"},
      {"03000100", "0..", "0100"},  // 0..1 and 1..
      {"8200"
       "0040",
       "0..64", "020040"},
      // A range that ends at 2^64-1 is one without end; an empty one there is nothing.
      {"0200ffffffffffffffffff01", "0..", "0100"},
      {"02ffffffffffffffffff0100", "nothing", "00"},
      {"03feffffffffffffffff010100", "18446744073709551614..", "01feffffffffffffffff01"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.hex);
    const auto decoded = SpecOf(c.hex);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(decoded->ToString(), c.ranges);
    EXPECT_EQ(HexOf(*decoded), c.canonical);
  }
}

TEST(RangeSpec, BadSpecs) {
  struct Case {
    std::string hex;
    StatusCode code;
  };
  const std::vector<Case> cases = {
      {"", StatusCode::kOutOfRange},
      {"01", StatusCode::kOutOfRange},
      {"0200", StatusCode::kOutOfRange},
      {"ffffffffffffffffff01", StatusCode::kOutOfRange},
      {"0201ffffffffffffffffff01", StatusCode::kInvalidArgument},  // the sum overflows
      {"0300ffffffffffffffffff0101", StatusCode::kInvalidArgument},
      {"01ffffffffffffffffff02", StatusCode::kInvalidArgument}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.hex);
    EXPECT_EQ(SpecOf(c.hex).status().code(), c.code);
  }
}

TEST(RangeSpec, LenientSequences) {
  struct Case {
    std::string hex;
    std::string canonical;
  };
  const std::vector<Case> cases = {{"010000", "00"},  // one element that selects nothing
                                   {"020000020100", "01020100"},  // leading empty run
                                   {"03000100"
                                    "030100"
                                    "0200",
                                    "020001000500"},  // equal neighbours: 0..5 all
                                   {"02000100"
                                    "000201"
                                    "02",
                                    "0100020102"},  // a run of no blobs
                                   {"03000100"
                                    "0102"
                                    "0001"
                                    "000100",
                                    "01000100"},  // a run of no blobs between equals
                                   {"02000100"
                                    "0100",
                                    "020001000100"}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.hex);
    const auto decoded = SeqOf(c.hex);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(HexOf(*decoded), c.canonical);
    EXPECT_EQ(SeqOf(c.canonical).value(), *decoded);
  }
}

TEST(RangeSpec, BadSequences) {
  struct Case {
    std::string hex;
    StatusCode code;
  };
  const std::vector<Case> cases = {{"", StatusCode::kOutOfRange},
                                   {"05", StatusCode::kOutOfRange},
                                   {"0100", StatusCode::kOutOfRange},
                                   {"020001", StatusCode::kOutOfRange},
                                   {"ffffffffffffffffff010000", StatusCode::kOutOfRange},
                                   {"02010100"
                                    "ffffffffffffffffff0100",
                                    StatusCode::kInvalidArgument},  // index overflows
                                   {"01000201ffffffffffffffffff01", StatusCode::kInvalidArgument}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.hex);
    EXPECT_EQ(SeqOf(c.hex).status().code(), c.code);
  }
}

TEST(RangeSpecSeq, Questions) {
  const RangeSpecSeq nothing;
  EXPECT_TRUE(nothing.empty());
  EXPECT_FALSE(nothing.IsRawBlob());
  EXPECT_TRUE(nothing.At(0).empty());
  EXPECT_EQ(nothing.FirstSelectedFrom(0), std::nullopt);
  EXPECT_TRUE(nothing.NothingSelectedAfter(0));
  EXPECT_EQ(nothing, RangeSpecSeq::OfRawBlob({}));

  const RangeSpecSeq raw = RangeSpecSeq::OfRawBlob(RangeSet(Range{3, 20}));
  EXPECT_TRUE(raw.IsRawBlob());
  EXPECT_FALSE(raw.is_open_ended());
  EXPECT_EQ(raw.FirstSelectedFrom(0), 0u);
  EXPECT_EQ(raw.FirstSelectedFrom(1), std::nullopt);
  EXPECT_TRUE(raw.NothingSelectedAfter(0));

  const RangeSpecSeq all = RangeSpecSeq::OfHashSeq();
  EXPECT_FALSE(all.IsRawBlob());
  EXPECT_TRUE(all.is_open_ended());
  EXPECT_EQ(all.FirstSelectedFrom(kMax), kMax);
  EXPECT_TRUE(all.At(kMax).is_all());
  EXPECT_FALSE(all.NothingSelectedAfter(kMax - 1));
  EXPECT_TRUE(all.NothingSelectedAfter(kMax));

  // Children 5 to 7 and from 2^40 on, without a root.
  RangeSpecSeq seq;
  seq.Append(5, ChunkRanges::All());
  seq.Append(8, {});
  seq.Append(uint64_t{1} << 40, ChunkRanges::LastChunk());
  EXPECT_FALSE(seq.IsRawBlob());
  EXPECT_EQ(seq.FirstSelectedFrom(0), 5u);
  EXPECT_EQ(seq.FirstSelectedFrom(7), 7u);
  EXPECT_EQ(seq.FirstSelectedFrom(8), uint64_t{1} << 40);
  EXPECT_EQ(seq.FirstSelectedFrom(kMax), kMax);
  EXPECT_TRUE(seq.At(4).empty());
  EXPECT_TRUE(seq.At(7).is_all());
  EXPECT_TRUE(seq.At(8).empty());
  EXPECT_EQ(seq.At(kMax), ChunkRanges::LastChunk());
}

TEST(ChunkRanges, NormalForm) {
  EXPECT_EQ(ChunkRanges(RangeSet::All(), true), ChunkRanges::All());
  EXPECT_FALSE(ChunkRanges::LastChunk().empty());
  EXPECT_FALSE(ChunkRanges::LastChunk().is_all());
  EXPECT_EQ(ChunkRanges(RangeSet(Range{0, 1}), true).ToString(), "0..1 last");
  EXPECT_EQ(ChunkRanges::LastChunk().ToString(), "last");
}

TEST(ChunkRanges, Within) {
  struct Case {
    ChunkRanges ranges;
    uint64_t chunk_count;
    std::string selected;
  };
  const auto range = [](uint64_t begin, uint64_t end) { return RangeSet(Range{begin, end}); };
  const std::vector<Case> cases = {{{}, 1, ""},
                                   {ChunkRanges::All(), 1, "0..1"},
                                   {ChunkRanges::All(), 65, "0..65"},
                                   {ChunkRanges::LastChunk(), 65, "64..65"},
                                   {ChunkRanges(range(0, 1), true), 65, "0..1 64..65"},
                                   {range(100, 200), 65, "64..65"},
                                   {range(60, 100), 65, "60..65"},
                                   {range(0, 65), 65, "0..65"},
                                   {range(0, 64), 65, "0..64"},
                                   {range(480, RangeSet::kOpenEnd), 65, "64..65"},
                                   {range(3, 20), 65, "3..20"}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.ranges.ToString());
    EXPECT_EQ(c.ranges.Within(c.chunk_count).ToString(), c.selected);
  }
}

ChunkRanges RandomRanges(Rng& rng) {
  RangeSet chunks;
  for (uint64_t i = rng.Below(5); i > 0; --i) {
    const uint64_t begin = rng.Next() >> rng.Below(64);
    const uint64_t size = 1 + (rng.Next() >> (1 + rng.Below(63)));
    chunks.Insert({begin, size > kMax - begin ? kMax : begin + size});
  }
  return ChunkRanges(chunks, rng.Chance(0.3));
}

TEST(RangeSpec, RandomRoundTripsAgreeWithExpandedLists) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const std::vector<ChunkRanges> palette = {
        {}, ChunkRanges::All(), RandomRanges(rng), RandomRanges(rng)};
    std::vector<ChunkRanges> blobs(rng.Below(12));
    for (ChunkRanges& ranges : blobs) ranges = palette[rng.Below(palette.size())];
    const bool repeats = rng.Chance(0.5);
    const RangeSpecSeq seq = RangeSpecSeq::OfBlobs(blobs, repeats);
    const auto decoded = SeqOf(HexOf(seq));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    ASSERT_EQ(*decoded, seq);

    // The list written out, two blobs further than given.
    std::vector<ChunkRanges> expanded = blobs;
    const ChunkRanges tail = repeats && !blobs.empty() ? blobs.back() : ChunkRanges();
    expanded.resize(blobs.size() + 2, tail);
    std::optional<uint64_t> first_selected;
    if (!tail.empty()) first_selected = expanded.size();
    for (size_t i = expanded.size(); i-- > 0;) {
      ASSERT_EQ(seq.NothingSelectedAfter(i), !first_selected.has_value());
      if (!expanded[i].empty()) first_selected = i;
      ASSERT_EQ(seq.At(i), expanded[i]);
      ASSERT_EQ(seq.FirstSelectedFrom(i), first_selected);
    }
    ASSERT_EQ(seq.is_open_ended(), !tail.empty());
  }
}

}  // namespace
}  // namespace blobd::wire
