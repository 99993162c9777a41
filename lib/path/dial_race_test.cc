#include "path/dial_race.h"

#include <gtest/gtest.h>

namespace blobd::path {
namespace {

const Instant kStart = Instant::FromNanos(1'000'000'000);

SocketAddress At(uint8_t last) { return SocketAddress::V4({192, 0, 2, last}, 4433); }

std::vector<SocketAddress> Many(uint8_t count) {
  std::vector<SocketAddress> addresses;
  for (uint8_t i = 1; i <= count; ++i) addresses.push_back(At(i));
  return addresses;
}

using Addresses = std::vector<SocketAddress>;

TEST(DialRaceTest, StartsOneByOneUpToTheWidth) {
  DialRace race({}, kStart);
  race.Add(Many(6));
  Addresses started;
  Instant now = kStart;
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(race.NextDeadline(), now);
    const auto step = race.Next(now);
    ASSERT_EQ(step.start, Addresses{At(static_cast<uint8_t>(i + 1))});
    EXPECT_TRUE(step.drop.empty());
    EXPECT_TRUE(race.Next(now).start.empty());
    now = now + milliseconds(100);
  }
  EXPECT_TRUE(race.Next(now).start.empty());
  // The first attempt makes room after an eighth of the time, not before.
  EXPECT_EQ(race.NextDeadline(), kStart + milliseconds(1250));
  const auto step = race.Next(race.NextDeadline());
  EXPECT_EQ(step.drop, Addresses{At(1)});
  EXPECT_EQ(step.start, Addresses{At(5)});
}

TEST(DialRaceTest, FailureMakesRoomAtOnce) {
  DialRace race({.timeout = seconds(10), .delay = milliseconds(100), .width = 1}, kStart);
  race.Add(Many(2));
  ASSERT_EQ(race.Next(kStart).start.size(), 1U);
  race.Failed(At(1));
  EXPECT_FALSE(race.over(kStart));
  EXPECT_EQ(race.Next(kStart + milliseconds(100)).start, Addresses{At(2)});
  race.Failed(At(2));
  race.Failed(At(9));  // never was
  EXPECT_TRUE(race.over(kStart + milliseconds(100)));
  EXPECT_FALSE(race.timed_out(kStart + milliseconds(100)));
}

TEST(DialRaceTest, EveryAddressGetsItsTurnInTime) {
  DialRace race({}, kStart);
  race.Add(Many(40));
  size_t started = 0;
  Instant now = kStart;
  while (!race.over(now)) {
    started += race.Next(now).start.size();
    const Instant next = race.NextDeadline();
    ASSERT_GT(next, now);
    now = next;
  }
  EXPECT_EQ(started, DialRace::kMaxAddresses);
  EXPECT_EQ(now, kStart + seconds(10));
}

TEST(DialRaceTest, WaitsForAddressesButNotForever) {
  DialRace race({}, kStart);
  EXPECT_FALSE(race.over(kStart + seconds(9)));
  race.Add({At(1), At(1)});
  EXPECT_EQ(race.Next(kStart + seconds(9)).start, Addresses{At(1)});
  EXPECT_TRUE(race.Next(kStart + seconds(9)).start.empty());
  EXPECT_TRUE(race.over(kStart + seconds(10)));
  EXPECT_TRUE(race.timed_out(kStart + seconds(10)));
}

TEST(DialRaceTest, UnusableAddressesEndTheDialAtOnce) {
  DialRace race({}, kStart);
  race.Add({SocketAddress(), SocketAddress::V4({192, 0, 2, 1}, 0),
            SocketAddress::V4({224, 0, 0, 1}, 5), SocketAddress::V4({0, 0, 0, 0}, 5)});
  EXPECT_TRUE(race.Next(kStart).start.empty());
  EXPECT_TRUE(race.over(kStart));
}

TEST(DialRaceTest, WaitsForAddressesThatMayStillCome) {
  DialRace race({}, kStart);
  race.KeepOpen(true);
  race.Add({At(1)});
  ASSERT_EQ(race.Next(kStart).start, Addresses{At(1)});
  race.Failed(At(1));
  EXPECT_FALSE(race.over(kStart));
  race.KeepOpen(false);
  EXPECT_TRUE(race.over(kStart));
  race.KeepOpen(true);
  EXPECT_TRUE(race.over(kStart + seconds(10)));
}

}  // namespace
}  // namespace blobd::path
