#include "client/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace blobd::client {
namespace {

TEST(ForEach, DoesEveryPieceOnceAndNotTooManyAtATime) {
  std::vector<std::atomic<int>> done(1000);
  std::atomic<int> at_work = 0;
  std::atomic<int> most = 0;
  const Status status = ForEach(done.size(), 4, [&](size_t i) {
    const int now = ++at_work;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    ++done[i];
    --at_work;
    return OkStatus();
  });
  EXPECT_TRUE(status.ok());
  for (const auto& count : done) EXPECT_EQ(count, 1);
  EXPECT_LE(most, 4);
}

TEST(ForEach, BeginsNothingAfterAnError) {
  std::atomic<int> begun = 0;
  const Status status = ForEach(1'000'000, 3, [&](size_t i) {
    ++begun;
    return i < 100 ? OkStatus() : Internal("piece {}", i);
  });
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_LE(begun, 103);
  EXPECT_TRUE(ForEach(0, 4, [](size_t) { return Internal("none"); }).ok());
}

}  // namespace
}  // namespace blobd::client
