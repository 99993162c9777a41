#include "base/receive_budget.h"

#include <gtest/gtest.h>

#include <vector>

namespace blobd {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kLeast = ReceiveBudget::kLeastWindow;

TEST(ReceiveBudgetTest, GivesWhatIsWantedWhileThereIsPlenty) {
  ReceiveBudget budget(128 * kMiB);
  EXPECT_EQ(budget.Lease(16 * kMiB), 16 * kMiB);
  EXPECT_EQ(budget.Lease(100), 100U);
  EXPECT_EQ(budget.leased(), 16 * kMiB + 100);
}

TEST(ReceiveBudgetTest, NobodyTakesMoreThanHalfOfTheRest) {
  ReceiveBudget budget(16 * kMiB);
  EXPECT_EQ(budget.Lease(16 * kMiB), 8 * kMiB);
  EXPECT_EQ(budget.Lease(16 * kMiB), 4 * kMiB);
  EXPECT_EQ(budget.Lease(16 * kMiB), 2 * kMiB);
}

TEST(ReceiveBudgetTest, LeastWindowIsGivenEvenWhenNothingIsLeft) {
  ReceiveBudget budget(kMiB);
  for (int i = 0; i < 10; ++i) EXPECT_GE(budget.Lease(16 * kMiB), kLeast);
  EXPECT_EQ(budget.Lease(16 * kMiB), kLeast);
  EXPECT_LE(budget.leased(), kMiB + 11 * kLeast);
  EXPECT_EQ(budget.Grow(kLeast, 16 * kMiB), 0U);
}

TEST(ReceiveBudgetTest, GrowsWhenOthersGo) {
  ReceiveBudget budget(16 * kMiB);
  const uint64_t first = budget.Lease(8 * kMiB);
  uint64_t second = budget.Lease(8 * kMiB);
  EXPECT_EQ(budget.Grow(second, 8 * kMiB), 0U);  // as much as a newcomer in its place would get
  budget.Release(first);
  const uint64_t more = budget.Grow(second, 8 * kMiB);
  EXPECT_EQ(more, 4 * kMiB);
  second += more;
  EXPECT_EQ(budget.Grow(second, 8 * kMiB), 0U);  // has what it wants
  budget.Release(second);
  EXPECT_EQ(budget.leased(), 0U);
}

TEST(ReceiveBudgetTest, ManyThatAskAgainAndAgainStayWithinTheBudget) {
  ReceiveBudget budget(64 * kMiB);
  std::vector<uint64_t> held;
  for (int i = 0; i < 20; ++i) held.push_back(budget.Lease(16 * kMiB));
  for (int round = 0; round < 100; ++round) {
    for (uint64_t& window : held) window += budget.Grow(window, 16 * kMiB);
  }
  EXPECT_LE(budget.leased(), 64 * kMiB + 20 * kLeast);
  for (const uint64_t window : held) budget.Release(window);
  EXPECT_EQ(budget.leased(), 0U);
}

}  // namespace
}  // namespace blobd
