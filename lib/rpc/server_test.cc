// Calls of the API over a real socket.
#include "rpc/server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "blake3/hasher.h"
#include "rpc/server_for_test.h"

namespace blobd::rpc {
namespace {

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

// Together they are more than the registry has places; each call is one look-up, in its turn.
TEST_F(ServerTest, ManyUnknownIdsKeepNobodyFromQueueing) {
  const auto stub = v1::Downloads::NewStub(Channel());
  v1::CancelRequest cancel;
  for (uint64_t id = 1; id <= 10'000; ++id) cancel.add_intent_ids(1'000'000 + id);
  std::vector<std::thread> callers;
  for (int i = 0; i < 12; ++i) {
    callers.emplace_back([&] {
      v1::CancelResponse cancelled;
      const grpc::Status status = Call(*stub, &v1::Downloads::Stub::Cancel, cancel, &cancelled);
      EXPECT_EQ(status.error_code(), grpc::NOT_FOUND) << status.error_message();
    });
  }
  for (char digit = '0'; digit <= '9'; ++digit) EXPECT_NE(Queue(*stub, digit), 0u);
  for (std::thread& caller : callers) caller.join();
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

TEST_F(ServerTest, SmallBlobsAreTakenInTogether) {
  const auto stub = v1::Blobs::NewStub(Channel());
  const std::string there = Add(*stub, "there");
  v1::AddSmallRequest request;
  request.set_is_private(true);
  for (int i = 0; i < 300; ++i) request.add_contents(fmt::format("{}", i));
  request.add_contents("");
  request.add_contents("there");
  request.add_contents(std::string(16'384, 'x'));
  request.add_contents("7");  // once more
  v1::AddSmallResponse response;
  ASSERT_TRUE(Call(*stub, &v1::Blobs::Stub::AddSmall, request, &response).ok());
  ASSERT_EQ(response.blobs_size(), request.contents_size());
  for (int i = 0; i < request.contents_size(); ++i) {
    EXPECT_EQ(response.blobs(i).size(), request.contents(i).size());
    EXPECT_EQ(response.blobs(i).hash(), blake3::HashOf(AsBytes(request.contents(i))).ToHex());
    std::string content;
    v1::ReadRequest read;
    read.set_hash(response.blobs(i).hash());
    ASSERT_TRUE(Read(*stub, read, &content).ok());
    EXPECT_EQ(content, request.contents(i));
    v1::StatRequest stat;
    stat.set_hash(read.hash());
    v1::Blob blob;
    ASSERT_TRUE(Call(*stub, &v1::Blobs::Stub::Stat, stat, &blob).ok());
    EXPECT_TRUE(blob.is_private());
  }
  EXPECT_FALSE(response.blobs(0).existed());
  EXPECT_TRUE(response.blobs(301).existed());
  EXPECT_EQ(response.blobs(301).hash(), there);

  v1::AddSmallResponse again;
  ASSERT_TRUE(Call(*stub, &v1::Blobs::Stub::AddSmall, request, &again).ok());
  EXPECT_TRUE(again.blobs(0).existed());
}

TEST_F(ServerTest, WhatIsNotSmallLeavesNothing) {
  const auto stub = v1::Blobs::NewStub(Channel());
  const auto refused = [&](size_t count, size_t size) {
    v1::AddSmallRequest request;
    for (size_t i = 0; i < count; ++i) request.add_contents(std::string(size, 'x'));
    v1::AddSmallResponse response;
    const grpc::Status status = Call(*stub, &v1::Blobs::Stub::AddSmall, request, &response);
    EXPECT_EQ(response.blobs_size(), status.ok() ? request.contents_size() : 0);
    return status.error_code() == grpc::INVALID_ARGUMENT;
  };
  EXPECT_TRUE(refused(0, 0));
  EXPECT_TRUE(refused(1025, 0));
  EXPECT_TRUE(refused(1, 16'385));
  EXPECT_TRUE(refused(65, 16'384));
  grpc::ClientContext context;
  v1::ListBlobsResponse blobs;
  ASSERT_TRUE(stub->List(&context, v1::ListBlobsRequest(), &blobs).ok());
  EXPECT_EQ(blobs.blobs_size(), 0);
  EXPECT_FALSE(refused(1024, 0));
  EXPECT_FALSE(refused(64, 16'384));
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

// A backup, message by message, put together.
grpc::Status Backup(v1::Admin::Stub& stub, std::string* content, std::optional<uint64_t>* total) {
  grpc::ClientContext context;
  const auto stream = stub.Backup(&context, v1::BackupRequest());
  v1::BackupResponse response;
  while (stream->Read(&response)) {
    *content += response.data();
    if (response.has_total_bytes()) *total = response.total_bytes();
  }
  return stream->Finish();
}

TEST_F(ServerTest, ABackupComesWholeAndIsNotLeftBehind) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{1'000'000}}) {
    SCOPED_TRACE(size);
    const std::string expected(size, 'x');
    std::promise<void> set;
    control_->Post([&] {
      maintenance_.content = expected;
      set.set_value();
    });
    set.get_future().wait();
    std::string content;
    std::optional<uint64_t> total;
    const auto stub = v1::Admin::NewStub(Channel());
    const grpc::Status status = Backup(*stub, &content, &total);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(content, expected);
    EXPECT_EQ(total, size);
    EXPECT_FALSE(std::filesystem::exists(directory_.File("copy")));
  }
}

TEST_F(ServerTest, MaintenanceIsForRoot) {
  const auto channel = ChannelOfAMember();
  if (channel == nullptr) return;  // only root can be somebody else
  const auto stub = v1::Admin::NewStub(channel);
  std::string content;
  std::optional<uint64_t> total;
  EXPECT_EQ(Backup(*stub, &content, &total).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(content, "");
  v1::RecoverRegistryResponse recovered;
  const grpc::Status refused =
      Call(*stub, &v1::Admin::Stub::RecoverRegistry, v1::RecoverRegistryRequest(), &recovered);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  v1::StatusResponse status;
  EXPECT_TRUE(Call(*stub, &v1::Admin::Stub::Status, v1::StatusRequest(), &status).ok());
  EXPECT_EQ(status.warnings_size(), 1);
}

}  // namespace
}  // namespace blobd::rpc
