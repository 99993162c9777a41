#include "daemon/rate_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <utility>

#include "daemon/config.h"
#include "daemon/rate_clock.h"

namespace blobd::daemon {
namespace {

using schedule::WeekTime;
using testing::HasSubstr;

constexpr int kHour = 3600;

RateConfig Read(std::string_view toml) {
  Config config;
  const Status status = ApplyToml(toml, "x.toml", &config);
  EXPECT_TRUE(status.ok()) << status;
  return config.rates;
}

TEST(RateConfigTest, RatesAreNumbersTextsOrOff) {
  const RateConfig rates = Read("[limits]\ndownload_rate = \"10MiB/s\"\nupload_rate = 64000\n");
  EXPECT_EQ(rates.download, 10u << 20);
  EXPECT_EQ(rates.upload, 64'000u);
  EXPECT_EQ(Read("limits.download_rate = \"off\"").download, std::nullopt);
}

TEST(RateConfigTest, WrongRatesAndSchedulesAreToldWithTheValidOnes) {
  const std::pair<std::string, std::string> cases[] = {
      {"limits.download_rate = 0", "from 16384 to 1000000000000 bytes per second"},
      {"limits.download_rate = \"10\"", "from 16384 to"},
      {"limits.upload_rate = \"fast\"", "limits.upload_rate: expected a rate"},
      {"limits.schedule = 1", "a list of at most 64"},
      {"limits.schedule = [{download_rate=\"1M\"}]", "entry 1: hours are missing"},
      {"limits.schedule = [{hours=\"08:00-18:00\"}]", "neither download_rate nor upload_rate"},
      {"limits.schedule = [{hours=\"8-18\", upload_rate=\"1M\"}]", "hours: hours are written as"},
      {"limits.schedule = [{hours=\"08:00-18:00\", rate=\"1M\"}]", "unknown key rate"},
      {"limits.schedule = [{hours=\"08:00-18:00\", upload_rate=0}]", "entry 1: upload_rate: "}};
  for (const auto& [toml, part] : cases) {
    Config config;
    config.rates.download = 50'000;
    const Status status = ApplyToml(toml, "x.toml", &config);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << toml;
    EXPECT_THAT(Message(status), HasSubstr("x.toml:1: ")) << toml;
    EXPECT_THAT(Message(status), HasSubstr(part)) << toml;
    EXPECT_EQ(config.rates.download, 50'000u) << "nothing changed";
  }
}

TEST(RateConfigTest, TheFirstEntryThatSaysSomethingOfADirectionRules) {
  const RateConfig rates = Read(R"(
      [limits]
      download_rate = "50MB/s"
      schedule = [
        { hours = "mon-fri 08:00-18:00", upload_rate = "1MB/s" },
        { hours = "08:00-12:00", download_rate = "5MB/s", upload_rate = "2MB/s" },
        { hours = "fri 22:00-06:00", download_rate = "off" },
      ])");
  RatesNow now = RatesAt(rates, {0, 9 * kHour});
  EXPECT_EQ(now.upload, 1'000'000u);
  EXPECT_EQ(now.upload_rule, "mon-fri 08:00-18:00");
  EXPECT_EQ(now.download, 5'000'000u);
  EXPECT_EQ(now.download_rule, "08:00-12:00");
  EXPECT_EQ(now.lasts, hours(3));
  now = RatesAt(rates, {4, 20 * kHour});
  EXPECT_EQ(now.download, 50'000'000u);
  EXPECT_EQ(now.download_rule, "");
  EXPECT_EQ(now.upload, std::nullopt);
  EXPECT_EQ(now.lasts, hours(2));
  now = RatesAt(rates, {5, 3 * kHour});  // the night that began on Friday
  EXPECT_EQ(now.download, std::nullopt);
  EXPECT_EQ(now.download_rule, "fri 22:00-06:00");
  EXPECT_EQ(RatesAt({}, {0, 0}).lasts, std::nullopt);
}

TEST(RateConfigTest, TheMachinesZoneHoldsWithItsSummerTime) {
  const char* before = std::getenv("TZ");
  const std::string kept = before == nullptr ? "" : before;
  setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
  // 2026-11-26 is a Thursday, 2026-07-01 a Wednesday.
  WeekTime time = LocalWeekTime({1795651200'000});  // 00:00 UTC
  EXPECT_EQ(time.weekday, 3);
  EXPECT_EQ(time.second_of_day, kHour);
  time = LocalWeekTime({1782864000'000});
  EXPECT_EQ(time.weekday, 2);
  EXPECT_EQ(time.second_of_day, 2 * kHour);
  before == nullptr ? unsetenv("TZ") : setenv("TZ", kept.c_str(), 1);
  tzset();
}

// Timers and both clocks, of which the one on the wall can be set.
class TestTime final : public Timers, public Clock {
 public:
  Instant Now() const override { return now_; }
  WallTime WallNow() const override { return wall; }
  TimerId AddTimer(Instant at, Task task) override {
    timers_.emplace(std::pair(at, ++last_), std::move(task));
    return last_;
  }
  bool CancelTimer(TimerId id) override {
    return std::erase_if(timers_, [id](const auto& t) { return t.first.second == id; }) > 0;
  }
  void Pass(Duration duration) {
    const Instant end = now_ + duration;
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      auto timer = timers_.extract(timers_.begin());
      wall = wall + (timer.key().first - now_);
      now_ = timer.key().first;
      timer.mapped()();
    }
    wall = wall + (end - now_);
    now_ = end;
  }
  size_t timers() const { return timers_.size(); }

  WallTime wall{1795651200'000};

 private:
  Instant now_ = Instant::FromNanos(1);
  std::map<std::pair<Instant, TimerId>, Task> timers_;
  TimerId last_ = 0;
};

TEST(RateClockTest, FollowsTheHoursOverMidnightAndAClockThatIsSet) {
  TestTime time;  // Thursday, midnight
  std::vector<uint64_t> seen;
  RateClock* running = nullptr;
  const auto look = [&] {
    engine::LiveLimits limits;
    running->Fill(limits);
    const uint64_t rate = limits.download_rate.value_or(0);
    if (seen.empty() || seen.back() != rate) seen.push_back(rate);
  };
  RateClock clock(time, time, look, [](WallTime now) {
    const int64_t second = now.unix_ms / 1000;
    return WeekTime{static_cast<int>((second / 86'400 + 3) % 7), static_cast<int>(second % 86'400)};
  });
  running = &clock;
  EXPECT_EQ(time.timers(), 0u) << "without a schedule nothing is looked at";
  clock.Set(
      Read("limits.schedule = [{hours = \"22:00-02:00\", download_rate = 50000},"
           "{hours = \"12:00-13:00\", download_rate = 70000}]"));
  look();
  time.Pass(hours(24));
  EXPECT_EQ(seen, (std::vector<uint64_t>{50'000, 0, 70'000, 0, 50'000}));
  time.wall = time.wall + hours(12);  // somebody sets the clock: noon
  time.Pass(RateClock::kLook);
  EXPECT_EQ(seen.back(), 70'000u);
  clock.Set({});
  EXPECT_EQ(time.timers(), 0u);
}

}  // namespace
}  // namespace blobd::daemon
