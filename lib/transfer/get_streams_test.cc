#include "transfer/get_streams.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace blobd::transfer {
namespace {

using quic::ConnectionId;
using quic::StreamId;

constexpr ConnectionId kConnection{7};

// Runs at once what is posted to it: there is one thread here.
class Inline final : public Executor {
 public:
  void Post(Task task) override { task(); }
};

class FakeEndpoint final : public quic::Endpoint {
 public:
  StatusOr<StreamId> OpenRequest(ConnectionId id, Bytes request,
                                 quic::StreamReader* reader) override {
    if (gone || id != kConnection) return NotFound("the connection is gone");
    if (readers.size() >= allowed) return ResourceExhausted("the peer allows no further stream");
    requests.push_back(std::move(request));
    readers[next_] = reader;
    return std::exchange(next_, next_ + 4);
  }
  void Consumed(ConnectionId, StreamId stream, uint64_t bytes) override {
    consumed[stream] += bytes;
  }
  uint64_t Withhold(ConnectionId, StreamId stream, uint64_t bytes) override {
    const uint64_t taken = std::min(bytes, surplus);
    surplus -= taken;
    withheld[stream] += taken;
    return taken;
  }
  void StopStream(ConnectionId, StreamId stream, uint64_t) override {
    EXPECT_TRUE(stopped.insert(stream).second);
    readers.erase(stream);
  }

  NodeId node_id() const override { return {}; }
  SocketAddress local_address() const override { return {}; }
  ConnectionId Dial(const NodeId&, std::vector<SocketAddress>, quic::ConnectionObserver*) override {
    return kConnection;
  }
  void AddAddresses(ConnectionId, std::vector<SocketAddress>) override {}
  void KeepOpen(ConnectionId, bool) override {}
  void Move(ConnectionId, const SocketAddress&, bool) override {}
  std::optional<quic::PathState> PathOf(ConnectionId) const override { return std::nullopt; }
  void Probe(const NodeId&, const SocketAddress&) override {}
  void SetProbeObserver(quic::ProbeObserver*) override {}
  void CloseConnection(ConnectionId, uint64_t, std::string_view) override {}
  void SetAcceptor(quic::Acceptor*) override {}
  Status Send(ConnectionId, StreamId, Bytes, bool) override { return OkStatus(); }
  const quic::Silence* SilenceOf(ConnectionId) const override {
    return silence ? &*silence : nullptr;
  }
  quic::EndpointStats stats() const override { return {}; }

  bool gone = false;
  size_t allowed = 100;
  std::vector<Bytes> requests;
  std::map<StreamId, quic::StreamReader*> readers;
  std::map<StreamId, uint64_t> consumed;
  std::map<StreamId, uint64_t> withheld;
  uint64_t surplus = 0;  // of the connection's window
  std::set<StreamId> stopped;
  std::optional<quic::Silence> silence;

 private:
  StreamId next_ = 0;
};

class Recorder final : public GetReceiver {
 public:
  void OnBytes(uint64_t stream, Bytes bytes) override {
    received[stream] += bytes.size();
    pieces[stream].push_back(bytes.size());
  }
  void OnStreamEnd(uint64_t stream, StreamEnd end) override {
    EXPECT_TRUE(ends.emplace(stream, std::move(end)).second);
  }
  void Stop() override { ++stops; }

  std::map<uint64_t, uint64_t> received;
  std::map<uint64_t, std::vector<uint64_t>> pieces;
  std::map<uint64_t, StreamEnd> ends;
  int stops = 0;
};

class GetStreamsTest : public testing::Test {
 protected:
  void Open(uint64_t number, bool patient = false) {
    streams_.Open(kConnection, number, Bytes{1, 2, 3}, patient);
  }
  void Give(StreamId stream, size_t size) {
    const Bytes bytes(size);
    endpoint_.readers.at(stream)->OnData(bytes);
  }
  void Pass(Duration time) {
    now_ = now_ + time;
    streams_.CheckStalls(now_, seconds(10));
  }

  GetStreamShared Shared() {
    GetStreamShared shared{endpoint_, std::make_shared<Inline>(), receiver_,
                           [this] { ++flushes_wanted_; }, [this] { return now_; }};
    shared.being_replaced = [this] { return being_replaced_; };
    return shared;
  }

