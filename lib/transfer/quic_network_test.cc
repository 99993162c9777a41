// QuicNetwork over real sockets: what becomes of a transfer when another connection takes the place
// of its own. The node is two endpoints with one identity, so it follows no move from one to the
// other: each knows only its own connections.
#include "transfer/quic_network.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "quic/udp_socket.h"
#include "store/disk_store_for_test.h"
#include "transfer/upload_server.h"

namespace blobd::transfer {
namespace {

constexpr TransferId kGet{1};

class QuicNetworkTest : public testing::Test, public NodeNetworkSink, public UploadSink {
 protected:
  // One of the node's endpoints.
  struct Place {
    std::shared_ptr<quic::Endpoint> endpoint;
    std::unique_ptr<UploadServer> server;
  };

  QuicNetworkTest() {
    served_.Put(blob_);
    for (Place& place : places_) {
      place.endpoint = std::move(*quic::Endpoint::Open(*loop_, identity_, OnLoopback()));
      ServeOptions options;
      options.mode = ServeMode::kAnyone;
      place.server = std::make_unique<UploadServer>(
          UploadServer::Deps{*loop_, *loop_, workers_, served_.store(), SystemClock()},
          place.endpoint, std::move(options), this);
    }
    quic::EndpointOptions ours = OnLoopback();
    // Slow enough that something happens meanwhile.
    ours.stream_window = 64 * 1024;
    ours.connection_window = 256 * 1024;
    ours.dial_timeout = seconds(2);
    network_ = std::make_unique<QuicNetwork>(
        QuicNetwork::Deps{*loop_, *loop_, workers_, got_.store(), SystemClock()},
        std::move(*quic::Endpoint::Open(*loop_, quic::Identity::Generate(), ours)),
        QuicNetworkOptions());
    network_->SetSink(this);
  }
  ~QuicNetworkTest() override {
    network_.reset();
    for (Place& place : places_) {
      place.server.reset();
      place.endpoint.reset();
    }
  }

  static quic::EndpointOptions OnLoopback() {
    quic::EndpointOptions options;
    options.listen = SocketAddress::V4({127, 0, 0, 1}, 0);
    return options;
  }
  SocketAddress AddressOf(size_t place) const { return places_[place].endpoint->local_address(); }
  void Leave(size_t place) {
    places_[place].server.reset();  // its connections are closed
  }
  void Connect() {
    network_->Dial(node_, {AddressOf(0)}, false);
    RunUntil([this] { return connected_; });
    network_->StartGet(kGet, node_, {{blob_.hash, BlobFormat::kRaw}});
    RunUntil([this] { return progress_.verified_bytes > 0; });
  }
  template <typename Done>
  void RunUntil(Done done) {
    bool late = false;
    const loop::TimerId limit = loop_->AddTimer(loop_->Now() + seconds(60), [&] {
      late = true;
      loop_->Stop();
    });
    std::function<void()> look = [&] {
      if (done()) return loop_->Stop();
      tick_ = loop_->AddTimer(loop_->Now() + milliseconds(1), [&] { look(); });
    };
    look();
    loop_->Run();
    loop_->CancelTimer(limit);
    loop_->CancelTimer(tick_);
    ASSERT_FALSE(late) << "not in time";
  }
  void ExpectDone() {
    RunUntil([this] { return ends_.size() == 1; });
    EXPECT_EQ(ends_.at(0).outcome, schedule::Outcome::kDone) << ends_.at(0).reason;
    EXPECT_EQ(progress_.verified_bytes, blob_.size()) << "nothing is verified twice";
    got_.ExpectComplete(blob_);
  }

  // NodeNetworkSink
  void OnConnected(const NodeId&, const SocketAddress&, Duration) override { connected_ = true; }
  void OnAttemptFailed(const NodeId&, const SocketAddress&, std::string) override {}
  void OnDialFailed(const NodeId&, bool, std::string reason) override { FAIL() << reason; }
  void OnDisconnected(const NodeId&, bool, std::string) override { ++disconnected_; }
  void OnPathRtt(const NodeId&, Duration, Instant) override {}
  void OnPathDark(const NodeId&) override {}
  void OnMoved(const NodeId&, const SocketAddress&) override { FAIL(); }
  void OnReplaced(const NodeId& node, const SocketAddress& at, Duration) override {
    EXPECT_EQ(node, node_);
    replaced_.push_back(at);
  }
  void OnMoveFailed(const NodeId&, const SocketAddress& to, bool not_yet) override {
    EXPECT_FALSE(not_yet);
    move_failed_.push_back(to);
  }
  void OnProbeAnswered(const NodeId&, const SocketAddress&, Duration) override {}
  void OnGetProgress(TransferId, const GetProgress& progress) override { progress_ = progress; }
  void OnGetHeldBack(TransferId, bool held_back) override { held_back_.push_back(held_back); }
  void OnGetContent(TransferId, const GetContent&) override {}
  void OnBoundary(TransferId, uint64_t) override {}
  void OnGetEnded(TransferId, const GetProgress& progress, const GetEnd& end) override {
    progress_ = progress;
    ends_.push_back(end);
  }
  // UploadSink
  void OnRotten(const Hash&, const RangeSet&) override { FAIL(); }

