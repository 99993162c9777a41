// The whole UploadServer, on a real loop and real workers: every captured exchange, and many at
// once.
#include "transfer/upload_server.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "bao/naive_for_test.h"
#include "transfer/endpoint_for_test.h"
#include "transfer/store_for_test.h"
#include "transfer/upload_for_test.h"
#include "transfer/upload_vectors_for_test.h"

namespace blobd::transfer {
namespace {

class UploadServerTest : public testing::Test, public UploadSink {
 protected:
  void SetUp() override {
    loop_ = *loop::Loop::Create();
    workers_ = std::make_unique<loop::WorkerPool>(4);
    ServeOptions options;
    options.mode = ServeMode::kAnyone;
    server_ = std::make_unique<UploadServer>(
        UploadServer::Deps{*loop_, *loop_, *workers_, store_, SystemClock(), nullptr,
                           [this] { ++first_nodes_; }},
        endpoint_, std::move(options), this);
    thread_ = std::thread([this] { loop_->Run(); });
  }
  void TearDown() override {
    loop_->Stop();
    thread_.join();
    server_.reset();
    workers_.reset();  // runs what was posted
    loop_.reset();
    EXPECT_FALSE(endpoint_->has_acceptor());
    EXPECT_EQ(store_.open_readers(), 0);
  }
  void OnRotten(const Hash& /*hash*/, const RangeSet& /*groups*/) override { ADD_FAILURE(); }

  // Calls `f` on the loop's thread.
  template <typename F>
  auto OnLoop(F f) {
    std::promise<decltype(f())> done;
    auto result = done.get_future();
    loop_->Post([&] { done.set_value(f()); });
    return result.get();
  }
  quic::ConnectionId Connect(uint8_t node) {
    return OnLoop([&] { return endpoint_->Connect(TestNode(node)).id; });
  }
  // Acknowledges whatever comes on all streams until each has ended.
  void ReadAll() {
    while (!OnLoop([&] {
      endpoint_->AcknowledgeAll();
      return endpoint_->open_streams() == 0;
    })) {
      std::this_thread::yield();
    }
  }
  Bytes Ask(quic::ConnectionId connection, const Bytes& request) {
    const auto key = OnLoop([&] { return endpoint_->Request(connection, request); });
    ReadAll();
    return OnLoop([&] {
      const FakeEndpoint::Stream& stream = endpoint_->stream(key);
      EXPECT_TRUE(stream.fin);
      EXPECT_FALSE(stream.reset.has_value());
      EXPECT_EQ(stream.consumed, request.size());
      return stream.received;
    });
  }

