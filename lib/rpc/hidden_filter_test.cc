#include "rpc/hidden_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "wire/text.h"

namespace blobd::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kHex(64, 'a');
const std::string kOtherHex = std::string(63, '0') + "1";

Hash HashOf(const std::string& text) { return *wire::ParseHash(text); }

TEST(HiddenFilterTest, HashesAreFoundInTexts) {
  EXPECT_THAT(HashesIn(kHex), ElementsAre(HashOf(kHex)));
  EXPECT_THAT(HashesIn("https://mirror.example/" + kHex + "?key=1"), ElementsAre(HashOf(kHex)));
  EXPECT_THAT(HashesIn("first " + kHex + ", then " + kOtherHex + "."),
              ElementsAre(HashOf(kHex), HashOf(kOtherHex)));
  EXPECT_THAT(HashesIn("s" + kHex), ElementsAre(HashOf(kHex)));
  const std::string base32(52, 'a');
  EXPECT_THAT(HashesIn("a/" + base32), ElementsAre(HashOf(base32)));
}

TEST(HiddenFilterTest, OtherTextsNameNothing) {
  EXPECT_THAT(HashesIn(""), IsEmpty());
  EXPECT_THAT(HashesIn("nightly build 7"), IsEmpty());
  EXPECT_THAT(HashesIn(kHex.substr(1)), IsEmpty());
  EXPECT_THAT(HashesIn(kHex + "a"), IsEmpty()) << "it is a longer word";
  EXPECT_THAT(HashesIn(std::string("\xff\x00///", 5)), IsEmpty());
}

}  // namespace
}  // namespace blobd::rpc
