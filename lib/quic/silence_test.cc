#include "quic/silence.h"

#include <gtest/gtest.h>

namespace blobd::quic {
namespace {

TEST(Silence, OnlyLongOnesCount) {
  Instant now = Instant::FromNanos(1'000'000'000);
  Silence silence(now);
  silence.Heard(now = now + milliseconds(1999));
  EXPECT_EQ(silence.total(), Duration::zero());
  EXPECT_FALSE(silence.lasts(now + milliseconds(1999)));
  EXPECT_TRUE(silence.lasts(now + seconds(2)));
  silence.Heard(now = now + seconds(5));
  EXPECT_FALSE(silence.lasts(now));
  silence.Heard(now = now + seconds(1));
  silence.Heard(now + seconds(3));
  EXPECT_EQ(silence.total(), seconds(8));
}

}  // namespace
}  // namespace blobd::quic
