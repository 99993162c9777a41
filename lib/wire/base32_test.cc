#include "wire/base32.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/hex.h"
#include "base/rng.h"

namespace blobd::wire {
namespace {

TEST(Base32, MatchesRfc4648) {
  struct Case {
    std::string bytes;
    std::string base32;
    std::string base32hex;
  };
  // RFC 4648, section 10, without padding and in lower case.
  const std::vector<Case> cases = {{"", "", ""},
                                   {"f", "my", "co"},
                                   {"fo", "mzxq", "cpng"},
                                   {"foo", "mzxw6", "cpnmu"},
                                   {"foob", "mzxw6yq", "cpnmuog"},
                                   {"fooba", "mzxw6ytb", "cpnmuoj1"},
                                   {"foobar", "mzxw6ytboi", "cpnmuoj1e8"}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.bytes);
    const Bytes bytes(c.bytes.begin(), c.bytes.end());
    EXPECT_EQ(ToBase32(bytes), c.base32);
    EXPECT_EQ(FromBase32(c.base32), bytes);
    EXPECT_EQ(ToBase32Hex(bytes), c.base32hex);
    EXPECT_EQ(FromBase32Hex(c.base32hex), bytes);
  }
  EXPECT_EQ(FromBase32("MZXW6yTBoI"), FromBase32("mzxw6ytboi"));
}

TEST(Base32, NodeIdsInServerNames) {
  // protocol/transport.md, section 3.
  const Bytes id = *FromHex("ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c");
  EXPECT_EQ(ToBase32Hex(id), "t956oov2jh90lfnla1th6bm5v6aketlenqv7n4i23rl6i526q8m0");
}

TEST(Base32, ZBase32KnownValues) {
  // The examples of the encoding's description that are whole bytes.
  EXPECT_EQ(ToZBase32(*FromHex("f0bfc7")), "6n9hq");
  EXPECT_EQ(ToZBase32(*FromHex("d47a04")), "4t7ye");
  EXPECT_EQ(ToZBase32(Bytes(5, 0)), "yyyyyyyy");
  EXPECT_EQ(ToZBase32(Bytes(5, 0xff)), "99999999");
  EXPECT_EQ(FromZBase32("6N9HQ"), FromHex("f0bfc7"));
}

TEST(Base32, BadTextIsRefused) {
  const std::vector<std::string> cases = {"m",       // no byte has one digit
                                          "mzx",     // nor three
                                          "mzxw6y",  // nor six
                                          "mz",      // trailing bits set
                                          "mzxr",     "mzxw7", "mzxw6yr",
                                          "my======",  // padding
                                          "m1",        // not in the alphabet
                                          "m ",       "my\n",  "\xff\xff", std::string("m\0", 2)};
  for (const std::string& text : cases) {
    SCOPED_TRACE(text);
    EXPECT_EQ(FromBase32(text), std::nullopt);
  }
  EXPECT_EQ(FromBase32Hex("cw"), std::nullopt);
  EXPECT_EQ(FromBase32Hex("cp"), std::nullopt);
  EXPECT_EQ(FromZBase32("y0"), std::nullopt);
  EXPECT_EQ(FromZBase32("lv"), std::nullopt);
  EXPECT_EQ(FromZBase32("99"), std::nullopt);
}

TEST(Base32, RandomBytesComeBack) {
  Rng rng(3);
  for (int i = 0; i < 3000; ++i) {
    Bytes bytes(rng.Below(70));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(rng.Next());
    ASSERT_EQ(FromBase32(ToBase32(bytes)), bytes);
    ASSERT_EQ(FromBase32Hex(ToBase32Hex(bytes)), bytes);
    ASSERT_EQ(FromZBase32(ToZBase32(bytes)), bytes);
  }
}

}  // namespace
}  // namespace blobd::wire
