// The pattern in which connections are opened, as a server that counts sees it.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/units.h"
#include "http/fetching_for_test.h"

namespace blobd::http {
namespace {

using Kind = FetchEnd::Kind;
constexpr Duration kFirstByte = milliseconds(100);

class OpeningTest : public FetchingTest {
 protected:
  // Answers after a while, sends a little, and keeps the connection until it is told to end.
  TestServer::Handler Slowly() {
    return [this](const TestRequest& request, TestServer::Connection& connection) {
      std::this_thread::sleep_for(kFirstByte);
      if (failing_.load() > 0 && failing_.fetch_sub(1) > 0) return connection.Close();
      connection.Send(GoodHead(request, 64 * kMiB) + Pattern(0, 1000));
      connection.WaitForClient();
    };
  }
  void StartMany(TestServer& server, int count) {
    for (int i = 0; i < count; ++i) Start(server.Url("/f"), Part(0, kMiB));
  }
  OriginView View(TestServer& server) {
    return client().ViewOf(Url::Parse(server.Url("/"))->origin());
  }
  std::atomic<int> failing_ = 0;
};

TEST_F(OpeningTest, ProbeThenBatchesOfTwoWithPauses) {
  TestServer server(Slowly());
  StartMany(server, 12);
  ASSERT_TRUE(RunUntil([&] { return server.accepted().size() == 8; }));
  RunFor(milliseconds(300));
  const std::vector<Instant> at = server.accepted();
  ASSERT_EQ(at.size(), 8u) << "the cap";
  EXPECT_GE(at[1] - at[0], kFirstByte) << "the probe is alone until its first byte";
  // Each batch waits for all of the one before, and then 5 to 10 times the first byte.
  for (const size_t first : {size_t{3}, size_t{5}, size_t{7}}) {
    EXPECT_GE(at[first] - at[first - 1], kFirstByte + 5 * kFirstByte) << first;
    EXPECT_LE(at[first] - at[first - 1], seconds(5));
  }
  for (const size_t second : {size_t{2}, size_t{4}, size_t{6}}) {
    EXPECT_LT(at[second] - at[second - 1], 5 * kFirstByte) << "two at once";
  }
  EXPECT_EQ(View(server).running, 8u);
  EXPECT_EQ(View(server).waiting, 4u);
}

TEST_F(OpeningTest, FallsBackToOneAtATimeAndASmallerCapThenGrowsBack) {
  options_.origins.defaults.ramp.regrow = seconds(6);
  options_.origins.defaults.ramp.cap = 4;
  TestServer server(Slowly());
  StartMany(server, 1);
  ASSERT_TRUE(RunUntil([&] { return checkers_[0]->received > 0; }));
  // The next one gets no answer.
  failing_ = 1;
  StartMany(server, 1);
  ASSERT_TRUE(RunUntil([&] { return checkers_[1]->end.has_value(); }));
  EXPECT_EQ(checkers_[1]->end->kind, Kind::kFailed);
  EXPECT_EQ(View(server).cap, 3u);
  const size_t before = server.accepted().size();
  StartMany(server, 6);
  ASSERT_TRUE(RunUntil([&] { return server.accepted().size() == before + 1; }));
  RunFor(kFirstByte / 2);
  EXPECT_EQ(server.accepted().size(), before + 1) << "one at a time";
  ASSERT_TRUE(RunUntil([&] { return View(server).running == 3; }));
  RunFor(milliseconds(200));
  EXPECT_LE(server.most_connections(), 3u);
  ASSERT_TRUE(RunUntil([&] { return View(server).running == 4; })) << "it grows back";
}

TEST_F(OpeningTest, TheCapIsRaisedAndLoweredWhileItRuns) {
  options_.origins.defaults.ramp.ramp = false;
  options_.origins.defaults.ramp.cap = 6;
  TestServer server(Slowly());
  StartMany(server, 8);
  ASSERT_TRUE(RunUntil([&] { return checkers_[5]->received > 0; }));
  options_.origins.defaults.ramp.cap = 2;
  ASSERT_TRUE(client().SetOrigins(options_.origins).ok());
  ASSERT_TRUE(RunUntil([&] { return View(server).running == 2; }));
  for (size_t i = 0; i < 6; ++i) {
    if (i < 2) {
      EXPECT_FALSE(checkers_[i]->end) << "the oldest stay";
      continue;
    }
    ASSERT_TRUE(checkers_[i]->end) << "the youngest end";
    EXPECT_EQ(checkers_[i]->end->kind, Kind::kSurplus);
    EXPECT_EQ(OutcomeOf(*checkers_[i]->end), schedule::Outcome::kStopped) << "no failure";
  }
  EXPECT_FALSE(checkers_[6]->opened);
  options_.origins.defaults.ramp.cap = 4;
  ASSERT_TRUE(client().SetOrigins(options_.origins).ok());
  ASSERT_TRUE(RunUntil([&] { return View(server).running == 4; }));
  EXPECT_TRUE(checkers_[6]->opened);
}

TEST_F(OpeningTest, RampingCanBeSwitchedOff) {
  options_.origins.defaults.ramp.ramp = false;
  TestServer server(Slowly());
  StartMany(server, 12);
  ASSERT_TRUE(RunUntil([&] { return server.accepted().size() == 8; }));
  EXPECT_LT(server.accepted()[7] - server.accepted()[0], seconds(1));
}

TEST_F(OpeningTest, AFurtherConnectionOpensOnlyWhenItIsWorthIt) {
  TestServer server([](const TestRequest& request, TestServer::Connection& connection) {
    std::this_thread::sleep_for(kFirstByte);
    connection.Send(GoodHead(request, 64 * kMiB));
    // About 1 MB/s.
    for (uint64_t at = request.Range(64 * kMiB)->first; connection.Send(Pattern(at, at + 20'000));
         at += 20'000) {
      std::this_thread::sleep_for(milliseconds(20));
    }
  });
  Checker& first = Start(server.Url("/f"));
  ASSERT_TRUE(RunUntil([&] { return first.received > 500'000; }));
  // Ten times the first byte is a second; what is left takes 200 ms, and then half a minute.
  FetchOptions little;
  little.remaining = 200'000;
  Checker& waits = Start(server.Url("/f"), Part(kMiB, 2 * kMiB), little);
  FetchOptions much;
  much.remaining = 30'000'000;
  Checker& opens = Start(server.Url("/f"), Part(2 * kMiB, 3 * kMiB), much);
  ASSERT_TRUE(RunUntil([&] { return opens.received > 0; }));
  EXPECT_FALSE(waits.opened);
  client().Stop(first.id);
  client().Stop(opens.id);
  ASSERT_TRUE(RunUntil([&] { return waits.received > 0; }))
      << "with nothing running it is the first";
}

TEST_F(OpeningTest, OriginsDoNotWaitForEachOther) {
  TestServer black_hole(
      [](const TestRequest&, TestServer::Connection& connection) { connection.WaitForClient(); });
  TestServer server([](const TestRequest& request, TestServer::Connection& connection) {
    ServeFile(request, connection, kMiB);
  });
  StartMany(black_hole, 20);
  Checker& checker = Start(server.Url("/f"));
  EXPECT_EQ(EndOf(checker).kind, Kind::kDone);
  ASSERT_TRUE(RunUntil([&] { return !black_hole.accepted().empty(); }));
  RunFor(milliseconds(300));
  EXPECT_EQ(black_hole.accepted().size(), 1u) << "an unanswered probe stays the only one";
}

}  // namespace
}  // namespace blobd::http
