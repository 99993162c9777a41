#include "daemon/step_watch.h"

#include <gtest/gtest.h>

#include <atomic>

namespace blobd::daemon {
namespace {

TEST(StepWatch, SpeaksOnlyWhileThereIsWork) {
  std::atomic<uint64_t> work = 7;
  std::atomic<int> looked = 0;
  std::atomic<int> told = 0;
  const auto look = [&] {
    ++looked;
    return work.load();
  };
  const auto await = [](const std::atomic<int>& count, int least) {
    while (count < least) std::this_thread::yield();
  };
  {
    const StepWatch watch({milliseconds(1), look}, [&] { ++told; });
    await(looked, 20);
    EXPECT_EQ(told, 0);
    ++work;
    await(told, 1);
    const int then = looked;
    await(looked, then + 20);
    EXPECT_EQ(told, 1);
  }
  const int at_the_end = looked;
  ++work;
  EXPECT_EQ(looked, at_the_end);
}

TEST(StepWatch, EndsAtOnce) {
  const StepWatch watch({seconds(3600)}, [] {});
}

}  // namespace
}  // namespace blobd::daemon
