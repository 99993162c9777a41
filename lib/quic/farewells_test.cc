#include "quic/farewells.h"

#include <gtest/gtest.h>

#include <string>

namespace blobd::quic {
namespace {

const Instant kStart = Instant::FromNanos(1'000'000'000);
const SocketAddress kPeer = SocketAddress::V4({192, 0, 2, 1}, 4433);

Cid Id(uint32_t number) {
  const std::string text = std::to_string(number);
  return Cid::From(AsBytes(text));
}

TEST(FarewellsTest, AnswersLessAndLessOftenUntilTheTimeIsOver) {
  Farewells farewells;
  farewells.Add({Id(1), Id(2)}, kPeer, {1, 2, 3}, kStart + seconds(1));
  std::string answers;
  for (int i = 0; i < 10; ++i) {
    const auto late = farewells.OnDatagram(Id(i % 2 == 0 ? 1 : 2), kStart);
    ASSERT_TRUE(late.has_value());
    EXPECT_EQ(late->to, kPeer);
    answers += late->answer.empty() ? '.' : 'x';
  }
  EXPECT_EQ(answers, "xx.x...x..");
  EXPECT_FALSE(farewells.OnDatagram(Id(3), kStart).has_value());
  EXPECT_FALSE(farewells.OnDatagram(Id(1), kStart + seconds(1)).has_value());
}

TEST(FarewellsTest, NothingToSayIsSilence) {
  Farewells farewells;
  farewells.Add({Id(1)}, kPeer, {}, kStart + seconds(1));
  const auto late = farewells.OnDatagram(Id(1), kStart);
  ASSERT_TRUE(late.has_value());
  EXPECT_TRUE(late->answer.empty());
}

TEST(FarewellsTest, ForgetsTheOldestFirst) {
  Farewells farewells;
  for (uint32_t i = 0; i < 1500; ++i) farewells.Add({Id(i)}, kPeer, {1}, kStart + seconds(1));
  EXPECT_FALSE(farewells.OnDatagram(Id(0), kStart).has_value());
  EXPECT_FALSE(farewells.OnDatagram(Id(475), kStart).has_value());
  EXPECT_TRUE(farewells.OnDatagram(Id(476), kStart).has_value());
  EXPECT_TRUE(farewells.OnDatagram(Id(1499), kStart).has_value());
}

}  // namespace
}  // namespace blobd::quic
