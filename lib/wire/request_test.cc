#include "wire/request.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/hex.h"
#include "base/rng.h"
#include "wire/vectors_for_test.h"

namespace blobd::wire {
namespace {

Hash HashFilledWith(uint8_t byte) {
  Hash hash;
  hash.bytes.fill(byte);
  return hash;
}

std::string HexOf(const Request& request) {
  const auto bytes = EncodeRequest(request);
  return bytes.ok() ? ToHex(*bytes) : bytes.status().ToString();
}

TEST(Request, CapturedGetsBothWays) {
  // What a 0.35 node accepts although nobody should send it.
  const std::set<std::string> not_canonical = {"trailing-bytes", "explicit-empty-ranges",
                                               "noncanonical-varint", "noncanonical-split-range"};
  // What a 0.35 node refuses since it came later.
  const std::set<std::string> newer = {"observe-kind-1", "push-kind-8", "getmany-kind-9"};
  size_t gets = 0;
  size_t refused = 0;
  for (const auto& c : vectors::LoadIndex()["cases"]) {
    const std::string name = c["name"];
    SCOPED_TRACE(name);
    const Bytes bytes = vectors::FromHexOrThrow(c["request_hex"]);
    const auto decoded = DecodeRequest(bytes);
    if (newer.count(name) > 0) {
      EXPECT_TRUE(decoded.ok()) << decoded.status();
      continue;
    }
    ASSERT_EQ(decoded.ok(), c["expected"]["decodes"].get<bool>()) << decoded.status();
    if (!decoded.ok()) {
      ++refused;
      continue;
    }
    ++gets;
    const auto& request = c["request"];
    ASSERT_EQ(request["kind"], "get");
    const GetRequest expected{vectors::HashOf(request["hash"]),
                              vectors::RangeSpecSeqOf(request["ranges"], request["last_repeats"])};
    EXPECT_EQ(decoded->request, Request(expected));
    EXPECT_EQ(decoded->size, bytes.size() - (name == "trailing-bytes" ? 5 : 0));
    if (not_canonical.count(name) == 0) {
      EXPECT_EQ(EncodeGet(expected.hash, expected.ranges), bytes);
      EXPECT_EQ(EncodeRequest(decoded->request).value(), bytes);
    }
  }
  EXPECT_GT(gets, 70u);
  EXPECT_EQ(refused, 6u);
}

TEST(Request, PartialProviderCasesEncode) {
  const auto index = vectors::LoadIndex();
  for (const auto& c : index["partial_provider"]["cases"]) {
    SCOPED_TRACE(c["name"].get<std::string>());
    RangeSet chunks;
    bool last_chunk = false;
    for (const auto& range : c["ranges"]) {
      const uint64_t begin = vectors::ChunkNumber(range[0]);
      chunks.Insert(
          {begin, range[1].is_null() ? RangeSet::kOpenEnd : vectors::ChunkNumber(range[1])});
      last_chunk |= begin == RangeSet::kOpenEnd;
    }
    const Bytes bytes = vectors::FromHexOrThrow(c["request_hex"]);
    const Hash hash = Hash::FromBytes(ByteView(bytes).subspan(1, 32)).value();
    EXPECT_EQ(EncodeGet(hash, RangeSpecSeq::OfRawBlob(ChunkRanges(chunks, last_chunk))), bytes);
  }
}

TEST(Request, ExamplesOfTheProtocolPage) {
  const ChunkRanges all = ChunkRanges::All();
  const ChunkRanges none;
  const auto range = [](uint64_t begin, uint64_t end) {
    return ChunkRanges(RangeSet(Range{begin, end}));
  };
  struct Case {
    RangeSpecSeq ranges;
    std::string hex;
  };
  const auto of = [](std::vector<ChunkRanges> blobs, bool last_repeats) {
    return RangeSpecSeq::OfBlobs(blobs, last_repeats);
  };
  const std::vector<Case> cases = {
      {RangeSpecSeq::OfRawBlob(all), "020001000100"},
      {RangeSpecSeq::OfHashSeq(), "01000100"},
      {RangeSpecSeq::OfRawBlob(range(3, 20)), "02000203110100"},
      {RangeSpecSeq::OfRawBlob(range(480, RangeSet::kOpenEnd)), "020001e0030100"},
      {RangeSpecSeq::OfRawBlob(ChunkRanges::LastChunk()), "020001ffffffffffffffffff010100"},
      {of({none, all}, false), "020101000100"},
      {of({none, none, none, all}, false), "020301000100"},
      {of({none, all, none, all}, false), "0401010001000101000100"},
      {of({all, all}, false), "020001000200"},
      {of({none, all}, true), "01010100"},
      {of({all, range(0, 1)}, true), "0200010001020001"},
      {of({all, ChunkRanges::LastChunk()}, true), "020001000101ffffffffffffffffff01"},
      {of({range(1, 3), range(7, 13)}, false), "0300020102010207060100"},
      {{}, "00"}};
  const Hash hash = HashFilledWith(0x11);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.hex);
    EXPECT_EQ(ToHex(EncodeGet(hash, c.ranges)), "00" + hash.ToHex() + c.hex);
  }
}