  const store::TestBlob blob_{20'000'000, 1};
  store::TestDirectory served_directory_;
  store::TestDirectory got_directory_;
  store::StoreUnderTest served_{served_directory_.path()};
  store::StoreUnderTest got_{got_directory_.path()};
  const std::unique_ptr<loop::Loop> loop_ = std::move(*loop::Loop::Create());
  loop::WorkerPool workers_{4};
  const quic::Identity identity_ = quic::Identity::Generate();
  const NodeId node_ = identity_.node_id();
  std::array<Place, 2> places_;
  std::unique_ptr<QuicNetwork> network_;
  loop::TimerId tick_ = 0;

  bool connected_ = false;
  int disconnected_ = 0;
  std::vector<SocketAddress> replaced_;
  std::vector<SocketAddress> move_failed_;
  GetProgress progress_;
  std::vector<bool> held_back_;
  std::vector<GetEnd> ends_;
};

TEST_F(QuicNetworkTest, AnotherConnectionTakesTheTransferOver) {
  Connect();
  network_->Reconnect(node_, AddressOf(1));
  RunUntil([this] { return !replaced_.empty(); });
  EXPECT_EQ(replaced_.at(0), AddressOf(1));
  EXPECT_TRUE(ends_.empty());
  Leave(0);  // nothing needs it any more
  ExpectDone();
  EXPECT_EQ(disconnected_, 0);
}

TEST_F(QuicNetworkTest, ThereAndBackAgain) {
  Connect();
  for (size_t i = 1; i <= 4; ++i) {
    network_->Reconnect(node_, AddressOf(i % 2));
    RunUntil([&] { return replaced_.size() == i; });
  }
  ExpectDone();
}

TEST_F(QuicNetworkTest, TheOldConnectionMayEndMeanwhile) {
  Connect();
  network_->Reconnect(node_, AddressOf(1));
  Leave(0);
  ExpectDone();
  EXPECT_EQ(replaced_.size(), 1u);
  EXPECT_EQ(disconnected_, 0);
}

TEST_F(QuicNetworkTest, ADialThatComesToNothingLeavesTheConnectionAsItWas) {
  Connect();
  const auto nobody = std::move(*quic::UdpSocket::Open(SocketAddress::V4({127, 0, 0, 1}, 0)));
  network_->Reconnect(node_, nobody->local_address());
  RunUntil([this] { return !move_failed_.empty(); });
  EXPECT_EQ(move_failed_.at(0), nobody->local_address());
  ExpectDone();
  EXPECT_TRUE(replaced_.empty());
}

TEST_F(QuicNetworkTest, WithNeitherConnectionTheTransferEnds) {
  Connect();
  const auto nobody = std::move(*quic::UdpSocket::Open(SocketAddress::V4({127, 0, 0, 1}, 0)));
  network_->Reconnect(node_, nobody->local_address());
  Leave(0);
  RunUntil([this] { return ends_.size() == 1 && disconnected_ == 1; });
  EXPECT_EQ(ends_.at(0).outcome, schedule::Outcome::kRetryLater) << ends_.at(0).reason;
  EXPECT_TRUE(move_failed_.empty());
}

TEST_F(QuicNetworkTest, ADisconnectGivesBothUp) {
  Connect();
  network_->Reconnect(node_, AddressOf(1));
  network_->Disconnect(node_);
  RunUntil([this] { return ends_.size() == 1; });
  EXPECT_EQ(ends_.at(0).outcome, schedule::Outcome::kStopped);
  EXPECT_TRUE(replaced_.empty());
  EXPECT_EQ(disconnected_, 0);
}

}  // namespace
}  // namespace blobd::transfer
