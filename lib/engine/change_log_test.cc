#include "engine/change_log.h"

#include <gmock/gmock.h>

#include <vector>

namespace blobd::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<int> After(const ChangeLog<int>& log, uint64_t number) {
  std::vector<int> ids;
  log.ForEachAfter(number, [&](int id, uint64_t) {
    ids.push_back(id);
    return true;
  });
  return ids;
}

TEST(ChangeLog, TellsEachThingOnceInTheOrderOfItsLatestChange) {
  ChangeLog<int> log;
  EXPECT_TRUE(log.Reaches(0));
  EXPECT_THAT(After(log, 0), IsEmpty());
  for (const int id : {5, 3, 5, 7}) log.Note(id);
  EXPECT_THAT(After(log, 0), ElementsAre(3, 5, 7));
  EXPECT_THAT(After(log, log.NumberOf(3)), ElementsAre(5, 7));
  const uint64_t seen = log.latest();
  EXPECT_THAT(After(log, seen), IsEmpty());
  log.Note(3);
  EXPECT_THAT(After(log, seen), ElementsAre(3));
  EXPECT_EQ(log.NumberOf(8), 0u);
  EXPECT_FALSE(log.Reaches(log.latest() + 1)) << "it never gave that";
}

TEST(ChangeLog, CountsNoFurtherThanAsked) {
  ChangeLog<int> log;
  for (int id = 0; id < 10; ++id) log.Note(id);
  EXPECT_TRUE(log.HasMoreThan(9, 0));
  EXPECT_FALSE(log.HasMoreThan(10, 0));
  EXPECT_FALSE(log.HasMoreThan(0, log.latest()));
}

TEST(ChangeLog, ForgetsWhatChangedLongAgoAndSaysSo) {
  ChangeLog<int> log;
  const int kept = static_cast<int>(ChangeLog<int>::kKept);
  log.Note(-1);
  const uint64_t seen = log.latest();
  for (int id = 0; id < kept; ++id) log.Note(id);
  EXPECT_TRUE(log.Reaches(seen)) << "what is lost was seen";
  EXPECT_FALSE(log.Reaches(seen - 1));
  EXPECT_EQ(log.NumberOf(-1), 0u);
  // The same things over and over are no more.
  for (int i = 0; i < 3 * kept; ++i) log.Note(i % 10);
  EXPECT_TRUE(log.Reaches(seen));
  log.Note(-2);
  EXPECT_FALSE(log.Reaches(seen));
}

}  // namespace
}  // namespace blobd::engine