  MemoryStore store_;
  std::unique_ptr<loop::Loop> loop_;
  std::unique_ptr<loop::WorkerPool> workers_;
  std::shared_ptr<FakeEndpoint> endpoint_ = std::make_shared<FakeEndpoint>();
  std::unique_ptr<UploadServer> server_;
  int first_nodes_ = 0;  // on the loop
  std::thread thread_;
};

TEST_F(UploadServerTest, TellsWhenItHasSomebodyToServe) {
  // What was posted before is done when the next question is answered.
  const auto told = [&] { return OnLoop([&] { return first_nodes_; }); };
  EXPECT_EQ(told(), 0);
  const quic::ConnectionId ann = Connect(1);
  EXPECT_EQ(told(), 1);
  const quic::ConnectionId joe = Connect(2);
  EXPECT_EQ(told(), 1);
  OnLoop([&] {
    endpoint_->Lose(ann);
    endpoint_->Lose(joe);
    return true;
  });
  Connect(2);
  EXPECT_EQ(told(), 2);
}

TEST_F(UploadServerTest, CapturedExchanges) {
  for (Bytes& content : VectorContents()) store_.Add(std::move(content));
  const quic::ConnectionId connection = Connect(1);
  const std::vector<VectorCase> cases = VectorCases();
  EXPECT_EQ(cases.size(), 81u);
  for (const VectorCase& c : cases) {
    SCOPED_TRACE(c.name);
    const Bytes answer = Ask(connection, c.request);
    EXPECT_TRUE(answer == c.answer) << answer.size() << " bytes";
  }
}

TEST_F(UploadServerTest, PartialProvider) {
  const PartialVectors partial = LoadPartialVectors();
  const Hash hash = store_.Add(partial.content);
  store_.Change(hash, [&](MemoryStore::Blob& blob) { blob.info.size_proven = false; });
  store_.Hold(hash, RangeSet(Range{0, partial.held_groups}));
  const quic::ConnectionId connection = Connect(1);
  EXPECT_EQ(partial.cases.size(), 6u);
  for (const VectorCase& c : partial.cases) {
    SCOPED_TRACE(c.name);
    const Bytes answer = Ask(connection, c.request);
    EXPECT_TRUE(answer == c.answer) << answer.size() << " bytes";
  }
}

TEST_F(UploadServerTest, ManyStreamsAtOnce) {
  constexpr int kNodes = 4;
  constexpr int kStreams = 50;
  std::vector<Bytes> contents;
  std::vector<Hash> hashes;
  for (size_t i = 0; i < 20; ++i) {
    contents.push_back(RandomContent(i % 5 == 0 ? 900'000 + i : 3000 * i, i));
    hashes.push_back(store_.Add(contents.back()));
  }
  struct Asked {
    FakeEndpoint::StreamKey key;
    size_t blob;
    wire::ChunkRanges wanted;
  };
  std::vector<Asked> asked;
  Rng rng(7);
  for (uint8_t node = 0; node < kNodes; ++node) {
    const quic::ConnectionId connection = Connect(node);
    OnLoop([&] {
      for (int i = 0; i < kStreams; ++i) {
        const size_t blob = rng.Below(hashes.size());
        const auto wanted =
            bao::RandomSelection(std::max<uint64_t>(1, contents[blob].size() / 1024), rng);
        const Bytes request = GetOf(hashes[blob], wire::RangeSpecSeq::OfRawBlob(wanted));
        asked.push_back({endpoint_->Request(connection, request), blob, wanted});
      }
      return true;
    });
  }
  ReadAll();
  std::map<size_t, bao::NaiveBlob> expected;
  for (const Asked& a : asked) {
    expected.try_emplace(a.blob, contents[a.blob]);
    const auto& stream = endpoint_->stream(a.key);
    EXPECT_TRUE(stream.fin);
    EXPECT_TRUE(stream.received == expected.at(a.blob).Response(a.wanted)) << a.blob;
  }
  std::promise<UploadServer::Snapshot> listed;
  server_->List([&](UploadServer::Snapshot snapshot) { listed.set_value(std::move(snapshot)); });
  const auto snapshot = listed.get_future().get();
  EXPECT_EQ(snapshot.totals.requests, static_cast<uint64_t>(kNodes * kStreams));
  EXPECT_EQ(snapshot.nodes.size(), static_cast<size_t>(kNodes));
}

// Peers go away at any moment while workers read for them.
TEST_F(UploadServerTest, PeersVanishWhileWorkersRead) {
  const Hash hash = store_.Add(RandomContent(3'000'000, 1));
  Rng rng(3);
  for (int round = 0; round < 60; ++round) {
    const quic::ConnectionId connection = Connect(static_cast<uint8_t>(round));
    OnLoop([&] {
      for (int i = 0; i < 10; ++i) endpoint_->Request(connection, GetBlob(hash));
      return true;
    });
    for (uint64_t i = rng.Below(20); i > 0; --i)
      OnLoop([&] { return endpoint_->AcknowledgeAll(); });
    OnLoop([&] {
      endpoint_->Lose(connection);
      return true;
    });
  }
  EXPECT_EQ(endpoint_->unacknowledged(), 0u);
  // And the server is as it was.
  EXPECT_EQ(Ask(Connect(1), GetBlob(hash)).size(), bao::WholeResponseSize(3'000'000));
}

TEST_F(UploadServerTest, DrainsAndIsDestroyedWhileStreamsAreOpen) {
  const Hash hash = store_.Add(RandomContent(3'000'000, 1));
  const quic::ConnectionId connection = Connect(1);
  OnLoop([&] {
    for (int i = 0; i < 10; ++i) endpoint_->Request(connection, GetBlob(hash));
    return true;
  });
  std::promise<void> drained;
  server_->Drain(milliseconds(1), [&] { drained.set_value(); });
  drained.get_future().get();
  EXPECT_EQ(endpoint_->closed().at(connection), 0u);
}

}  // namespace
}  // namespace blobd::transfer
