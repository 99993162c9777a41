#include "base/nearest_name.h"

#include <gtest/gtest.h>

namespace blobd {
namespace {

TEST(NearestName, IsWhatSomebodyMayHaveMeant) {
  const std::vector<std::string> names = {"get", "status", "tags", "tag", "intents", "nodes-have"};
  EXPECT_EQ(NearestName("statsu", names), "status");
  EXPECT_EQ(NearestName("stat", names), "status");
  EXPECT_EQ(NearestName("gte", names), "get");
  EXPECT_EQ(NearestName("intent", names), "intents");
  EXPECT_EQ(NearestName("nodeshave", names), "nodes-have");
  EXPECT_EQ(NearestName("bogus", names), "");
  EXPECT_EQ(NearestName("x", names), "");
  EXPECT_EQ(NearestName("", names), "");
  EXPECT_EQ(NearestName(std::string(1000, 'x'), names), "");
}

}  // namespace
}  // namespace blobd