  FakeEndpoint endpoint_;
  std::shared_ptr<Recorder> receiver_ = std::make_shared<Recorder>();
  Instant now_ = Instant::FromNanos(1'000'000'000);
  int flushes_wanted_ = 0;
  bool being_replaced_ = false;
  GetStreams streams_{Shared()};
};

TEST_F(GetStreamsTest, BytesAreGatheredAndComeBeforeTheEnd) {
  Open(1);
  Open(2);
  Give(0, 100);
  Give(4, 7);
  Give(0, 50);
  EXPECT_TRUE(receiver_->received.empty());
  EXPECT_EQ(flushes_wanted_, 2);
  streams_.Flush();
  EXPECT_EQ(receiver_->received, (std::map<uint64_t, uint64_t>{{1, 150}, {2, 7}}));
  Give(4, 3);
  endpoint_.readers.at(4)->OnReset(3);
  EXPECT_EQ(receiver_->received.at(2), 10u);
  EXPECT_EQ(receiver_->ends.at(2).kind, StreamEnd::Kind::kReset);
  EXPECT_EQ(receiver_->ends.at(2).code, 3u);
  streams_.Consumed(1, 150);
  streams_.Consumed(2, 10);  // also of a stream that has ended
  EXPECT_EQ(endpoint_.consumed, (std::map<StreamId, uint64_t>{{0, 150}, {4, 10}}));
}

TEST_F(GetStreamsTest, WhileTheSessionIsBusyPiecesGrow) {
  Open(1);
  const auto pieces = [&] { return receiver_->pieces.at(1); };
  Give(0, 100);
  streams_.Flush();
  EXPECT_EQ(pieces(), (std::vector<uint64_t>{100}));
  for (int i = 0; i < 3; ++i) {
    Give(0, 50);
    streams_.Flush();
  }
  EXPECT_EQ(pieces().size(), 1u);
  streams_.Consumed(1, 100);
  EXPECT_EQ(pieces(), (std::vector<uint64_t>{100, 150}));
  // A large one does not wait, nor does what came before an end.
  Give(0, 300'000);
  EXPECT_EQ(pieces().size(), 3u);
  Give(0, 7);
  streams_.Flush();
  streams_.Consumed(1, 150);
  EXPECT_EQ(pieces().size(), 3u);
  endpoint_.readers.at(0)->OnFin();
  EXPECT_EQ(pieces(), (std::vector<uint64_t>{100, 150, 300'000, 7}));
  streams_.Consumed(1, 300'007);
  EXPECT_EQ(endpoint_.consumed.at(0), 300'257u);
}

TEST_F(GetStreamsTest, StoppingStopsEveryStreamAtOnce) {
  for (uint64_t number = 1; number <= 4; ++number) Open(number);
  endpoint_.allowed = 4;
  Open(5, true);
  Give(4, 1000);
  streams_.StopAll();
  streams_.StopAll();
  EXPECT_EQ(endpoint_.stopped, (std::set<StreamId>{0, 4, 8, 12}));
  EXPECT_EQ(receiver_->stops, 1);
  EXPECT_TRUE(receiver_->ends.empty());
  // What the session says before it has heard.
  Open(6);
  streams_.Consumed(2, 1000);
  streams_.Stop(1);
  EXPECT_EQ(endpoint_.requests.size(), 4u);
  EXPECT_FALSE(streams_.waiting());
}

TEST_F(GetStreamsTest, OneStreamIsStopped) {
  Open(1);
  Open(2);
  streams_.Stop(1);
  EXPECT_EQ(endpoint_.stopped, (std::set<StreamId>{0}));
  endpoint_.readers.at(4)->OnFin();
  EXPECT_EQ(receiver_->ends.size(), 1u);
  streams_.Stop(2);  // gives back the credit of what was not consumed
  EXPECT_EQ(endpoint_.stopped, (std::set<StreamId>{0, 4}));
}

TEST_F(GetStreamsTest, PatienceWaitsForAStream) {
  endpoint_.allowed = 1;
  Open(1);
  Open(2, false);
  EXPECT_EQ(receiver_->ends.at(2).kind, StreamEnd::Kind::kRefused);
  Open(3, true);
  EXPECT_TRUE(streams_.waiting());
  streams_.TryAgain();
  EXPECT_EQ(endpoint_.requests.size(), 1u);
  streams_.Stop(1);
  streams_.TryAgain();
  EXPECT_FALSE(streams_.waiting());
  EXPECT_EQ(endpoint_.requests.size(), 2u);
  EXPECT_EQ(endpoint_.requests[1], (Bytes{1, 2, 3}));
  // Not for ever.
  Give(4, 1);
  Open(4, true);
  Pass(seconds(9));
  EXPECT_TRUE(streams_.waiting());
  Pass(seconds(1));
  EXPECT_EQ(receiver_->ends.at(4).kind, StreamEnd::Kind::kRefused);
}

TEST_F(GetStreamsTest, ASilentStreamStalls) {
  Open(1);
  Open(2);
  Open(3);
  Pass(seconds(6));
  Give(4, 10);  // number 2 moves
  Give(8, 10);  // number 3 waits for us
  streams_.Flush();
  streams_.Consumed(2, 10);
  Pass(seconds(6));
  ASSERT_EQ(receiver_->ends.size(), 1u);
  EXPECT_EQ(receiver_->ends.at(1).kind, StreamEnd::Kind::kStalled);
  EXPECT_EQ(receiver_->ends.at(1).reason, "no byte came for 10 s");
  EXPECT_EQ(endpoint_.stopped, (std::set<StreamId>{0}));
  Pass(seconds(4));
  EXPECT_EQ(receiver_->ends.at(2).kind, StreamEnd::Kind::kStalled);
  Pass(seconds(60));
  EXPECT_EQ(receiver_->ends.count(3), 0u);
  // The time runs from when the credit was given back.
  streams_.Consumed(3, 10);
  Pass(seconds(9));
  EXPECT_EQ(receiver_->ends.count(3), 0u);
  Pass(seconds(1));
  EXPECT_EQ(receiver_->ends.count(3), 1u);
}

TEST_F(GetStreamsTest, OurOwnBacklogIsNobodysStall) {
  Open(1);
  Open(2);
  Give(4, 2 << 20);
  Pass(seconds(30));
  EXPECT_TRUE(receiver_->ends.empty());
  streams_.Consumed(2, 2 << 20);
  Pass(seconds(9));
  EXPECT_TRUE(receiver_->ends.empty());
  Pass(seconds(1));
  EXPECT_EQ(receiver_->ends.size(), 2u);
}

TEST_F(GetStreamsTest, EndsOfTheConnection) {
  Open(1);
  Open(2);
  endpoint_.readers.at(0)->OnLost({});
  EXPECT_EQ(receiver_->ends.at(1).kind, StreamEnd::Kind::kLost);
  streams_.ConnectionClosed(ConnectionId{8});
  EXPECT_EQ(receiver_->ends.count(2), 0u);
  streams_.ConnectionClosed(kConnection);
  EXPECT_EQ(receiver_->ends.at(1).kind, StreamEnd::Kind::kLost);
  EXPECT_EQ(receiver_->ends.at(2).kind, StreamEnd::Kind::kStopped);
  streams_.Open(std::nullopt, 3, {}, true);
  EXPECT_EQ(receiver_->ends.at(3).kind, StreamEnd::Kind::kLost);
  endpoint_.gone = true;
  Open(4, true);
  EXPECT_EQ(receiver_->ends.at(4).kind, StreamEnd::Kind::kLost);
}

// Seconds pass one by one, as the checks come; with `heard` something comes from the provider, but
// no byte of the stream.
class DarknessTest : public GetStreamsTest {
 protected:
  DarknessTest() { endpoint_.silence.emplace(now_); }
  void PassSeconds(int count, bool heard) {
    for (int i = 0; i < count; ++i) {
      if (heard) endpoint_.silence->Heard(now_ + seconds(1));
      Pass(seconds(1));
    }
  }
};

TEST_F(DarknessTest, TimeInWhichThePathWasDarkDoesNotCount) {
  Open(1);
  Give(0, 100);
  streams_.Consumed(1, 100);
  PassSeconds(1, true);
  PassSeconds(5, false);
  PassSeconds(9, true);  // 15 s without a byte, of which 6 the path was dark
  EXPECT_TRUE(receiver_->ends.empty());
  PassSeconds(1, true);
  EXPECT_EQ(receiver_->ends.at(1).kind, StreamEnd::Kind::kStalled);
}

TEST_F(DarknessTest, ADarkPathIsAStallAfterTheUsualTime) {
  Open(1);
  PassSeconds(9, false);
  EXPECT_TRUE(receiver_->ends.empty());
  PassSeconds(1, false);
  EXPECT_EQ(receiver_->ends.at(1).kind, StreamEnd::Kind::kStalled);
}

TEST_F(DarknessTest, DarknessBeforeTheLastByteIsForgotten) {
  Open(1);
  PassSeconds(5, false);
  PassSeconds(1, true);
  Give(0, 100);
  streams_.Consumed(1, 100);
  PassSeconds(10, true);
  EXPECT_EQ(receiver_->ends.at(1).kind, StreamEnd::Kind::kStalled);
}

TEST_F(DarknessTest, AProviderCannotStayForeverByBeingHeardNowAndThen) {
  Open(1);
  int waited = 0;
  for (; receiver_->ends.empty() && waited < 100; waited += 6) {
    PassSeconds(5, false);
    PassSeconds(1, true);
  }
  EXPECT_LE(waited, 24);
}

// ---- Under a limit of the bandwidth ----

// What QuicNetwork does for a transfer, over a throttle whose time is that of the test.
class ThrottledStreamsTest : public testing::Test {
 protected:
  static constexpr uint64_t kOwner = 9;

  ThrottledStreamsTest() {
    throttle_.SetRate(64 * 1024);
    GetStreamShared shared{endpoint_, std::make_shared<Inline>(), receiver_, [] {},
                           [this] { return time_.now; }};
    shared.throttle = &throttle_;
    shared.wait_for_rate = [this](uint64_t number, ConnectionId connection, StreamId stream,
                                  uint64_t bytes) {
      throttled_ += bytes;
      throttle_.Ask(kOwner, bytes, [=, this](uint64_t n) {
        throttled_ -= n;
        if (!streams_->Granted(number, n)) endpoint_.Consumed(connection, stream, n);
      });
    };
    shared.is_throttled = [this](ConnectionId) { return throttled_ > 0; };
    shared.release_rate = [this] { throttle_.Release(kOwner); };
    streams_ = std::make_unique<GetStreams>(std::move(shared));
    streams_->Open(kConnection, 1, Bytes{1}, false);
    streams_->Open(kConnection, 2, Bytes{2}, false);
  }
  void Receive(StreamId stream, uint64_t number, size_t size) {
    endpoint_.readers.at(stream)->OnData(Bytes(size));
    streams_->Flush();
    streams_->Consumed(number, size);
  }

  struct Time final : Timers {
    Instant Now() const override { return now; }
    TimerId AddTimer(Instant at, Task task) override {
      timers.emplace(std::pair(at, ++last), std::move(task));
      return last;
    }
    bool CancelTimer(TimerId id) override {
      return std::erase_if(timers, [id](const auto& t) { return t.first.second == id; }) > 0;
    }
    void Pass(Duration duration) {
      const Instant end = now + duration;
      while (!timers.empty() && timers.begin()->first.first <= end) {
        auto timer = timers.extract(timers.begin());
        now = timer.key().first;
        timer.mapped()();
      }
      now = end;
    }
    Instant now = Instant::FromNanos(1'000'000'000);
    std::map<std::pair<Instant, TimerId>, Task> timers;
    TimerId last = 0;
  };

  FakeEndpoint endpoint_;
  std::shared_ptr<Recorder> receiver_ = std::make_shared<Recorder>();
  Time time_;
  Throttle throttle_{time_};
  uint64_t throttled_ = 0;
  std::unique_ptr<GetStreams> streams_;
};

TEST_F(ThrottledStreamsTest, CreditComesAtTheRate) {
  Receive(0, 1, 256 * 1024);
  EXPECT_EQ(endpoint_.consumed[0], 0u);
  time_.Pass(seconds(1));
  EXPECT_NEAR(static_cast<double>(endpoint_.consumed[0]), 64e3, 17e3);
  time_.Pass(seconds(4));
  EXPECT_EQ(endpoint_.consumed[0], 256u * 1024);
}

TEST_F(ThrottledStreamsTest, WhatCameByAWindowTooLargeIsNotPaidFor) {
  endpoint_.surplus = 200 * 1024;
  Receive(0, 1, 256 * 1024);
  EXPECT_EQ(endpoint_.withheld[0], 200u * 1024);
  time_.Pass(seconds(1));
  EXPECT_EQ(endpoint_.consumed[0], 56u * 1024);
}

TEST_F(ThrottledStreamsTest, AMinuteOfWaitingIsNoStall) {
  throttle_.SetRate(1024);
  Receive(0, 1, 64 * 1024);
  for (int i = 0; i < 60; ++i) {
    time_.Pass(seconds(1));
    streams_->CheckStalls(time_.now, seconds(10));
  }
  EXPECT_TRUE(receiver_->ends.empty()) << "also of the stream that got nothing at all";
  // When it is the provider's turn again, it is waited for as ever.
  throttle_.SetRate(std::nullopt);
  time_.Pass(milliseconds(1));
  for (int i = 0; i < 12; ++i) {
    time_.Pass(seconds(1));
    streams_->CheckStalls(time_.now, seconds(10));
  }
  EXPECT_EQ(receiver_->ends.size(), 2u);
}

TEST_F(ThrottledStreamsTest, AShortStreamIsPaidForAfterItsEnd) {
  Receive(0, 1, 64 * 1024);
  endpoint_.readers.at(0)->OnFin();
  streams_->Stop(1);
  EXPECT_TRUE(endpoint_.stopped.empty()) << "that would give the connection its credit";
  time_.Pass(seconds(2));
  EXPECT_EQ(endpoint_.consumed[0], 64u * 1024);
}

TEST_F(ThrottledStreamsTest, ATransferThatIsStoppedLeavesNothingInTheLine) {
  Receive(0, 1, 64 * 1024);
  Receive(4, 2, 64 * 1024);
  endpoint_.readers.at(0)->OnFin();
  streams_->StopAll();
  EXPECT_EQ(throttle_.waiting(), 0u);
  EXPECT_EQ(endpoint_.stopped, std::set<StreamId>{4});
  EXPECT_EQ(endpoint_.consumed[0], 64u * 1024) << "the connection has its window back";
}

TEST_F(GetStreamsTest, StreamsOfAConnectionThatWasReplacedEndOnceAndForAll) {
  Open(1);
  Open(2);
  endpoint_.allowed = 2;
  Open(3, true);  // waits
  Give(0, 100);
  endpoint_.readers.at(4)->OnFin();
  streams_.ConnectionReplaced(kConnection);
  EXPECT_EQ(endpoint_.stopped, std::set<StreamId>{0});
  EXPECT_EQ(receiver_->received.at(1), 100u) << "what has come counts";
  EXPECT_EQ(receiver_->ends.at(1).kind, StreamEnd::Kind::kMoved);
  EXPECT_EQ(receiver_->ends.at(2).kind, StreamEnd::Kind::kFinished);
  EXPECT_EQ(receiver_->ends.at(3).kind, StreamEnd::Kind::kMoved);
  streams_.TryAgain();
  Pass(seconds(60));
}

TEST_F(GetStreamsTest, ALossIsNoneWhileAnotherConnectionIsBeingMade) {
  Open(1);
  being_replaced_ = true;
  endpoint_.readers.at(0)->OnLost({});
  endpoint_.gone = true;
  Open(2);  // asked for in between
  Pass(seconds(60));
  EXPECT_TRUE(receiver_->ends.empty());
  being_replaced_ = false;
  streams_.ConnectionReplaced(kConnection);
  EXPECT_EQ(receiver_->ends.at(1).kind, StreamEnd::Kind::kMoved);
  EXPECT_EQ(receiver_->ends.at(2).kind, StreamEnd::Kind::kMoved);
}

TEST_F(GetStreamsTest, ALossIsToldWhenNoOtherConnectionCameOfIt) {
  Open(1);
  being_replaced_ = true;
  endpoint_.readers.at(0)->OnLost({quic::CloseReason::Kind::kLost, 0, "silence"});
  being_replaced_ = false;
  streams_.NotReplaced();
  EXPECT_EQ(receiver_->ends.at(1).kind, StreamEnd::Kind::kLost);
  EXPECT_NE(receiver_->ends.at(1).reason.find("silence"), std::string::npos);
}

}  // namespace
}  // namespace blobd::transfer
