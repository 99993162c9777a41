#include "wire/postcard.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "base/hex.h"
#include "base/rng.h"

namespace blobd::wire {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

TEST(Postcard, VarintsHaveTheirKnownBytes) {
  struct Case {
    uint64_t value;
    std::string hex;
  };
  const std::vector<Case> cases = {{0, "00"},
                                   {1, "01"},
                                   {127, "7f"},
                                   {128, "8001"},
                                   {300, "ac02"},
                                   {10000, "904e"},
                                   {16383, "ff7f"},
                                   {16384, "808001"},
                                   {uint64_t{1} << 63, "80808080808080808001"},
                                   {kMax - 1, "feffffffffffffffff01"},
                                   {kMax, "ffffffffffffffffff01"}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.hex);
    Writer writer;
    writer.Varint(c.value);
    EXPECT_EQ(ToHex(writer.bytes()), c.hex);
    Reader reader(writer.bytes());
    const auto value = reader.Varint();
    ASSERT_TRUE(value.ok());
    EXPECT_EQ(*value, c.value);
    EXPECT_EQ(reader.remaining(), 0u);
    // Each shorter piece is an end too early, not a malformed number.
    for (size_t size = 0; size < writer.bytes().size(); ++size) {
      Reader cut(ByteView(writer.bytes()).first(size));
      EXPECT_EQ(cut.Varint().status().code(), StatusCode::kOutOfRange);
    }
  }
}

TEST(Postcard, VarintsMayBePaddedUpToTenBytes) {
  struct Case {
    std::string hex;
    std::optional<uint64_t> value;  // nullopt: malformed
  };
  const std::vector<Case> cases = {{"8200", 2},
                                   {"80808000", 0},
                                   {"81808080808080808000", 1},
                                   {"8180808080808080808000", std::nullopt},  // eleven bytes
                                   {"80808080808080808002", std::nullopt},    // bit 64
                                   {"ffffffffffffffffff03", std::nullopt},
                                   {"ffffffffffffffffff7f", std::nullopt},
                                   {"ffffffffffffffffff81", std::nullopt},
                                   {"8080808080808080808001", std::nullopt}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.hex);
    const Bytes bytes = *FromHex(c.hex);
    Reader reader(bytes);
    const auto value = reader.Varint();
    if (c.value) {
      ASSERT_TRUE(value.ok());
      EXPECT_EQ(*value, *c.value);
      EXPECT_EQ(reader.remaining(), 0u);
    } else {
      EXPECT_EQ(value.status().code(), StatusCode::kInvalidArgument);
    }
  }
}

TEST(Postcard, RandomVarintsComeBack) {
  Rng rng(7);
  for (int i = 0; i < 20000; ++i) {
    const uint64_t value = rng.Next() >> rng.Below(64);
    Writer writer;
    writer.Varint(value);
    Reader reader(writer.bytes());
    ASSERT_EQ(reader.Varint().value(), value);
    ASSERT_EQ(reader.remaining(), 0u);
  }
}

TEST(Postcard, LiesAboutLengthsAreErrors) {
  const Bytes bytes = *FromHex("ffffffffffffffffff01");  // claims 2^64-1 of anything
  EXPECT_EQ(Reader(bytes).Count(1, kMax).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(Reader(bytes).Count(32, 100).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Reader(bytes).Blob(kMax).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(Reader(bytes).Blob(100).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Reader(bytes).String(kMax).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(Reader(bytes).Raw(11).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(Reader(bytes).Raw(kMax).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(Reader(bytes).ReadHash().status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(Reader(bytes).ReadNodeId().status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(Reader(bytes).Option().status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Reader({}).Byte().status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(Reader({}).Option().status().code(), StatusCode::kOutOfRange);
}

TEST(Postcard, ValuesComeBackInOrder) {
  Writer writer;
  writer.Byte(1);
  writer.String("gamma-é.dat");
  writer.Varint(3);
  writer.Blob({});
  writer.Raw(AsBytes("abc"));
  const Bytes bytes = writer.Take();

  Reader reader(bytes);
  EXPECT_TRUE(reader.Option().value());
  EXPECT_EQ(reader.String(12).value(), "gamma-é.dat");
  EXPECT_EQ(reader.Count(1, 3).value(), 3u);
  EXPECT_TRUE(reader.Blob(0)->empty());
  EXPECT_EQ(AsText(reader.Raw(3).value()), "abc");
  EXPECT_EQ(reader.position(), bytes.size());
  EXPECT_TRUE(reader.Raw(0).ok());
}

TEST(Postcard, StringsAreUtf8) {
  const Bytes bytes = *FromHex("02c328");
  EXPECT_EQ(Reader(bytes).String(10).status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(Reader(bytes).Blob(10).ok());
}

}  // namespace
}  // namespace blobd::wire