TEST(Request, NewerKindsBothWays) {
  const std::string hash(64, '1');
  const std::string other(64, '2');
  struct Case {
    Request request;
    std::string hex;
  };
  const RangeSpecSeq raw = RangeSpecSeq::OfRawBlob(ChunkRanges::All());
  const std::vector<Case> cases = {
      {ObserveRequest{HashFilledWith(0x11), ChunkRanges::All()}, "01" + hash + "0100"},
      {PushRequest{HashFilledWith(0x11), raw}, "0826" + hash + "020001000100"},
      {GetManyRequest{{HashFilledWith(0x11)}, raw}, "0901" + hash + "020001000100"},
      {GetManyRequest{{}, {}}, "090000"},
      {GetManyRequest{
           {HashFilledWith(0x11), HashFilledWith(0x22)},
           RangeSpecSeq::OfBlobs(std::vector<ChunkRanges>(2, ChunkRanges::All()), false)},
       "0902" + hash + other + "020001000200"}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.hex);
    EXPECT_EQ(HexOf(c.request), c.hex);
    const auto decoded = DecodeRequest(vectors::FromHexOrThrow(c.hex));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(decoded->request, c.request);
  }
}

TEST(Request, PushDataBeginsBehindTheHeader) {
  const std::string header = "0827" + std::string(64, '1') + "020001000100" + "ff";
  const Bytes bytes = vectors::FromHexOrThrow(header + "0102030405060708");
  const auto decoded = DecodeRequest(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->size, header.size() / 2);  // the surplus byte counts to the header
  // Each piece of the header wants more.
  for (size_t size = 0; size < decoded->size; ++size) {
    EXPECT_EQ(DecodeRequest(ByteView(bytes).first(size)).status().code(), StatusCode::kOutOfRange);
  }
}

TEST(Request, BadRequests) {
  const std::string hash(64, '1');
  struct Case {
    std::string name;
    std::string hex;
    StatusCode code;
  };
  const std::vector<Case> cases = {
      {"nothing", "", StatusCode::kOutOfRange},
      {"reserved kind", "02" + hash, StatusCode::kInvalidArgument},
      {"reserved kind 7", "07", StatusCode::kInvalidArgument},
      {"unknown kind", "0a" + hash, StatusCode::kInvalidArgument},
      {"large kind", "ffffffffffffffffff01", StatusCode::kInvalidArgument},
      {"observe without ranges", "01" + hash, StatusCode::kOutOfRange},
      {"push header too short for itself", "0821" + hash + "02", StatusCode::kInvalidArgument},
      {"push header without a hash", "080101", StatusCode::kInvalidArgument},
      {"push header of 2^64-1", "08ffffffffffffffffff01" + hash, StatusCode::kInvalidArgument},
      {"more hashes than bytes", "0902" + hash, StatusCode::kOutOfRange},
      {"2^64-1 hashes", "09ffffffffffffffffff01" + hash, StatusCode::kInvalidArgument},
      {"many hashes without ranges", "0901" + hash, StatusCode::kOutOfRange}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(DecodeRequest(vectors::FromHexOrThrow(c.hex)).status().code(), c.code);
  }
}

TEST(Request, SizeIsLimited) {
  // A spec with so many ranges that it takes more than a request may.
  RangeSet chunks;
  for (uint64_t i = 0; i < kMaxRequestSize; ++i) chunks.Insert({2 * i, 2 * i + 1});
  const GetRequest request{HashFilledWith(1), RangeSpecSeq::OfRawBlob(chunks)};
  EXPECT_EQ(EncodeRequest(request).status().code(), StatusCode::kResourceExhausted);
  const Bytes bytes = EncodeGet(request.hash, request.ranges);
  EXPECT_GT(bytes.size(), kMaxRequestSize);
  EXPECT_EQ(DecodeRequest(bytes).status().code(), StatusCode::kResourceExhausted);

  // The largest that fits is read.
  RangeSet fewer;
  for (uint64_t i = 0; i < 524000; ++i) fewer.Insert({2 * i, 2 * i + 1});
  const GetRequest fitting{HashFilledWith(1), RangeSpecSeq::OfRawBlob(fewer)};
  const auto encoded = EncodeRequest(fitting);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  EXPECT_EQ(DecodeRequest(*encoded)->request, Request(fitting));
}

TEST(Request, DamagedRequestsNeverReadTooFar) {
  // Every prefix and every flipped bit of a request either decodes or fails; address sanitizer
  // watches.
  const Bytes bytes =
      vectors::FromHexOrThrow("00" + std::string(64, '1') + "0401010001000101000100");
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Bytes prefix(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(DecodeRequest(prefix).ok());
  }
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] = static_cast<uint8_t>(flipped[bit / 8] ^ (1 << bit % 8));
    const auto decoded = DecodeRequest(flipped);
    EXPECT_TRUE(!decoded.ok() || decoded->size <= flipped.size());
  }
}

}  // namespace
}  // namespace blobd::wire
