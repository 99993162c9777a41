// UploadServer as peers meet it: over QUIC on loopback, from a store on the disk. Every captured
// exchange, each once and many at once.
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <map>
#include <thread>
#include <type_traits>
#include <utility>

#include "store/disk_store_for_test.h"
#include "transfer/upload_server.h"
#include "transfer/upload_vectors_for_test.h"
#include "wire/request.h"

namespace blobd::transfer {
namespace {

constexpr Duration kPatience = seconds(30);

quic::EndpointOptions OnLoopback() {
  quic::EndpointOptions options;
  options.listen = SocketAddress::V4({127, 0, 0, 1}, 0);
  options.dial_timeout = kPatience;
  options.handshake_timeout = kPatience;
  return options;
}

// A node that asks, with a loop and a thread of its own.
class Client final : public quic::ConnectionObserver {
 public:
  struct Answer {
    Bytes bytes;
    bool fin = false;
    std::optional<uint64_t> reset;
    std::optional<quic::CloseReason> lost;
  };

  explicit Client(const quic::Endpoint& server)
      : server_(server.node_id()),
        address_(server.local_address()),
        loop_(std::move(*loop::Loop::Create())),
        endpoint_(
            std::move(*quic::Endpoint::Open(*loop_, quic::Identity::Generate(), OnLoopback()))),
        thread_([this] { loop_->Run(); }) {}
  ~Client() override {
    loop_->Stop();
    thread_.join();
  }

  // All answers, in the order of the requests, which go to as many new connections in turn.
  std::vector<Answer> Ask(std::vector<Bytes> requests, size_t connections = 1) {
    std::future<void> done = Start(std::move(requests), connections, true);
    EXPECT_EQ(done.wait_for(kPatience), std::future_status::ready);
    return OnLoop([this] {
      std::vector<Answer> answers;
      for (auto& stream : streams_) answers.push_back(std::move(stream->answer));
      // The next call begins anew.
      for (const auto& [id, asked] : connections_) endpoint_->CloseConnection(id, 0);
      connections_.clear();
      streams_.clear();
      return answers;
    });
  }
  // Waits for the first bytes of all answers, and takes no more than the windows allow.
  void AskAndNotRead(std::vector<Bytes> requests) {
    std::future<void> done = Start(std::move(requests), 1, false);
    EXPECT_EQ(done.wait_for(kPatience), std::future_status::ready);
  }

  // quic::ConnectionObserver
  void OnConnected(quic::ConnectionId id, const quic::ConnectionInfo& /*info*/) override {
    for (auto& [stream, request] : connections_.at(id)) {
      const auto opened = endpoint_->OpenRequest(id, std::move(request), stream);
      ASSERT_TRUE(opened.ok()) << opened.status();
      stream->connection = id;
      stream->number = *opened;
    }
  }
  void OnClosed(quic::ConnectionId /*id*/, const quic::CloseReason& why) override {
    ADD_FAILURE() << "connection lost: " << why.reason;
  }

 private:
  struct Stream final : quic::StreamReader {
    Stream(Client& owner, bool is_read) : client(owner), reads(is_read) {}
    void OnData(ByteView bytes) override {
      answer.bytes.insert(answer.bytes.end(), bytes.begin(), bytes.end());
      if (!reads) return Done();
      client.endpoint_->Consumed(connection, number, bytes.size());
    }
    void OnFin() override {
      answer.fin = true;
      Done();
    }
    void OnReset(uint64_t code) override {
      answer.reset = code;
      Done();
    }
    void OnLost(const quic::CloseReason& why) override {
      answer.lost = why;
      Done();
    }
    void Done() {
      if (!std::exchange(is_done, true) && --client.missing_ == 0) client.done_.set_value();
    }
    Client& client;
    const bool reads;
    bool is_done = false;
    quic::ConnectionId connection;
    quic::StreamId number = -1;
    Answer answer;
  };

  template <typename F>
  std::invoke_result_t<F> OnLoop(F f) {
    std::promise<std::invoke_result_t<F>> done;
    auto result = done.get_future();
    loop_->Post([&] { done.set_value(f()); });
    return result.get();
  }
  std::future<void> Start(std::vector<Bytes> requests, size_t connections, bool reads) {
    return OnLoop([&] {
      done_ = std::promise<void>();
      missing_ = requests.size();
      std::vector<std::vector<std::pair<Stream*, Bytes>>> dealt(connections);
      for (size_t i = 0; i < requests.size(); ++i) {
        streams_.push_back(std::make_unique<Stream>(*this, reads));
        dealt[i % connections].emplace_back(streams_.back().get(), std::move(requests[i]));
      }
      for (auto& share : dealt)
        connections_[endpoint_->Dial(server_, {address_}, this)] = std::move(share);
      return done_.get_future();
    });
  }

