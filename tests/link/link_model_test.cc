#include "link_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "packet_for_test.h"

namespace blobd::link {
namespace {

constexpr Instant kBegin = Instant::FromNanos(1'000'000'000);

struct Arrival {
  Instant at;
  uint32_t number;  // of the first segment
  size_t segments;

  bool operator==(const Arrival&) const = default;
};

// A model and what came out of it, woken only when NextDue says so.
class Wire {
 public:
  explicit Wire(const Settings& settings, uint64_t seed = 1) : model_(seed) {
    model_.Set(now_, settings);
  }

  LinkModel& model() { return model_; }
  const Stats& stats() const { return model_.stats(); }
  Instant now() const { return now_; }
  const std::vector<Arrival>& arrivals() const { return arrivals_; }

  void Offer(Packet packet) {
    model_.Offer(now_, std::move(packet));
    Collect();
  }
  void PassUntil(Instant end) {
    for (;;) {
      const auto due = model_.NextDue();
      if (!due || *due > end) break;
      now_ = std::max(now_, *due);
      Collect();
    }
    now_ = std::max(now_, end);
    Collect();
  }
  void Pass(Duration time) { PassUntil(now_ + time); }

  std::vector<uint32_t> numbers() const {
    std::vector<uint32_t> numbers;
    for (const Arrival& arrival : arrivals_) {
      for (uint32_t i = 0; i < arrival.segments; ++i) numbers.push_back(arrival.number + i);
    }
    return numbers;
  }

 private:
  void Collect() {
    while (std::optional<Packet> packet = model_.Take(now_)) {
      arrivals_.push_back({now_, NumberOf(*packet), packet->segments()});
    }
    // It walks what is held, which after each packet of a long queue would take forever.
    if (stats().waiting.packets + stats().in_flight.packets < 2000) model_.CheckInvariants();
  }

  LinkModel model_;
  Instant now_ = kBegin;
  std::vector<Arrival> arrivals_;
};

// Offers numbered packets of 100 bytes, one each `every`, and lets all arrive.
Wire Carry(const Settings& settings, uint32_t packets, Duration every = microseconds(100),
           uint64_t seed = 1) {
  Wire wire(settings, seed);
  for (uint32_t i = 0; i < packets; ++i) {
    wire.PassUntil(kBegin + i * every);
    wire.Offer(NumberedPacket(i, 100));
  }
  wire.Pass(minutes(1));
  return wire;
}

TEST(LinkModel, WithoutSettingsEverythingArrivesAtOnce) {
  const Wire wire = Carry({}, 3, milliseconds(1));
  const std::vector<Arrival> expected = {
      {kBegin, 0, 1}, {kBegin + milliseconds(1), 1, 1}, {kBegin + milliseconds(2), 2, 1}};
  EXPECT_EQ(wire.arrivals(), expected);
}

TEST(LinkModel, DelayIsExact) {
  Wire wire = Carry({.delay = milliseconds(25)}, 3, milliseconds(10));
  const std::vector<Arrival> expected = {{kBegin + milliseconds(25), 0, 1},
                                         {kBegin + milliseconds(35), 1, 1},
                                         {kBegin + milliseconds(45), 2, 1}};
  EXPECT_EQ(wire.arrivals(), expected);
  EXPECT_FALSE(wire.model().NextDue().has_value());
}

TEST(LinkModel, RateSpacesPackets) {
  Wire wire({.delay = milliseconds(25), .rate = 1'000'000});  // 1 ms per packet
  for (uint32_t i = 0; i < 5; ++i) wire.Offer(NumberedPacket(i));
  wire.Pass(seconds(1));
  ASSERT_EQ(wire.arrivals().size(), 5u);
  for (uint32_t i = 0; i < 5; ++i)
    EXPECT_EQ(wire.arrivals()[i].at, kBegin + milliseconds(26 + i)) << i;
}

TEST(LinkModel, RateHoldsOverTime) {
  // 1.5 times what fits, from a source that knows nothing of it, in odd sizes.
  for (const uint64_t rate : {20'000'000u, 50'000'000u}) {
    Wire wire({.delay = milliseconds(25), .rate = rate});
    const Instant end = kBegin + milliseconds(200);
    uint32_t number = 0;
    for (Duration at{0}; kBegin + at < end;) {
      wire.PassUntil(kBegin + at);
      const size_t bytes = 100 + number * 37 % 1400;
      at += Duration(static_cast<int64_t>(bytes * 1'000'000'000 * 2 / 3 / rate));
      wire.Offer(NumberedPacket(number++, bytes));
    }
    const double seconds_taken =
        std::chrono::duration<double>(wire.now() - kBegin - milliseconds(25)).count();
    const double measured = static_cast<double>(wire.stats().delivered.bytes) / seconds_taken;
    EXPECT_NEAR(measured / static_cast<double>(rate), 1, 0.002);
    EXPECT_GT(wire.stats().dropped_queue.packets, 0u);
  }
}

TEST(LinkModel, QueueDropsAtItsTail) {
  struct Case {
    std::string name;
    std::variant<Duration, uint64_t> queue;
    size_t expected;
  };
  for (const Case& c :
       {Case{"time", milliseconds(10), 10}, Case{"bytes", uint64_t{4999}, 4},
        Case{"less than a packet", uint64_t{10}, 1}, Case{"nothing", Duration::zero(), 1}}) {
    SCOPED_TRACE(c.name);
    Wire wire({.rate = 1'000'000, .queue = c.queue});
    for (uint32_t i = 0; i < 20; ++i) wire.Offer(NumberedPacket(i));
    EXPECT_EQ(wire.stats().waiting.packets, c.expected);
    EXPECT_EQ(wire.stats().dropped_queue.packets, 20 - c.expected);
    wire.Pass(seconds(1));
    ASSERT_EQ(wire.arrivals().size(), c.expected);
    EXPECT_EQ(wire.arrivals().back().number, c.expected - 1);
    wire.Offer(NumberedPacket(99));
    wire.Pass(seconds(1));
    EXPECT_EQ(wire.arrivals().back().number, 99u);
  }
}

TEST(LinkModel, WithoutRateTheQueueDropsNothing) {
  Wire wire({.delay = milliseconds(25), .queue = uint64_t{0}});
  for (uint32_t i = 0; i < 1000; ++i) wire.Offer(NumberedPacket(i));
  wire.Pass(seconds(1));
  EXPECT_EQ(wire.arrivals().size(), 1000u);
}

TEST(LinkModel, HoldsNoMoreThanItsBound) {
  // Segments of one byte each: the wire sees 29 times what they take in memory.
  const Bytes raw = RawPacket({.segment_bytes = 1, .payload_bytes = 60'000});
  LinkModel model(1);
  model.Set(kBegin, {.delay = seconds(60)});
  for (int i = 0; i < 320; ++i) model.Offer(kBegin, *Packet::FromDevice(raw));
  EXPECT_LE(model.stats().in_flight.bytes, kHeldBytesMax);
  EXPECT_GT(model.stats().in_flight.bytes, kHeldBytesMax - 29);
  EXPECT_GT(model.stats().dropped_queue.packets, 0u);
  model.CheckInvariants();
}

TEST(LinkModel, LossComesNearItsRate) {
  for (const double loss : {0.001, 0.01, 0.5}) {
    const uint32_t packets = 100'000;
    const Wire wire = Carry({.loss = loss}, packets, microseconds(1));
    const double expected = loss * packets;
    const double lost = packets - static_cast<double>(wire.arrivals().size());
    EXPECT_NEAR(lost, expected, 5 * std::sqrt(expected)) << loss;
  }
  EXPECT_TRUE(Carry({.loss = 1}, 100).arrivals().empty());
}

TEST(LinkModel, SegmentsOfASuperPacketThrowTheirOwnDice) {
  const Settings settings = {.loss = 0.05, .reorder = 0.05, .duplicate = 0.05, .corrupt = 0.05};
  const Wire single = Carry(settings, 3000, Duration(0));
  Wire super(settings);
  for (uint32_t i = 0; i < 3000; i += 30) super.Offer(NumberedSuperPacket(i, 30, 100));
  super.Pass(minutes(1));
  const Stats& a = super.stats();
  const Stats b = single.stats();
  EXPECT_EQ(a, b);
}

TEST(LinkModel, ASuperPacketStaysWholeUntilADropPartsIt) {
  Wire whole({.delay = milliseconds(25)});
  whole.Offer(NumberedSuperPacket(0, 40));
  whole.Pass(seconds(1));
  EXPECT_EQ(whole.arrivals(), (std::vector<Arrival>{{kBegin + milliseconds(25), 0, 40}}));

  Wire parted({.loss = 0.05}, 3);
  parted.Offer(NumberedSuperPacket(0, 40));
  const auto lost = parted.stats().dropped_loss.packets;
  ASSERT_GT(lost, 0u);
  EXPECT_EQ(parted.numbers().size(), 40 - lost);
  EXPECT_LE(parted.arrivals().size(), lost + 1);
  const auto numbers = parted.numbers();
  EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
}

TEST(LinkModel, ARateSpreadsASuperPacket) {
  // 50 us per segment of 1000 bytes: pieces of three segments, the last of one.
  Wire wire({.delay = milliseconds(5), .rate = 20'000'000});
  wire.Offer(NumberedSuperPacket(0, 40));
  wire.Pass(seconds(1));
  ASSERT_EQ(wire.arrivals().size(), 14u);
  for (uint32_t i = 0; i < 14; ++i) {
    const uint32_t sent = std::min(3 * (i + 1), 40u);
    EXPECT_EQ(wire.arrivals()[i].at, kBegin + milliseconds(5) + sent * microseconds(50));
    EXPECT_EQ(wire.arrivals()[i].number, 3 * i);
  }
}

TEST(LinkModel, TheQueueTakesTheHeadOfASuperPacket) {
  Wire wire({.rate = 1'000'000, .queue = uint64_t{10'500}});
  wire.Offer(NumberedSuperPacket(0, 40));
  EXPECT_EQ(wire.stats().dropped_queue, (Count{30, 30'000}));
  wire.Pass(seconds(1));
  EXPECT_EQ(wire.numbers().back(), 9u);
}

TEST(LinkModel, LostPacketsUseTheWire) {
  Wire wire({.loss = 1, .rate = 1'000'000});
  wire.Offer(NumberedPacket(0));
  Settings settings = wire.model().settings();
  wire.Pass(milliseconds(1) - Duration(1));
  wire.Offer(NumberedPacket(1));
  wire.Pass(Duration(1));
  EXPECT_EQ(wire.stats().dropped_loss.packets, 1u);
  settings.loss = 0;
  wire.model().Set(wire.now(), settings);
  wire.Pass(seconds(1));
  EXPECT_EQ(wire.arrivals(), (std::vector<Arrival>{{kBegin + milliseconds(2), 1, 1}}));
}

TEST(LinkModel, BurstsAreAsLongAsTheirLeaveRateSays) {
  const uint32_t packets = 100'000;
  const Wire wire = Carry({.burst_enter = 0.002, .burst_leave = 0.1}, packets, microseconds(1));
  std::vector<uint32_t> bursts;
  uint32_t next = 0;
  for (const uint32_t number : wire.numbers()) {
    if (number > next) bursts.push_back(number - next);
    next = number + 1;
  }
  double lost = 0;
  for (const uint32_t burst : bursts) lost += burst;
  // Bursts last 1 / 0.1 packets on average and come after 1 / 0.002 good ones.
  EXPECT_NEAR(lost / static_cast<double>(bursts.size()), 10, 2);
  EXPECT_NEAR(lost / packets, 10.0 / 510, 0.004);
}

TEST(LinkModel, JitterKeepsOrder) {
  for (const JitterShape shape : {JitterShape::kNormal, JitterShape::kUniform}) {
    const Wire wire =
        Carry({.delay = milliseconds(25), .jitter = milliseconds(5), .jitter_shape = shape}, 5000);
    const auto numbers = wire.numbers();
    ASSERT_EQ(numbers.size(), 5000u);
    EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
  }
}

TEST(LinkModel, JitterHasItsShape) {
  struct Case {
    JitterShape shape;
    double deviation_ms;
    double most_ms;
  };
  // Far enough apart that none waits for the one before.
  const Duration every = milliseconds(200);
  for (const Case& c :
       {Case{JitterShape::kNormal, 5, 25}, Case{JitterShape::kUniform, 5 / std::sqrt(3.0), 5}}) {
    const Wire wire =
        Carry({.delay = milliseconds(50), .jitter = milliseconds(5), .jitter_shape = c.shape}, 5000,
              every);
    double sum = 0;
    double squares = 0;
    double most = 0;
    for (const Arrival& arrival : wire.arrivals()) {
      const double off =
          std::chrono::duration<double, std::milli>(arrival.at - kBegin - arrival.number * every)
              .count() -
          50;
      sum += off;
      squares += off * off;
      most = std::max(most, std::abs(off));
    }
    EXPECT_NEAR(sum / 5000, 0, 0.4);
    EXPECT_NEAR(std::sqrt(squares / 5000), c.deviation_ms, 0.3);
    EXPECT_LE(most, c.most_ms);
    EXPECT_GT(most, 0.9 * std::min(c.most_ms, 15.0));
  }
}

TEST(LinkModel, JitterNeverMakesTimeGoBack) {
  const Wire wire = Carry({.jitter = milliseconds(5)}, 1000, milliseconds(50));
  ASSERT_EQ(wire.arrivals().size(), 1000u);
  for (const Arrival& arrival : wire.arrivals())
    EXPECT_GE(arrival.at, kBegin + arrival.number * milliseconds(50));
}

TEST(LinkModel, ReorderedPacketsArriveLate) {
  const Wire wire =
      Carry({.delay = milliseconds(5), .reorder = 0.01, .reorder_by = microseconds(1050)}, 10'000);
  uint32_t late = 0;
  for (const Arrival& arrival : wire.arrivals()) {
    const Duration taken = arrival.at - kBegin - arrival.number * microseconds(100);
    if (taken == milliseconds(5)) continue;
    ++late;
    EXPECT_EQ(taken, microseconds(6050));
  }
  EXPECT_NEAR(late, 100, 50);
  EXPECT_EQ(late, wire.stats().reordered.packets);
  const auto numbers = wire.numbers();
  EXPECT_EQ(numbers.size(), 10'000u);
  EXPECT_FALSE(std::is_sorted(numbers.begin(), numbers.end()));
}

TEST(LinkModel, DuplicatesFollowAtOnce) {
  const Wire wire = Carry({.delay = milliseconds(5), .duplicate = 0.1}, 1000);
  const auto numbers = wire.numbers();
  EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
  const uint64_t twice = wire.stats().duplicated.packets;
  EXPECT_NEAR(static_cast<double>(twice), 100, 50);
  EXPECT_EQ(numbers.size(), 1000 + twice);
}

TEST(LinkModel, CorruptionFlipsOneBitOfOneSegment) {
  LinkModel model(5);
  model.Set(kBegin, {.corrupt = 0.1});
  model.Offer(kBegin, NumberedSuperPacket(0, 40));
  EXPECT_GT(model.stats().corrupted.packets, 0u);
  uint64_t unchecked = 0;
  size_t segments = 0;
  while (const auto packet = model.Take(kBegin)) {
    segments += packet->segments();
    // The kernel may only trust what still leaves the checksum to it.
    if (packet->raw()[0] == 0) ++unchecked;
  }
  EXPECT_EQ(segments, 40u);
  EXPECT_EQ(unchecked, model.stats().corrupted.packets);
}

TEST(LinkModel, DarkLosesWhatIsOnItsWayAndWhatComes) {
  Wire wire({.delay = milliseconds(25), .rate = 1'000'000});
  for (uint32_t i = 0; i < 50; ++i) wire.Offer(NumberedPacket(i));
  wire.Pass(milliseconds(30));
  ASSERT_EQ(wire.arrivals().size(), 5u);
  wire.model().SetDark(wire.now(), true);
  EXPECT_FALSE(wire.model().NextDue().has_value());
  wire.Offer(NumberedPacket(90));
  wire.Pass(seconds(5));
  EXPECT_EQ(wire.arrivals().size(), 5u);
  EXPECT_EQ(wire.stats().dropped_dark.packets, 46u);
  wire.model().SetDark(wire.now(), false);
  wire.Offer(NumberedPacket(91));
  const Instant offered = wire.now();
  wire.Pass(seconds(1));
  EXPECT_EQ(wire.arrivals().back(), (Arrival{offered + milliseconds(26), 91, 1}));
}

TEST(LinkModel, ANewRateHoldsForWhatWaits) {
  Wire wire({.rate = 1'000'000});
  for (uint32_t i = 0; i < 10; ++i) wire.Offer(NumberedPacket(i));
  wire.Pass(milliseconds(2));
  ASSERT_EQ(wire.arrivals().size(), 2u);
  Settings settings = wire.model().settings();
  settings.rate = 0;
  wire.model().Set(wire.now(), settings);
  wire.Pass(Duration(0));
  EXPECT_EQ(wire.arrivals().size(), 10u);
}

TEST(LinkModel, AShorterDelayKeepsOrder) {
  Wire wire({.delay = milliseconds(20)});
  wire.Offer(NumberedPacket(0));
  wire.model().Set(wire.now(), {.delay = milliseconds(2)});
  wire.Offer(NumberedPacket(1));
  wire.Pass(milliseconds(30));
  wire.Offer(NumberedPacket(2));
  wire.Pass(milliseconds(2));
  EXPECT_EQ(wire.arrivals(), (std::vector<Arrival>{{kBegin + milliseconds(20), 0, 1},
                                                   {kBegin + milliseconds(20), 1, 1},
                                                   {kBegin + milliseconds(32), 2, 1}}));
}

// Draws everything, and wakes at odd times besides those asked for: the counts must add up after
// each call, and two runs of one seed must be the same.
TEST(LinkModel, RandomHistories) {
  for (uint64_t seed = 1; seed <= 60 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const auto run = [seed] {
      Rng rng(seed);
      const auto probability = [&rng] {
        return rng.Chance(0.5) ? 0.0 : 0.001 * double(rng.Below(200));
      };
      const auto draw_settings = [&] {
        Settings settings;
        settings.delay = rng.Between(Duration(0), milliseconds(20));
        if (rng.Chance(0.5)) settings.jitter = rng.Between(Duration(0), milliseconds(5));
        settings.loss = probability();
        settings.burst_enter = probability();
        settings.reorder = probability();
        settings.duplicate = probability();
        settings.corrupt = probability();
        if (rng.Chance(0.7)) settings.rate = 10'000 + rng.Below(200'000'000);
        if (rng.Chance(0.5)) settings.queue = rng.Below(200'000);
        return settings;
      };
      Wire wire(draw_settings(), seed);
      uint32_t number = 0;
      for (int step = 0; step < 400; ++step) {
        const uint64_t what = rng.Below(100);
        if (what < 3) wire.model().Set(wire.now(), draw_settings());
        if (what >= 3 && what < 6) wire.model().SetDark(wire.now(), rng.Chance(0.5));
        wire.Pass(rng.Between(Duration(0), milliseconds(2)));
        const auto count = static_cast<uint32_t>(rng.Chance(0.5) ? 1 : 1 + rng.Below(44));
        const size_t bytes = 40 + rng.Below(1400);
        wire.Offer(count == 1 ? NumberedPacket(number, bytes)
                              : NumberedSuperPacket(number, count, bytes));
        number += count;
      }
      wire.Pass(minutes(10));
      EXPECT_EQ(wire.stats().in_flight, Count{});
      EXPECT_EQ(wire.stats().waiting, Count{});
      return std::pair(wire.arrivals(), wire.stats());
    };
    const auto first = run();
    EXPECT_EQ(first, run());
  }
}

}  // namespace
}  // namespace blobd::link
