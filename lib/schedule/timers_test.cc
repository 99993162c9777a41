#include "schedule/timers.h"

#include <gtest/gtest.h>

namespace blobd::schedule {
namespace {

TEST(Timers, FireInOrderOnce) {
  Timers timers;
  EXPECT_FALSE(timers.next());
  timers.Arm({Instant::FromNanos(20), TimerKind::kIdle, 1});
  timers.Arm({Instant::FromNanos(10), TimerKind::kDeadline, 2});
  timers.Arm({Instant::FromNanos(10), TimerKind::kIdle, 3});
  EXPECT_EQ(timers.next(), Instant::FromNanos(10));
  EXPECT_FALSE(timers.PopDue(Instant::FromNanos(9)));
  EXPECT_EQ(timers.PopDue(Instant::FromNanos(10))->id, 3u);
  EXPECT_EQ(timers.PopDue(Instant::FromNanos(10))->id, 2u);
  EXPECT_FALSE(timers.PopDue(Instant::FromNanos(10)));
  timers.Disarm({Instant::FromNanos(20), TimerKind::kIdle, 1});
  timers.Disarm({Instant::FromNanos(20), TimerKind::kIdle, 1});
  EXPECT_FALSE(timers.next());
}

TEST(Timers, NeverIsNotKept) {
  Timers timers;
  timers.Arm({Instant::Max(), TimerKind::kDeadline, 1});
  EXPECT_FALSE(timers.next());
}

}  // namespace
}  // namespace blobd::schedule