  const NodeId server_;
  const SocketAddress address_;
  const std::unique_ptr<loop::Loop> loop_;
  // On the loop's thread.
  std::vector<std::unique_ptr<Stream>> streams_;
  std::map<quic::ConnectionId, std::vector<std::pair<Stream*, Bytes>>> connections_;
  size_t missing_ = 0;
  std::promise<void> done_;
  const std::unique_ptr<quic::Endpoint> endpoint_;
  std::thread thread_;
};

class UploadQuicTest : public testing::Test, public UploadSink {
 protected:
  void AddVectors() {
    for (Bytes& content : VectorContents()) store_.Put(store::TestBlob(std::move(content)));
  }
  void Serve(ServeOptions options = {}) {
    options.mode = ServeMode::kAnyone;
    endpoint_ = std::move(*quic::Endpoint::Open(*loop_, quic::Identity::Generate(), OnLoopback()));
    workers_ = std::make_unique<loop::WorkerPool>(4);
    server_ = std::make_unique<UploadServer>(
        UploadServer::Deps{*loop_, *loop_, *workers_, store_.store(), SystemClock()}, endpoint_,
        std::move(options), this);
    thread_ = std::thread([this] { loop_->Run(); });
  }
  void TearDown() override {
    loop_->Stop();
    thread_.join();
    server_.reset();
    endpoint_.reset();
    workers_.reset();  // runs what was posted
  }
  void OnRotten(const Hash& /*hash*/, const RangeSet& /*groups*/) override { ADD_FAILURE(); }

  // `answers` are those to the cases, again and again.
  void Check(const std::vector<Client::Answer>& answers, const std::vector<VectorCase>& cases) {
    for (size_t i = 0; i < answers.size(); ++i) {
      const VectorCase& c = cases[i % cases.size()];
      SCOPED_TRACE(c.name);
      EXPECT_TRUE(answers[i].fin);
      EXPECT_FALSE(answers[i].reset || answers[i].lost);
      EXPECT_TRUE(answers[i].bytes == c.answer)
          << answers[i].bytes.size() << " bytes, not " << c.answer.size();
    }
  }
  static std::vector<Bytes> Requests(const std::vector<VectorCase>& cases, size_t count) {
    std::vector<Bytes> requests;
    for (size_t i = 0; i < count; ++i) requests.push_back(cases[i % cases.size()].request);
    return requests;
  }

  store::TestDirectory directory_;
  store::StoreUnderTest store_{directory_.path()};
  const std::unique_ptr<loop::Loop> loop_ = std::move(*loop::Loop::Create());
  std::unique_ptr<loop::WorkerPool> workers_;
  std::shared_ptr<quic::Endpoint> endpoint_;
  std::unique_ptr<UploadServer> server_;
  std::thread thread_;
};

TEST_F(UploadQuicTest, EachCapturedExchange) {
  AddVectors();
  Serve();
  Client client(*endpoint_);
  const std::vector<VectorCase> cases = VectorCases();
  EXPECT_EQ(cases.size(), 81u);
  Check(client.Ask(Requests(cases, cases.size())), cases);
}

TEST_F(UploadQuicTest, ManyStreamsOfOneConnection) {
  AddVectors();
  Serve();
  Client client(*endpoint_);
  const std::vector<VectorCase> cases = VectorCases();
  Check(client.Ask(Requests(cases, 200)), cases);
}

TEST_F(UploadQuicTest, ManyConnections) {
  AddVectors();
  Serve();
  const std::vector<VectorCase> cases = VectorCases();
  Client one(*endpoint_);
  Check(one.Ask(Requests(cases, 200), 50), cases);
  // And again, by others.
  Client other(*endpoint_);
  Check(other.Ask(Requests(cases, 50), 25), cases);
}

TEST_F(UploadQuicTest, ManyStreamsWithFewOpenReaders) {
  AddVectors();
  ServeOptions options;
  options.open_readers = 1;
  Serve(std::move(options));
  Client client(*endpoint_);
  const std::vector<VectorCase> cases = VectorCases();
  Check(client.Ask(Requests(cases, 200), 4), cases);
}

TEST_F(UploadQuicTest, PartialProvider) {
  const PartialVectors partial = LoadPartialVectors();
  store_.Write(store::TestBlob(partial.content), RangeSet(Range{0, partial.held_groups}));
  Serve();
  Client client(*endpoint_);
  EXPECT_EQ(partial.cases.size(), 6u);
  Check(client.Ask(Requests(partial.cases, 60)), partial.cases);
}

TEST_F(UploadQuicTest, Push) {
  Serve();
  Client client(*endpoint_);
  const Bytes push = *wire::EncodeRequest(
      wire::PushRequest{Hash{{1}}, wire::RangeSpecSeq::OfRawBlob(wire::ChunkRanges::All())});
  const auto answers = client.Ask({push, push});
  for (const Client::Answer& answer : answers) {
    EXPECT_EQ(answer.reset, 1u);
    EXPECT_TRUE(answer.bytes.empty());
  }
}

// Peers that ask and do not read do not use up the process's descriptors.
TEST_F(UploadQuicTest, OpenFilesAreBounded) {
  const store::TestBlob blob(5'000'000, 1);  // more than the window of a stream
  store_.Put(blob);
  ServeOptions options;
  options.open_readers = 8;
  options.reads_at_once = 4;
  const size_t most = 2 * (options.open_readers + 2 * options.reads_at_once);
  Serve(std::move(options));
  Client client(*endpoint_);
  const auto data_files_open = [this] {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const std::string target = std::filesystem::read_symlink(entry, gone).string();
      count += target.starts_with(store_.layout().blobs()) ? 1 : 0;
    }
    return count;
  };
  const Bytes request =
      wire::EncodeGet(blob.hash, wire::RangeSpecSeq::OfRawBlob(wire::ChunkRanges::All()));
  client.AskAndNotRead(std::vector<Bytes>(100, request));
  const size_t open = data_files_open();
  EXPECT_GE(open, 2u) << "or it counts nothing";
  EXPECT_LE(open, most);
}

}  // namespace
}  // namespace blobd::transfer
