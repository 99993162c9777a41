#include "http/client.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "base/units.h"
#include "http/fetching_for_test.h"

namespace blobd::http {
namespace {

using Kind = FetchEnd::Kind;

class ClientTest : public FetchingTest {
 protected:
  static void ServeMany(const TestRequest& request, TestServer::Connection& connection) {
    ServeFile(request, connection, 64 * kMiB);
  }
};

TEST_F(ClientTest, AsksHonestlyForBytesAsTheyAre) {
  TestServer server(ServeMany);
  options_.origins.defaults.headers = {{"X-Token", "abc"}};
  Checker& checker = Start(server.Url("/dir/f?q=1"), Part(kMiB, 2 * kMiB));
  EXPECT_EQ(EndOf(checker).kind, Kind::kDone) << checker.end->reason;
  EXPECT_EQ(checker.received, kMiB);
  ASSERT_TRUE(checker.content);
  EXPECT_EQ(checker.content->entity, (Entity{true, 64 * kMiB, "\"one\"", ""}));
  const TestRequest request = server.requests().at(0);
  EXPECT_EQ(request.path, "/dir/f?q=1");
  EXPECT_EQ(request.Header("user-agent"), "blobd/test");
  EXPECT_EQ(request.Header("accept-encoding"), "identity");
  EXPECT_EQ(request.Header("range"), "bytes=1048576-2097151");
  EXPECT_EQ(request.Header("x-token"), "abc");
}

TEST_F(ClientTest, NothingWantedIsDoneWithoutARequest) {
  TestServer server(ServeMany);
  EXPECT_EQ(EndOf(Start(server.Url("/f"), Part(5, 5))).kind, Kind::kDone);
  Ask empty;
  empty.size = 0;
  EXPECT_EQ(EndOf(Start(server.Url("/f"), empty)).kind, Kind::kDone);
  EXPECT_EQ(server.accepted().size(), 0u);
}

TEST_F(ClientTest, AnEmptyFileIsDone) {
  TestServer server([](const TestRequest&, TestServer::Connection& connection) {
    connection.Send(HeadText("200 OK", {"Content-Length: 0"}));
  });
  Checker& checker = Start(server.Url("/f"));
  EXPECT_EQ(EndOf(checker).kind, Kind::kDone);
  EXPECT_EQ(checker.content->entity.size, 0u);
  EXPECT_EQ(client().ViewOf(Url::Parse(server.Url("/"))->origin()).cap, 8u);
}

TEST_F(ClientTest, ConnectionsAreUsedAgain) {
  TestServer server(ServeMany);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(EndOf(Start(server.Url("/f"), Part(0, 1000))).kind, Kind::kDone);
  }
  EXPECT_EQ(server.accepted().size(), 1u);
  EXPECT_EQ(server.requests().size(), 5u);
}

TEST_F(ClientTest, AConnectionThatDiedIdleIsReplaced) {
  TestServer server([](const TestRequest& request, TestServer::Connection& connection) {
    ServeFile(request, connection, kMiB);
    connection.Close();  // without saying so before
  });
  for (int i = 0; i < 3; ++i) {
    const FetchEnd& end = EndOf(Start(server.Url("/f")));
    EXPECT_EQ(end.kind, Kind::kDone) << end.reason;
  }
}

TEST_F(ClientTest, AFullReceiverStopsItsSender) {
  options_.stall = seconds(2);
  TestServer server(ServeMany);
  FetchOptions options;
  options.window = 256 * kKiB;
  Checker& checker = Start(server.Url("/f"), {}, options);
  checker.consume = false;
  ASSERT_TRUE(RunUntil([&] { return checker.received >= options.window; }));
  RunFor(options_.stall * 2);
  EXPECT_LE(checker.received, options.window + 128 * kKiB) << "a window and one buffer";
  EXPECT_FALSE(checker.end) << "its own pause is no stall";
  checker.consume = true;
  client().Consumed(checker.id, checker.received);
  EXPECT_EQ(EndOf(checker).kind, Kind::kDone) << checker.end->reason;
  EXPECT_EQ(checker.received, 64 * kMiB);
}

TEST_F(ClientTest, AllReceiversTogetherHaveABudget) {
  TestServer server(ServeMany);
  options_.origins.defaults.ramp.ramp = false;
  options_.receive_budget = 2 * kMiB;
  std::vector<Checker*> full;
  for (int i = 0; i < 4; ++i) {
    full.push_back(&Start(server.Url("/f")));
    full.back()->consume = false;
  }
  const auto received = [&] {
    uint64_t sum = 0;
    for (const Checker* each : full) sum += each->received;
    return sum;
  };
  // The half, a quarter, and twice the least.
  ASSERT_TRUE(RunUntil([&] { return received() >= 2 * kMiB; }));
  RunFor(milliseconds(700));
  EXPECT_LE(received(), 2 * kMiB + 4 * 128 * kKiB) << "windows, and one buffer each";
  for (size_t i = 0; i < 3; ++i) client().Stop(full[i]->id);
  const uint64_t before = full[3]->received;
  ASSERT_TRUE(RunUntil([&] { return full[3]->received > before; })) << "it gets what others left";
}

TEST_F(ClientTest, AFullReceiverHoldsNobodyElse) {
  TestServer server(ServeMany);
  options_.origins.defaults.ramp.ramp = false;
  Checker& full = Start(server.Url("/f"));
  full.consume = false;
  Checker& other = Start(server.Url("/g"));
  EXPECT_EQ(EndOf(other).kind, Kind::kDone);
  EXPECT_FALSE(full.end);
}

TEST_F(ClientTest, AStoppedFetchIsNotHeardOfAgain) {
  TestServer server(ServeMany);
  Checker& checker = Start(server.Url("/f"));
  checker.on_bytes = [&] { client().Stop(checker.id); };  // from within
  ASSERT_TRUE(RunUntil([&] { return checker.received > 0; }));
  const uint64_t received = checker.received;
  ASSERT_TRUE(RunUntil([&] { return server.open_connections() == 0; })) << "it is closed";
  EXPECT_EQ(checker.received, received);
  EXPECT_FALSE(checker.end);
  EXPECT_EQ(client().fetches(), 0u);
  client().Stop(checker.id);
  client().Consumed(checker.id, 0);
  EXPECT_FALSE(client().LowerEnd(checker.id, 5));
}

TEST_F(ClientTest, AWaitingFetchCanBeStoppedAndBlocksNobody) {
  TestServer server(ServeMany);
  options_.origins.defaults.ramp.cap = 1;
  Checker& first = Start(server.Url("/f"));
  Checker& second = Start(server.Url("/f"));
  Checker& third = Start(server.Url("/f"));
  ASSERT_TRUE(RunUntil([&] { return first.received > 0; }));
  client().Stop(second.id);
  EXPECT_EQ(EndOf(third).kind, Kind::kDone);
  EXPECT_EQ(first.end->kind, Kind::kDone);
  EXPECT_FALSE(second.opened);
}

TEST_F(ClientTest, GoesAwayInTheMiddle) {
  TestServer server(ServeMany);
  options_.origins.defaults.ramp.ramp = false;
  for (int i = 0; i < 12; ++i) Start(server.Url("/f"));
  ASSERT_TRUE(RunUntil([&] { return checkers_[3]->received > 0; }));
  client_.reset();
  EXPECT_TRUE(RunUntil([&] { return server.open_connections() == 0; }));
}

TEST_F(ClientTest, AnEndIsLoweredWhileItRuns) {
  TestServer server(ServeMany);
  Checker& checker = Start(server.Url("/f"), Part(0, 32 * kMiB));
  checker.consume = false;  // until then: a busy machine may have got all of it at once
  ASSERT_TRUE(RunUntil([&] { return checker.received > 0; }));
  const uint64_t end = 20 * kMiB + 5;
  ASSERT_LT(checker.received, end);
  EXPECT_EQ(client().LowerEnd(checker.id, end), end);
  checker.consume = true;
  client().Consumed(checker.id, checker.received);
  EXPECT_EQ(client().LowerEnd(checker.id, 25 * kMiB), end) << "never raised";
  EXPECT_EQ(EndOf(checker).kind, Kind::kDone);
  EXPECT_EQ(checker.received, end);
}

TEST_F(ClientTest, AnEndIsLoweredToWhereItIs) {
  TestServer server(ServeMany);
  Checker& checker = Start(server.Url("/f"));
  std::optional<uint64_t> boundary;
  checker.on_bytes = [&] { boundary = client().LowerEnd(checker.id, 1); };
  EXPECT_EQ(EndOf(checker).kind, Kind::kDone);
  EXPECT_EQ(boundary, checker.received);
}

TEST_F(ClientTest, AnEndIsLoweredBeforeItsTurn) {
  TestServer server(ServeMany);
  options_.origins.defaults.ramp.cap = 1;
  Start(server.Url("/f"), Part(0, kMiB));
  Checker& waiting = Start(server.Url("/f"), Part(kMiB, 9 * kMiB));
  EXPECT_EQ(client().LowerEnd(waiting.id, 2 * kMiB), 2 * kMiB);
  EXPECT_EQ(EndOf(waiting).kind, Kind::kDone);
  EXPECT_EQ(waiting.received, kMiB);
  EXPECT_EQ(server.requests().back().Header("range"), "bytes=1048576-2097151");
}

TEST_F(ClientTest, TooManyFetchesAreRefusedAtOnce) {
  TestServer server(ServeMany);
  options_.max_fetches = 3;
  for (int i = 0; i < 3; ++i) Start(server.Url("/f"));
  EXPECT_EQ(EndOf(Start(server.Url("/f"))).kind, Kind::kLocalFault);
}

TEST_F(ClientTest, OneThatIsRefusedCanBeStopped) {
  TestServer server(ServeMany);
  options_.max_fetches = 1;
  Start(server.Url("/f"));
  auto goes = std::make_unique<Checker>(client());
  const FetchId id = client().Start(*Url::Parse(server.Url("/f")), {}, {}, goes.get());
  client().Stop(id);
  goes = nullptr;
  RunFor(milliseconds(10));
  EXPECT_EQ(client().fetches(), 1u);
}

TEST_F(ClientTest, ReceiversMayStartAndStopFromWithin) {
  TestServer server(ServeMany);
  Checker& first = Start(server.Url("/f"), Part(0, kMiB));
  Checker* second = nullptr;
  first.on_bytes = [&] {
    if (second == nullptr) second = &Start(server.Url("/g"), Part(0, kMiB));
  };
  EXPECT_EQ(EndOf(first).kind, Kind::kDone);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(EndOf(*second).kind, Kind::kDone);
}

TEST_F(ClientTest, RefusesConfigurationsThatCannotWork) {
  const auto refuses = [&](OriginConfig config) {
    OriginConfigs origins;
    origins.defaults = std::move(config);
    return !client().SetOrigins(origins).ok();
  };
  EXPECT_FALSE(refuses({}));
  OriginConfig config;
  config.ramp.cap = 0;
  EXPECT_TRUE(refuses(config));
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"X", "a\r\nY: b"},
                                                        {"X\r\nY", "a"},
                                                        {"X:", "a"},
                                                        {"", "a"},
                                                        {"X", ""},
                                                        {"Range", "bytes=0-"},
                                                        {"HOST", "a"},
                                                        {"accept-encoding", "gzip"},
                                                        {"X", "\xc3\xa9"}}) {
    config = {};
    config.headers = {{name, value}};
    EXPECT_TRUE(refuses(config)) << name;
  }
  for (const char* proxy :
       {"proxy:8080", "ftp://proxy", "socks5://proxy", "http://", "http://a b"}) {
    config = {};
    config.proxy = proxy;
    EXPECT_TRUE(refuses(config)) << proxy;
  }
}

}  // namespace
}  // namespace blobd::http
