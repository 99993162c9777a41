#include "command.h"

#include <gtest/gtest.h>

#include "quantity.h"

namespace blobd::link {
namespace {

template <typename T>
T Parsed(std::string_view line) {
  const auto parsed = ParseCommand(line);
  EXPECT_TRUE(parsed.ok()) << line << ": " << parsed.status();
  return std::get<T>((*parsed)->command);
}

Settings Changed(std::string_view line) {
  Settings settings;
  for (const auto& change : Parsed<ChangeSettings>(line).changes) change(settings);
  return settings;
}

TEST(Quantity, Durations) {
  EXPECT_EQ(*ParseDuration("25ms"), milliseconds(25));
  EXPECT_EQ(*ParseDuration("1.5s"), milliseconds(1500));
  EXPECT_EQ(*ParseDuration("200us"), microseconds(200));
  EXPECT_EQ(*ParseDuration("2min"), minutes(2));
  EXPECT_EQ(*ParseDuration("0"), Duration::zero());
  EXPECT_EQ(*ParseDuration("1ns"), Duration(1));
  for (const std::string_view bad : {"", "ms", "5", "-1ms", "1 ms", "1e9s", "nan", "inf", "61min",
                                     "5m", "5ms5", "0x5ms", "+5ms"}) {
    EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
  }
}

TEST(Quantity, Probabilities) {
  EXPECT_DOUBLE_EQ(*ParseProbability("0.1%"), 0.001);
  EXPECT_DOUBLE_EQ(*ParseProbability("0.001"), 0.001);
  EXPECT_DOUBLE_EQ(*ParseProbability("100%"), 1);
  EXPECT_DOUBLE_EQ(*ParseProbability("0"), 0);
  for (const std::string_view bad : {"", "%", "101%", "1.1", "-1%", "5 %", "nan"}) {
    EXPECT_FALSE(ParseProbability(bad).ok()) << bad;
  }
}

TEST(Quantity, RatesAndSizes) {
  EXPECT_EQ(*ParseRate("20MB/s"), 20'000'000u);
  EXPECT_EQ(*ParseRate("400Mbit/s"), 50'000'000u);
  EXPECT_EQ(*ParseRate("1MiB/s"), 1u << 20);
  EXPECT_EQ(*ParseRate("none"), 0u);
  for (const std::string_view bad : {"", "0", "20MB", "20", "999B/s", "101GB/s", "MB/s"}) {
    EXPECT_FALSE(ParseRate(bad).ok()) << bad;
  }
  EXPECT_EQ(*ParseSize("64KiB"), 65536u);
  EXPECT_EQ(*ParseSize("1.5kB"), 1500u);
  for (const std::string_view bad : {"", "64", "1GiB", "5ms", "-1B"}) {
    EXPECT_FALSE(ParseSize(bad).ok()) << bad;
  }
}

TEST(Command, Link) {
  const auto made = Parsed<MakeLink>(
      "link home ns-a 10.9.0.1 /proc/1/ns/net 10.9.0.2/24 fd00::1 fd00::2/64 mtu=1400 offload=off");
  EXPECT_EQ(made.spec.name, "home");
  EXPECT_EQ(made.spec.a.net_namespace, "ns-a");
  EXPECT_EQ(made.spec.b.net_namespace, "/proc/1/ns/net");
  EXPECT_EQ(made.spec.a.address.ip[3], 1);
  EXPECT_FALSE(made.spec.a.address.prefix.has_value());
  EXPECT_EQ(made.spec.b.address.prefix, 24);
  EXPECT_EQ(made.spec.b.more_address->ip[15], 2);
  EXPECT_EQ(made.spec.b.more_address->prefix, 64);
  EXPECT_EQ(made.spec.mtu, 1400u);
  EXPECT_FALSE(made.spec.offload);
  EXPECT_FALSE(Parsed<MakeLink>("link l a fd00::1 b fd00::2").spec.a.address.is_v4);
}

TEST(Command, SetChangesWhatItNamesOnly) {
  const Settings settings = Changed(
      "set home both delay=25ms jitter=2ms loss=0.1% rate=20MB/s queue=50ms reorder=1% "
      "reorder_by=3ms duplicate=0.2% corrupt=0.3% burst_enter=0.4% burst_leave=5% burst_loss=50% "
      "jitter_shape=uniform");
  EXPECT_EQ(settings.delay, milliseconds(25));
  EXPECT_EQ(settings.jitter, milliseconds(2));
  EXPECT_EQ(settings.jitter_shape, JitterShape::kUniform);
  EXPECT_DOUBLE_EQ(settings.loss, 0.001);
  EXPECT_DOUBLE_EQ(settings.burst_enter, 0.004);
  EXPECT_DOUBLE_EQ(settings.burst_leave, 0.05);
  EXPECT_DOUBLE_EQ(settings.burst_loss, 0.5);
  EXPECT_DOUBLE_EQ(settings.reorder, 0.01);
  EXPECT_EQ(settings.reorder_by, milliseconds(3));
  EXPECT_DOUBLE_EQ(settings.duplicate, 0.002);
  EXPECT_DOUBLE_EQ(settings.corrupt, 0.003);
  EXPECT_EQ(settings.rate, 20'000'000u);
  EXPECT_EQ(std::get<Duration>(settings.queue), milliseconds(50));

  const Settings other = Changed("set home a>b queue=64KiB");
  EXPECT_EQ(std::get<uint64_t>(other.queue), 65536u);
  EXPECT_EQ(other.delay, Duration::zero());
  EXPECT_EQ(Changed("set home a>b loss=0").loss, 0);
}

TEST(Command, Directions) {
  const auto a_to_b = Parsed<ChangeSettings>("set l a>b delay=0").directions;
  EXPECT_TRUE(a_to_b.a_to_b && !a_to_b.b_to_a);
  const auto b_to_a = Parsed<SetDark>("dark l b>a on").directions;
  EXPECT_TRUE(!b_to_a.a_to_b && b_to_a.b_to_a);
  const auto both = Parsed<SetDark>("dark l off");
  EXPECT_TRUE(both.directions.a_to_b && both.directions.b_to_a && !both.dark);
}

TEST(Command, At) {
  const auto timed = ParseCommand("at 5s dark home on");
  ASSERT_TRUE(timed.ok());
  EXPECT_EQ((*timed)->at, seconds(5));
  EXPECT_TRUE(std::get<SetDark>((*timed)->command).dark);
  EXPECT_FALSE((*ParseCommand("dark home on"))->at.has_value());
}

TEST(Command, NothingToDo) {
  for (const std::string_view line : {"", "   ", "\t\r", "# a comment", "  #at 5s"}) {
    const auto parsed = ParseCommand(line);
    ASSERT_TRUE(parsed.ok()) << line;
    EXPECT_FALSE(parsed->has_value()) << line;
  }
}

TEST(Command, Refused) {
  const std::string long_name(16, 'n');
  for (const std::string& line :
       std::vector<std::string>{"nonsense",
                                "link",
                                "link home",
                                "link home a 10.0.0.1 b",
                                "link home a 10.0.0.1 a 10.0.0.2",          // one namespace
                                "link home a 10.0.0.1 b fd00::2",           // two families
                                "link home a 10.0.0.1 b 10.0.0.2 fd00::1",  // one address too few
                                "link home a 10.0.0.1 b 10.0.0.2 10.0.0.3 10.0.0.4",
                                "link home a 10.0.0.1 b 10.0.0.2 fd00::1 10.0.0.4",
                                "link home a 10.0.0.256 b 10.0.0.2",
                                "link home a 10.0.0.1/33 b 10.0.0.2",
                                "link home a 10.0.0.1/ b 10.0.0.2",
                                "link home a 10.0.0.1/-1 b 10.0.0.2",
                                "link home a 10.0.0.1 b 10.0.0.2 mtu=575",
                                "link home a 10.0.0.1 b 10.0.0.2 mtu=65001",
                                "link home a 10.0.0.1 b 10.0.0.2 fd00::1 fd00::2 mtu=1279",
                                "link home a 10.0.0.1 b 10.0.0.2 mtu=",
                                "link home a 10.0.0.1 b 10.0.0.2 color=red",
                                "link " + long_name + " a 10.0.0.1 b 10.0.0.2",
                                "link ../x a 10.0.0.1 b 10.0.0.2",
                                "link home .. 10.0.0.1 b 10.0.0.2",
                                "set",
                                "set home",
                                "set home both",
                                "set home up delay=1ms",
                                "set home both delay",
                                "set home both delay=",
                                "set home both =1ms",
                                "set home both color=red",
                                "set home both delay=1ms loss=2",
                                "set home both queue=fast",
                                "set home both jitter_shape=square",
                                "dark home",
                                "dark home maybe",
                                "dark home a>b b>a on",
                                "stats",
                                "stats home work",
                                "quit now",
                                "at",
                                "at 5s",
                                "at noon quit",
                                "at 5s at 6s quit"}) {
    EXPECT_EQ(ParseCommand(line).status().code(), StatusCode::kInvalidArgument) << line;
  }
}

}  // namespace
}  // namespace blobd::link
