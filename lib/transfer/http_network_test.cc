#include "transfer/http_network.h"

#include <atomic>
#include <filesystem>
#include <thread>

#include "transfer/http_network_for_test.h"

namespace blobd::transfer {
namespace {

using http::TestRequest;
using http::TestServer;
using schedule::Outcome;
using Connection = http::TestServer::Connection;

constexpr uint64_t kSize = 3 * (1 << 20) + 77;
constexpr TransferId kGet{1};

void ServeOne(const TestRequest& request, Connection& connection) {
  http::ServeFile(request, connection, kSize);
}

TEST_F(HttpNetworkTest, GetsABlobAndTellsItOnce) {
  TestServer server(ServeOne);
  const store::TestBlob blob = BlobOf(kSize);
  network().StartGet(kGet, server.Url("/f"), {{blob.hash, BlobFormat::kRaw}});
  EXPECT_EQ(EndOf(kGet).outcome, Outcome::kDone) << EndOf(kGet).reason;
  EXPECT_EQ(progress_[kGet].verified_bytes, kSize);
  EXPECT_EQ(progress_[kGet].total_bytes, kSize);
  store_.ExpectComplete(blob);
}

TEST_F(HttpNetworkTest, WhatIsThereIsNotAskedFor) {
  TestServer server(ServeOne);
  const store::TestBlob blob = BlobOf(kSize);
  store_.Put(blob);
  network().StartGet(kGet, server.Url("/f"), {{blob.hash, BlobFormat::kRaw}});
  EXPECT_EQ(EndOf(kGet).outcome, Outcome::kDone) << EndOf(kGet).reason;
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(HttpNetworkTest, TellsThatOurOwnLimitHoldsItBack) {
  TestServer server(ServeOne);
  const store::TestBlob blob = BlobOf(kSize);
  limit_ = std::make_unique<Throttle>(*loop_);
  network();
  limit_->SetRate(100'000);
  network().StartGet(kGet, server.Url("/f"), {{blob.hash, BlobFormat::kRaw}});
  RunUntil([&] { return !held_back_.empty(); });
  ASSERT_FALSE(held_back_.empty());
  EXPECT_TRUE(held_back_.front());
  limit_->SetRate(std::nullopt);
  EXPECT_EQ(EndOf(kGet).outcome, Outcome::kDone) << EndOf(kGet).reason;
  store_.ExpectComplete(blob);
}

TEST_F(HttpNetworkTest, WrongContentIsNoBlob) {
  TestServer server(ServeOne);
  const store::TestBlob blob(kSize, 5);
  network().StartGet(kGet, server.Url("/f"), {{blob.hash, BlobFormat::kRaw}});
  EXPECT_EQ(EndOf(kGet).outcome, Outcome::kWrongContent) << EndOf(kGet).reason;
  EXPECT_EQ(store_.Lookup(blob.hash).groups, RangeSet());
}

TEST_F(HttpNetworkTest, AListOfTooManyChildrenIsNotTakenOn) {
  options_.limits.max_children = 3;
  TestServer server([](const TestRequest& request, Connection& connection) {
    http::ServeFile(request, connection, uint64_t{4} * 32);
  });
  const store::TestBlob list = BlobOf(uint64_t{4} * 32);
  network().StartGet(kGet, server.Url("/{hash}"), {{list.hash, BlobFormat::kHashSeq}});
  EXPECT_NE(EndOf(kGet).outcome, Outcome::kDone);
  EXPECT_EQ(progress_[kGet].received_bytes, 0u) << EndOf(kGet).reason;
  EXPECT_EQ(store_.Lookup(list.hash).groups, RangeSet());
}

// Most are small, so that they are expected to be; a few are not, one is not there, and two are the
// same.
TEST_F(HttpNetworkTest, ManySmallChildrenAndSomeLargeOnes) {
  std::map<std::string, uint64_t> sizes;  // by path
  Bytes list;
  const auto add = [&](uint64_t size) {
    const Hash hash = BlobOf(size).hash;
    sizes["/" + hash.ToHex()] = size;
    list.insert(list.end(), hash.bytes.begin(), hash.bytes.end());
  };
  for (uint64_t i = 0; i < 200; ++i) add(i % 50 == 49 ? kSize + i : i);
  add(150);
  const store::TestBlob lacking(77, 1);
  list.insert(list.end(), lacking.hash.bytes.begin(), lacking.hash.bytes.end());
  const store::TestBlob root(list);
  ASSERT_TRUE(store_.PutSmall(root.hash, root.content).ok());
  TestServer server([&](const TestRequest& request, Connection& connection) {
    const auto it = sizes.find(request.path);
    if (it != sizes.end()) return http::ServeFile(request, connection, it->second);
    connection.Send(http::HeadText("404 Not Found", {"Content-Length: 0"}));
  });
  network().StartGet(kGet, server.Url("/{hash}"), {{root.hash, BlobFormat::kHashSeq}});
  EXPECT_EQ(EndOf(kGet).outcome, Outcome::kNotHere) << EndOf(kGet).reason;
  uint64_t all = 0;
  for (const auto& [path, size] : sizes) {
    store_.ExpectComplete(BlobOf(size));
    all += size;
  }
  EXPECT_EQ(progress_[kGet].verified_bytes, all);
  EXPECT_GE(progress_[kGet].received_bytes, all);
  EXPECT_LE(progress_[kGet].received_bytes, all + 4 * store::kGroupSize);
  std::map<std::string, size_t> asked;
  for (const TestRequest& request : server.requests()) ++asked[request.path];
  for (const auto& [path, size] : sizes) {
    if (size > 0 && size < 200) {
      EXPECT_EQ(asked[path], 1u) << size;
    }
  }
  EXPECT_EQ(asked["/" + lacking.hash.ToHex()], 1u);
}

// All transfers of a blob share what comes of it, also of a file without a size.
TEST_F(HttpNetworkTest, TwoTransfersOfAFileWithoutASizeAreOneStream) {
  std::atomic<bool> may_end = false;
  TestServer server([&](const TestRequest&, Connection& connection) {
    connection.Send(http::HeadText("200 OK", {"Connection: close"}));
    connection.Send(http::Pattern(0, kSize / 2));
    while (!may_end && connection.Send("")) std::this_thread::yield();
    connection.Send(http::Pattern(kSize / 2, kSize));
    connection.Close();
  });
  const store::TestBlob blob = BlobOf(kSize);
  const TransferId other{2};
  network().StartGet(kGet, server.Url("/f"), {{blob.hash, BlobFormat::kRaw}});
  RunUntil([&] { return progress_[kGet].received_bytes > 0; });
  network().StartGet(other, server.Url("/same"), {{blob.hash, BlobFormat::kRaw}});
  RunUntil([&] { return server.requests().size() == 2 && server.open_connections() >= 1; });
  may_end = true;
  EXPECT_EQ(EndOf(kGet).outcome, Outcome::kDone) << EndOf(kGet).reason;
  EXPECT_EQ(EndOf(other).outcome, Outcome::kDone) << EndOf(other).reason;
  EXPECT_EQ(progress_[kGet].verified_bytes, kSize);
  EXPECT_EQ(progress_[other].verified_bytes, 0u);
  store_.ExpectComplete(blob);
}

TEST_F(HttpNetworkTest, StoppedItEndsAndItsConnectionCloses) {
  std::atomic<bool> client_left = false;
  TestServer server([&](const TestRequest& request, Connection& connection) {
    connection.Send(http::GoodHead(request, kSize));
    connection.Send(http::Pattern(0, kSize / 2));
    connection.WaitForClient();
    client_left = true;
  });
  network().StartGet(kGet, server.Url("/f"), {{BlobOf(kSize).hash, BlobFormat::kRaw}});
  RunUntil([&] { return progress_[kGet].received_bytes > 0; });
  network().StopGet(kGet);
  EXPECT_EQ(EndOf(kGet).outcome, Outcome::kStopped);
  RunUntil([&] { return client_left.load(); });
  network().StopGet(kGet);  // unknown by now
  network().LowerLimit(kGet, 1);
}

// Nobody wants it any more: what came without proof goes with the transfer.
TEST_F(HttpNetworkTest, WhatIsForgottenLeavesNothing) {
  TestServer server([&](const TestRequest& request, Connection& connection) {
    connection.Send(http::GoodHead(request, kSize));
    connection.Send(http::Pattern(0, kSize / 2));
    connection.WaitForClient();
  });
  const store::TestBlob blob = BlobOf(kSize);
  network().StartGet(kGet, server.Url("/f"), {{blob.hash, BlobFormat::kRaw}});
  RunUntil([&] { return progress_[kGet].unproven_bytes > 0; });
  network().Forget(blob.hash);
  network().StopGet(kGet);
  EXPECT_EQ(EndOf(kGet).outcome, Outcome::kStopped);
  const std::string data = store_.layout().Partial(blob.hash).data;
  RunUntil([&] { return !std::filesystem::exists(data); });
}

// Three gets of an origin, each of which is held by its server until it is let go.
class ConnectionsTest : public HttpNetworkTest {
 protected:
  size_t MostAtOnce(const std::function<void(const http::Origin&)>& configure) {
    std::atomic<bool> may_end = false;
    TestServer server([&](const TestRequest& request, Connection& connection) {
      connection.Send(http::GoodHead(request, kSize));
      while (!may_end && connection.Send("")) std::this_thread::yield();
      connection.Send(http::Pattern(0, kSize));
      connection.Close();
    });
    configure(http::Url::Parse(server.Url("/"))->origin());
    for (uint64_t i = 1; i <= 3; ++i) {
      const store::TestBlob blob(1000, i);
      network().StartGet(TransferId{i}, server.Url("/f"), {{blob.hash, BlobFormat::kRaw}});
    }
    RunUntil([&] { return server.open_connections() > 0; });
    // Whoever may open does so in the same turn.
    const Instant soon = SystemClock().Now() + milliseconds(200);
    RunUntil([&] { return SystemClock().Now() > soon; });
    may_end = true;
    for (uint64_t i = 1; i <= 3; ++i) EndOf(TransferId{i});
    return server.most_connections();
  }
};

TEST_F(ConnectionsTest, ANumberForAllHoldsAtOnce) {
  EXPECT_EQ(MostAtOnce([&](const http::Origin&) { network().SetConnections(1); }), 1u);
}

TEST_F(ConnectionsTest, ItIsNotForOriginsWithTheirOwn) {
  EXPECT_EQ(MostAtOnce([&](const http::Origin& origin) {
              http::OriginConfig& own = options_.client.origins.named[origin];
              own = options_.client.origins.defaults;
              own.ramp.cap = 2;
              own.own_cap = true;
              network().SetConnections(1);
            }),
            2u);
}

TEST_F(ConnectionsTest, AnOriginThatOnlyHasHeadersOfItsOwnFollows) {
  EXPECT_EQ(MostAtOnce([&](const http::Origin& origin) {
              http::OriginConfig& named = options_.client.origins.named[origin];
              named = options_.client.origins.defaults;
              named.headers = {{"X-Token", "abc"}};
              network().SetConnections(1);
            }),
            1u);
}

TEST_F(HttpNetworkTest, AConfigurationThatCannotWorkIsRefused) {
  options_.client.origins.defaults.ramp.cap = 0;
  const auto made = HttpNetwork::Create(
      {*loop_, *loop_, workers_, store_.store(), SystemClock(), nullptr}, options_);
  EXPECT_EQ(made.status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace blobd::transfer
