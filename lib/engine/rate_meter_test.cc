#include "engine/rate_meter.h"

#include <gtest/gtest.h>

namespace blobd::engine {
namespace {

TEST(RateMeter, ConstantRateThenSilence) {
  RateMeter meter;
  Instant now;
  uint64_t total = 0;
  meter.Sample(now, total);
  EXPECT_EQ(meter.rate(), 0);
  for (int i = 0; i < 40; ++i) {
    now = now + RateMeter::kSampleInterval;
    total += 125'000;
    meter.Sample(now, total);
  }
  EXPECT_NEAR(meter.rate(), 1e6, 1);
  for (int i = 0; i < 6; ++i) meter.Sample(now = now + RateMeter::kSampleInterval, total);
  EXPECT_NEAR(meter.rate(), 0.5e6, 1);  // half of the window
  for (int i = 0; i < 6; ++i) meter.Sample(now = now + RateMeter::kSampleInterval, total);
  EXPECT_EQ(meter.rate(), 0);
}

TEST(RateMeter, SamplesTooCloseTogetherDoNotShortenTheWindow) {
  RateMeter meter;
  Instant now;
  for (uint64_t i = 0; i <= 3000; ++i) meter.Sample(now + milliseconds(i), i * 1000);
  EXPECT_NEAR(meter.rate(), 1e6, 1e4);
}

}  // namespace
}  // namespace blobd::engine
