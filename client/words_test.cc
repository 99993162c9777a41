#include "client/words.h"

#include <gtest/gtest.h>

#include <string>

#include "base/units.h"

namespace blobd::client {
namespace {

TEST(Words, TimesHaveUnits) {
  EXPECT_EQ(ParseTime("500ms"), 500);
  EXPECT_EQ(ParseTime("30s"), 30'000);
  EXPECT_EQ(ParseTime("0s"), 0);
  EXPECT_EQ(ParseTime("1.5 m"), 90'000);
  EXPECT_EQ(ParseTime("24h"), 86'400'000);
  EXPECT_EQ(ParseTime("7d"), 604'800'000);
  for (const char* text :
       {"", "5", "s", "-1s", "5 x", "5S", "1e3s", "nans", "infs", "99999999999999h"})
    EXPECT_FALSE(ParseTime(text)) << text;
}

TEST(Words, SizesHaveUnitsAndMeanWhatTheySayForRates) {
  EXPECT_EQ(ParseSize("800B"), 800u);
  EXPECT_EQ(ParseSize("10MB"), 10'000'000u);
  EXPECT_EQ(ParseSize("10MB"), ParseRate("10MB/s"));
  EXPECT_EQ(ParseSize("1.5 GiB"), 3 * kGiB / 2);
  for (const char* text : {"", "50", "MB", "10MB/s", "10 XB", "-1B"})
    EXPECT_FALSE(ParseSize(text)) << text;
}

TEST(Words, OneThingIsNoneOfMany) {
  EXPECT_EQ(Counted(0, "blob"), "0 blobs");
  EXPECT_EQ(Counted(1, "blob"), "1 blob");
  EXPECT_EQ(Counted(2, "unfinished request"), "2 unfinished requests");
}

}  // namespace
}  // namespace blobd::client
