// The real server on a real socket over the real engine, store and registry; only the network is a
// fake.
#include "rpc/server.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <thread>

#include "blobd/v1/admin.grpc.pb.h"
#include "blobd/v1/blobs.grpc.pb.h"
#include "blobd/v1/downloads.grpc.pb.h"
#include "engine/fakes_for_test.h"
#include "registry/sqlite_registry.h"
#include "rpc/listener.h"
#include "store/disk_store.h"

namespace blobd::rpc {
namespace {

class ServerTest : public testing::Test {
 protected:
  ServerTest() : directory_(testing::TempDir() + "server_test"), socket_(directory_ + "/s") {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    control_ = *loop::Loop::Create();
    registry_ = *registry::SqliteRegistry::Open(directory_ + "/registry.db", *control_, {});
    store_ = *store::DiskStore::Open(directory_, *workers_, files_, {});
    engine_ = std::make_unique<engine::Engine>(
        engine::Engine::Deps{*control_, *control_, SystemClock(), *registry_, *store_, network_,
                             [this] { return workers_->MakeStrand(); }, log_},
        engine::EngineOptions{});
    thread_ = std::thread([this] { control_->Run(); });
    std::promise<Status> started;
    control_->Post([&] { engine_->Start([&](const Status& s) { started.set_value(s); }); });
    EXPECT_TRUE(started.get_future().get().ok());
    auto server = Server::Start({*engine_, *store_, *workers_, *control_}, DaemonIdentity{},
                                *Listener::Bind(socket_, ""), PeerLimits{});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  ~ServerTest() override {
    server_->Shutdown(milliseconds(100));
    control_->Stop();
    thread_.join();
    workers_.reset();
    server_.reset();
    engine_.reset();
    store_.reset();
    registry_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::shared_ptr<grpc::Channel> Channel() {
    grpc::ChannelArguments arguments;
    arguments.SetInt("grpc.use_local_subchannel_pool", 1);  // a connection of its own
    return grpc::CreateCustomChannel("unix:" + socket_, grpc::InsecureChannelCredentials(),
                                     arguments);
  }
  static uint64_t Queue(v1::Downloads::Stub& stub, char digit) {
    grpc::ClientContext context;
    v1::QueueRequest request;
    v1::QueueResponse response;
    request.add_items()->mutable_kind()->set_hash(std::string(64, digit));
    const grpc::Status status = stub.Queue(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.intents_size() == 1 ? response.intents(0).intent_id() : 0;
  }
  static std::string Add(v1::Blobs::Stub& stub, const std::string& content) {
    grpc::ClientContext context;
    v1::AddResponse response;
    const auto stream = stub.Add(&context, &response);
    for (size_t at = 0; at < content.size(); at += 100'000) {
      v1::AddRequest request;
      request.set_data(content.substr(at, 100'000));
      stream->Write(request);
    }
    v1::AddRequest end;
    end.set_last(true);
    stream->Write(end);
    stream->WritesDone();
    const grpc::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.hash();
  }
  static grpc::Status Read(v1::Blobs::Stub& stub, v1::ReadRequest request, std::string* content) {
    grpc::ClientContext context;
    const auto stream = stub.Read(&context, request);
    v1::ReadResponse response;
    while (stream->Read(&response)) *content += response.data();
    return stream->Finish();
  }

  const std::string directory_;
  const std::string socket_;
  store::RealFileSystem files_;
  engine::FakeNetwork network_;
  engine::SilentLog log_;
  std::unique_ptr<loop::WorkerPool> workers_ = std::make_unique<loop::WorkerPool>(2);
  std::unique_ptr<loop::Loop> control_;
  std::unique_ptr<registry::SqliteRegistry> registry_;
  std::unique_ptr<store::DiskStore> store_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

TEST_F(ServerTest, QueueWatchCancel) {
  const auto stub = v1::Downloads::NewStub(Channel());
  const uint64_t id = Queue(*stub, 'a');
  ASSERT_NE(id, 0u);
  grpc::ClientContext watching;
  v1::WatchIntentRequest watch;
  watch.set_intent_id(id);
  const auto stream = stub->WatchIntent(&watching, watch);
  v1::WatchIntentResponse seen;
  ASSERT_TRUE(stream->Read(&seen));
  EXPECT_EQ(seen.intent().intent_id(), id);
  EXPECT_EQ(seen.intent().owner_uid(), geteuid());
  v1::CancelRequest cancel;
  v1::CancelResponse cancelled;
  cancel.add_intent_ids(id);
  grpc::ClientContext cancelling;
  ASSERT_TRUE(stub->Cancel(&cancelling, cancel, &cancelled).ok());
  EXPECT_EQ(cancelled.cancelled_size(), 1);
  while (stream->Read(&seen)) {
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(seen.intent().state(), v1::INTENT_STATE_CANCELLED);
}

TEST_F(ServerTest, UnknownThingsAreNotFound) {
  const auto stub = v1::Downloads::NewStub(Channel());
  grpc::ClientContext a;
  v1::GetIntentRequest get;
  v1::Intent intent;
  get.set_intent_id(12345);
  EXPECT_EQ(stub->GetIntent(&a, get, &intent).error_code(), grpc::NOT_FOUND);
  grpc::ClientContext b;
  v1::WatchIntentRequest watch;
  watch.set_intent_id(12345);
  const auto stream = stub->WatchIntent(&b, watch);
  v1::WatchIntentResponse seen;
  EXPECT_FALSE(stream->Read(&seen));
  EXPECT_EQ(stream->Finish().error_code(), grpc::NOT_FOUND);
  const auto blobs = v1::Blobs::NewStub(Channel());
  v1::ReadRequest read;
  read.set_hash(std::string(64, 'b'));
  std::string content;
  EXPECT_EQ(Read(*blobs, read, &content).error_code(), grpc::NOT_FOUND);
}

TEST_F(ServerTest, WhatIsAddedCanBeReadInRanges) {
  const auto stub = v1::Blobs::NewStub(Channel());
  std::string content(700'000, 'x');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7 >> 3);
  v1::ReadRequest request;
  request.set_hash(Add(*stub, content));
  EXPECT_EQ(Add(*stub, content), request.hash());
  std::string whole;
  ASSERT_TRUE(Read(*stub, request, &whole).ok());
  EXPECT_EQ(whole, content);
  request.set_offset(16'000);
  request.set_length(300'000);
  std::string part;
  ASSERT_TRUE(Read(*stub, request, &part).ok());
  EXPECT_EQ(part, content.substr(16'000, 300'000));
  request.set_length(UINT64_MAX);
  EXPECT_EQ(Read(*stub, request, &part).error_code(), grpc::OUT_OF_RANGE);
  request.set_length(content.size());
  EXPECT_EQ(Read(*stub, request, &part).error_code(), grpc::OUT_OF_RANGE);
}

TEST_F(ServerTest, ABrokenOffAddLeavesNothing) {
  const auto stub = v1::Blobs::NewStub(Channel());
  {
    grpc::ClientContext context;
    v1::AddResponse response;
    const auto stream = stub->Add(&context, &response);
    v1::AddRequest request;
    request.set_data(std::string(200'000, 'y'));
    stream->Write(request);
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::CANCELLED);
  }
  {
    grpc::ClientContext context;
    v1::AddResponse response;
    const auto stream = stub->Add(&context, &response);
    v1::AddRequest request;
    request.set_data("half");
    stream->Write(request);
    stream->WritesDone();  // without saying that this was all
    EXPECT_EQ(stream->Finish().error_code(), grpc::CANCELLED);
  }
  grpc::ClientContext context;
  v1::ListBlobsResponse blobs;
  ASSERT_TRUE(stub->List(&context, v1::ListBlobsRequest(), &blobs).ok());
  EXPECT_EQ(blobs.blobs_size(), 0);
}

TEST_F(ServerTest, CollectionsAreMadeOfWhatIsHere) {
  const auto stub = v1::Blobs::NewStub(Channel());
  v1::CreateCollectionRequest request;
  v1::CollectionEntry* entry = request.add_entries();
  entry->set_name("a/b");
  entry->set_hash(Add(*stub, "content"));
  grpc::ClientContext a;
  v1::CreateCollectionResponse made;
  ASSERT_TRUE(stub->CreateCollection(&a, request, &made).ok());
  grpc::ClientContext b;
  v1::GetCollectionRequest get;
  v1::GetCollectionResponse got;
  get.set_hash(made.hash());
  ASSERT_TRUE(stub->GetCollection(&b, get, &got).ok());
  ASSERT_EQ(got.entries_size(), 1);
  EXPECT_EQ(got.entries(0).name(), "a/b");
  EXPECT_EQ(got.entries(0).size(), 7u);
  entry->set_name("../b");
  grpc::ClientContext c;
  EXPECT_EQ(stub->CreateCollection(&c, request, &made).error_code(), grpc::INVALID_ARGUMENT);
  entry->set_name("b");
  entry->set_hash(std::string(64, 'c'));
  grpc::ClientContext d;
  EXPECT_EQ(stub->CreateCollection(&d, request, &made).error_code(), grpc::NOT_FOUND);
  get.set_hash(Add(*stub, "no collection"));
  grpc::ClientContext e;
  EXPECT_EQ(stub->GetCollection(&e, get, &got).error_code(), grpc::FAILED_PRECONDITION);
}

// Everything at once, from several connections, some of which break off: for the sanitizers.
TEST_F(ServerTest, ManyCallersAtOnce) {
  constexpr int kCallers = 6;
  constexpr int kRounds = 15;
  std::atomic<int> watched = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < kCallers; ++c) {
    callers.emplace_back([&, c] {
      const auto channel = Channel();
      const auto downloads = v1::Downloads::NewStub(channel);
      const auto blobs = v1::Blobs::NewStub(channel);
      for (int round = 0; round < kRounds; ++round) {
        const uint64_t id = Queue(*downloads, "abcdef"[(c + round) % 6]);
        grpc::ClientContext watching;
        v1::WatchIntentRequest watch;
        watch.set_intent_id(id);
        const auto stream = downloads->WatchIntent(&watching, watch);
        v1::WatchIntentResponse seen;
        if (stream->Read(&seen)) ++watched;
        if (round % 3 == 0) watching.TryCancel();
        v1::CancelRequest cancel;
        v1::CancelResponse cancelled;
        cancel.add_intent_ids(id);
        grpc::ClientContext cancelling;
        EXPECT_TRUE(downloads->Cancel(&cancelling, cancel, &cancelled).ok());
        while (stream->Read(&seen)) {
        }
        stream->Finish();
        v1::ReadRequest read;
        read.set_hash(Add(*blobs, std::string(40'000, static_cast<char>('a' + round))));
        std::string content;
        EXPECT_TRUE(Read(*blobs, read, &content).ok());
        EXPECT_EQ(content.size(), 40'000u);
        v1::ListIntentsResponse intents;
        grpc::ClientContext listing;
        EXPECT_TRUE(downloads->ListIntents(&listing, v1::ListIntentsRequest(), &intents).ok());
        v1::StatusResponse status;
        grpc::ClientContext asking;
        EXPECT_TRUE(
            v1::Admin::NewStub(channel)->Status(&asking, v1::StatusRequest(), &status).ok());
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(watched, kCallers * kRounds);
}

}  // namespace
}  // namespace blobd::rpc
