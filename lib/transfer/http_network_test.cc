#include "transfer/http_network.h"

#include <fmt/format.h>

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

// A server of files of many sizes by their hashes, and lists of them.
class ListTest : public HttpNetworkTest {
 protected:
  // How it sends a file: as ServeFile, or with nothing that tells its length.
  enum class Way { kParts, kWhole, kChunked };

  void Add(uint64_t size) {
    const Hash hash = BlobOf(size).hash;
    sizes_["/" + hash.ToHex()] = size;
    AddHash(hash);
  }
  void AddHash(const Hash& hash) {
    list_.insert(list_.end(), hash.bytes.begin(), hash.bytes.end());
  }
  // The list so far, which is in the store then.
  Kind Root() {
    const store::TestBlob root(list_);
    EXPECT_TRUE(store_.PutSmall(root.hash, root.content).ok());
    return {root.hash, BlobFormat::kHashSeq};
  }
  void Serve(const TestRequest& request, Connection& connection, Way way) {
    const auto it = sizes_.find(request.path);
    if (it == sizes_.end()) {
      connection.Send(http::HeadText("404 Not Found", {"Content-Length: 0"}));
      return;
    }
    const uint64_t size = it->second;
    if (way == Way::kParts) return http::ServeFile(request, connection, size);
    const std::string length = fmt::format("Content-Length: {}", size);
    connection.Send(http::HeadText("200 OK", {way == Way::kWhole ? length : "Connection: close"}));
    // Head and body come apart.
    std::this_thread::sleep_for(milliseconds(1));
    connection.Send(http::Pattern(0, size));
    if (way == Way::kChunked) connection.Close();
  }
  std::map<std::string, size_t> Asked(const TestServer& server) {
    std::map<std::string, size_t> asked;
    for (const TestRequest& request : server.requests()) ++asked[request.path];
    return asked;
  }
  uint64_t ExpectAllComplete() {
    uint64_t all = 0;
    for (const auto& [path, size] : sizes_) {
      store_.ExpectComplete(BlobOf(size));
      all += size;
    }
    return all;
  }

  std::map<std::string, uint64_t> sizes_;  // by path
  Bytes list_;
};

// Most are small, so that they are expected to be; a few are not, one is not there, and two are the
// same.
TEST_F(ListTest, ManySmallChildrenAndSomeLargeOnes) {
  for (const Way way : {Way::kParts, Way::kWhole, Way::kChunked}) {
    SCOPED_TRACE(static_cast<int>(way));
    const uint64_t first = 1 + 1000 * static_cast<uint64_t>(way);
    const TransferId id{1 + static_cast<uint64_t>(way)};
    sizes_.clear();
    list_.clear();
    for (uint64_t i = first; i < first + 200; ++i) Add(i % 50 == 49 ? kSize + i : i);
    Add(first + 150);
    const store::TestBlob lacking(77, 1);
    AddHash(lacking.hash);
    TestServer server([&](const TestRequest& request, Connection& connection) {
      Serve(request, connection, way);
    });
    network().StartGet(id, server.Url("/{hash}"), {Root()});
    EXPECT_EQ(EndOf(id).outcome, Outcome::kNotHere) << EndOf(id).reason;
    const uint64_t all = ExpectAllComplete();
    EXPECT_EQ(progress_[id].verified_bytes, all);
    EXPECT_GE(progress_[id].received_bytes, all);
    EXPECT_LE(progress_[id].received_bytes, all + 4 * store::kGroupSize);
    const auto asked = Asked(server);
    for (const auto& [path, size] : sizes_) {
      if (size < kSize) {
        EXPECT_EQ(asked.at(path), 1u) << size;
      }
    }
    EXPECT_EQ(asked.at("/" + lacking.hash.ToHex()), 1u);
  }
}

TEST_F(ListTest, ChildrenOfTwoListsComeOnce) {
  for (uint64_t i = 1; i <= 400; ++i) Add(i);
  const Kind one = Root();
  Add(401);
  const Kind two = Root();
  TestServer server([&](const TestRequest& request, Connection& connection) {
    Serve(request, connection, Way::kParts);
  });
  const TransferId other{2};
  network().StartGet(kGet, server.Url("/{hash}"), {one});
  network().StartGet(other, server.Url("/{hash}"), {two});
  EXPECT_EQ(EndOf(kGet).outcome, Outcome::kDone) << EndOf(kGet).reason;
  EXPECT_EQ(EndOf(other).outcome, Outcome::kDone) << EndOf(other).reason;
  const uint64_t all = ExpectAllComplete();
  // The first ones both may ask for: not before the answer is it known what comes.
  EXPECT_LE(server.requests().size(), 401u + 200);
  EXPECT_LE(progress_[kGet].received_bytes + progress_[other].received_bytes, all + all / 2);
}

TEST_F(ListTest, StoppedInTheMidstOfSmallOnesItEnds) {
  for (uint64_t i = 1; i <= 400; ++i) Add(i);
  const Kind root = Root();
  TestServer server([&](const TestRequest& request, Connection& connection) {
    Serve(request, connection, Way::kParts);
  });
  network().StartGet(kGet, server.Url("/{hash}"), {root});
  const TransferId other{2};
  network().StartGet(other, server.Url("/{hash}"), {root});
  RunUntil([&] { return server.requests().size() > 200; });
  network().StopGet(kGet);
  EXPECT_EQ(EndOf(kGet).outcome, Outcome::kStopped) << EndOf(kGet).reason;
  EXPECT_EQ(EndOf(other).outcome, Outcome::kDone) << EndOf(other).reason;
  ExpectAllComplete();
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
