#include "engine/uid_turns.h"

#include <gtest/gtest.h>

#include <vector>

namespace blobd::engine {
namespace {

TEST(UidTurns, OneUidWaitsForItselfInOrder) {
  UidTurns turns(10);
  std::vector<int> started;
  const auto start = [&](uint32_t uid, size_t weight, int number) {
    turns.Start(uid, weight, [&started, number] { started.push_back(number); });
  };
  start(1, 6, 1);
  start(1, 4, 2);
  start(1, 7, 3);
  start(1, 1, 4);  // there would be room behind the second, but it is not its turn
  start(2, 10, 5);
  EXPECT_EQ(started, (std::vector<int>{1, 2, 5}));
  turns.End(1, 6);
  EXPECT_EQ(started, (std::vector<int>{1, 2, 5}));
  turns.End(1, 4);
  EXPECT_EQ(started, (std::vector<int>{1, 2, 5, 3, 4}));
  turns.End(1, 7);
  turns.End(1, 1);
  turns.End(2, 10);
  EXPECT_EQ(turns.uids(), 0u);
}

TEST(UidTurns, WhatIsHeavierThanAllRunsAlone) {
  UidTurns turns(10);
  std::vector<int> started;
  for (int number = 1; number <= 3; ++number)
    turns.Start(7, 100, [&started, number] { started.push_back(number); });
  EXPECT_EQ(started, std::vector<int>{1});
  turns.End(7, 100);
  EXPECT_EQ(started, (std::vector<int>{1, 2}));
  turns.End(7, 100);
  turns.End(7, 100);
  EXPECT_EQ(turns.uids(), 0u);
}

}  // namespace
}  // namespace blobd::engine
