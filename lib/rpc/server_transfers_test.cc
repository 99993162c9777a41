// Calls of the API that concern transfers and requests: found, listed, cancelled, followed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "rpc/server_for_test.h"

namespace blobd::rpc {
namespace {

const NodeId kGiver = {{5}};

class TransfersServerTest : public ServerTest {
 protected:
  using Stream = grpc::ClientReader<v1::WatchTransfersResponse>;
  using Stub = v1::Downloads::Stub;

  template <typename F>
  void OnLoop(F f) {
    std::promise<void> done;
    control_->Post([&] {
      f();
      done.set_value();
    });
    done.get_future().wait();
  }
  // The intent, whose transfer runs then.
  static uint64_t QueueFromGiver(Stub& stub, const std::string& hash) {
    v1::QueueRequest request;
    v1::QueueItem* item = request.add_items();
    item->mutable_kind()->set_hash(hash);
    v1::Node* node = item->add_providers()->mutable_node();
    node->set_node_id(kGiver.ToHex());
    node->add_addresses("192.0.2.5:5");
    v1::QueueResponse response;
    EXPECT_TRUE(Call(stub, &Stub::Queue, request, &response).ok());
    return response.intents_size() == 1 ? response.intents(0).intent_id() : 0;
  }
  void Connect() {
    // Its dial begins when the store has answered.
    for (bool dialled = false; !dialled;) {
      OnLoop([&] { dialled = !network_.dials.empty(); });
      if (!dialled) std::this_thread::yield();
    }
    OnLoop([&] {
      network_.sink->OnConnected(kGiver, *SocketAddress::Parse("192.0.2.5:5"), milliseconds(1));
    });
  }
  // When so many run: their ids.
  std::vector<uint64_t> Running(size_t count) {
    for (;;) {
      std::vector<uint64_t> ids;
      OnLoop([&] {
        for (const auto& [id, get] : network_.gets) ids.push_back(id.value);
      });
      if (ids.size() == count) return ids;
      std::this_thread::yield();
    }
  }
  void EndGet(uint64_t id, schedule::Outcome outcome) {
    OnLoop([&] { network_.EndGet(TransferId{id}, outcome, "so be it"); });
  }
  void Progress(uint64_t id, uint64_t bytes) {
    OnLoop([&] {
      transfer::GetProgress progress;
      progress.received_bytes = progress.verified_bytes = bytes;
      network_.sink->OnGetProgress(TransferId{id}, progress);
    });
  }
  // Messages until everything there is has been told; all in one.
  static v1::WatchTransfersResponse ReadAll(Stream& stream) {
    v1::WatchTransfersResponse all;
    v1::WatchTransfersResponse message;
    do {
      EXPECT_TRUE(stream.Read(&message));
      all.MergeFrom(message);
    } while (!message.current() && !testing::Test::HasFailure());
    return all;
  }
  static std::vector<uint64_t> Ids(const v1::WatchTransfersResponse& message) {
    std::vector<uint64_t> ids;
    for (const v1::Transfer& transfer : message.transfers()) ids.push_back(transfer.transfer_id());
    return ids;
  }
};

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(TransfersServerTest, OneIsFoundAndCancelled) {
  const auto stub = v1::Downloads::NewStub(Channel());
  const uint64_t intent = QueueFromGiver(*stub, std::string(64, 'a'));
  Connect();
  const uint64_t id = Running(1).front();
  v1::GetTransferRequest get;
  v1::Transfer transfer;
  get.set_transfer_id(id);
  ASSERT_TRUE(Call(*stub, &Stub::GetTransfer, get, &transfer).ok());
  EXPECT_EQ(transfer.provider(), kGiver.ToHex());
  EXPECT_THAT(transfer.intent_ids(), ElementsAre(intent));

  const auto member_channel = ChannelOfAMember();
  v1::CancelTransferRequest cancel;
  v1::CancelTransferResponse cancelled;
  cancel.set_transfer_id(id);
  if (member_channel != nullptr) {
    const auto member = v1::Downloads::NewStub(member_channel);
    EXPECT_EQ(Call(*member, &Stub::CancelTransfer, cancel, &cancelled).error_code(),
              grpc::PERMISSION_DENIED);
  }
  std::thread caller([&] {
    const grpc::Status status = Call(*stub, &Stub::CancelTransfer, cancel, &cancelled);
    EXPECT_TRUE(status.ok()) << status.error_message();
  });
  for (bool stopped = false; !stopped;) {
    OnLoop([&] { stopped = !network_.stops.empty(); });
  }
  EndGet(id, schedule::Outcome::kStopped);
  caller.join();
  EXPECT_TRUE(cancelled.cancelled());
  EXPECT_EQ(cancelled.transfer().state(), v1::TRANSFER_STATE_CANCELLED);
  ASSERT_TRUE(Call(*stub, &Stub::CancelTransfer, cancel, &cancelled).ok());
  EXPECT_FALSE(cancelled.cancelled()) << "it had ended";
  EXPECT_EQ(cancelled.transfer().transfer_id(), id);
  for (const uint64_t unknown : {uint64_t{0}, UINT64_MAX}) {
    get.set_transfer_id(unknown);
    EXPECT_EQ(Call(*stub, &Stub::GetTransfer, get, &transfer).error_code(), grpc::NOT_FOUND);
    cancel.set_transfer_id(unknown);
    EXPECT_EQ(Call(*stub, &Stub::CancelTransfer, cancel, &cancelled).error_code(), grpc::NOT_FOUND);
  }
}

TEST_F(TransfersServerTest, ListsAreFilteredAndTheirTokensKeptApart) {
  const auto stub = v1::Downloads::NewStub(Channel());
  for (const char digit : {'c', 'a', 'b'}) Queue(*stub, digit);
  v1::ListRequestsRequest requests;
  v1::ListRequestsResponse page;
  requests.set_page_size(2);
  ASSERT_TRUE(Call(*stub, &Stub::ListRequests, requests, &page).ok());
  ASSERT_EQ(page.requests_size(), 2);
  EXPECT_EQ(page.requests(0).kind().hash(), std::string(64, 'c')) << "the oldest first";
  EXPECT_EQ(page.requests(0).intents(), 1u);
  EXPECT_GT(page.requests(0).since_unix_ms(), 0);
  requests.set_page_token(page.next_page_token());
  ASSERT_TRUE(Call(*stub, &Stub::ListRequests, requests, &page).ok());
  ASSERT_EQ(page.requests_size(), 1);
  EXPECT_EQ(page.requests(0).kind().hash(), std::string(64, 'b'));
  EXPECT_EQ(page.next_page_token(), "");
  requests.add_states(v1::INTENT_STATE_DONE);
  EXPECT_EQ(Call(*stub, &Stub::ListRequests, requests, &page).error_code(), grpc::INVALID_ARGUMENT)
      << "no request is done";

  v1::ListIntentsRequest intents;
  v1::ListIntentsResponse listed;
  intents.set_page_size(2);
  intents.set_newest_first(true);
  ASSERT_TRUE(Call(*stub, &Stub::ListIntents, intents, &listed).ok());
  ASSERT_EQ(listed.intents_size(), 2);
  EXPECT_GT(listed.intents(0).intent_id(), listed.intents(1).intent_id());
  intents.set_page_token(listed.next_page_token());
  intents.set_newest_first(false);
  EXPECT_EQ(Call(*stub, &Stub::ListIntents, intents, &listed).error_code(), grpc::INVALID_ARGUMENT);
  intents.set_newest_first(true);
  ASSERT_TRUE(Call(*stub, &Stub::ListIntents, intents, &listed).ok());
  EXPECT_EQ(listed.intents_size(), 1);
  intents.clear_page_token();
  intents.add_states(v1::INTENT_STATE_CANCELLED);
  ASSERT_TRUE(Call(*stub, &Stub::ListIntents, intents, &listed).ok());
  EXPECT_EQ(listed.intents_size(), 0);
  for (int i = 0; i < 17; ++i) intents.add_states(v1::INTENT_STATE_DONE);
  EXPECT_EQ(Call(*stub, &Stub::ListIntents, intents, &listed).error_code(), grpc::INVALID_ARGUMENT);

  v1::ListTransfersRequest transfers;
  v1::ListTransfersResponse running;
  transfers.set_page_token("t1");
  transfers.set_newest_first(true);
  EXPECT_EQ(Call(*stub, &Stub::ListTransfers, transfers, &running).error_code(),
            grpc::INVALID_ARGUMENT);
  transfers.clear_page_token();
  transfers.set_provider("nobody");
  EXPECT_EQ(Call(*stub, &Stub::ListTransfers, transfers, &running).error_code(),
            grpc::INVALID_ARGUMENT);
}

TEST_F(TransfersServerTest, FirstWhatThereIsThenWhatChanges) {
  const auto stub = v1::Downloads::NewStub(Channel());
  grpc::ClientContext context;
  const auto stream = stub->WatchTransfers(&context, v1::WatchTransfersRequest());
  v1::WatchTransfersResponse message = ReadAll(*stream);
  EXPECT_EQ(message.transfers_size(), 0);
  EXPECT_TRUE(message.from_beginning());
  EXPECT_NE(message.resume_token(), "");
  QueueFromGiver(*stub, std::string(64, 'a'));
  Connect();
  const uint64_t id = Running(1).front();
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_THAT(Ids(message), ElementsAre(id));
  EXPECT_FALSE(message.from_beginning());
  Progress(id, 5000);
  do {
    ASSERT_TRUE(stream->Read(&message));
  } while (message.transfers_size() == 0 || message.transfers(0).verified_bytes() < 5000);
  EndGet(id, schedule::Outcome::kDone);
  do {
    ASSERT_TRUE(stream->Read(&message));
  } while (message.transfers(0).state() != v1::TRANSFER_STATE_DONE);
  EXPECT_EQ(message.gone_transfer_ids_size(), 0);
  context.TryCancel();
  while (stream->Read(&message)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::CANCELLED);
}

TEST_F(TransfersServerTest, WhoComesBackIsToldWhatWasMissed) {
  const auto stub = v1::Downloads::NewStub(Channel());
  QueueFromGiver(*stub, std::string(64, 'a'));
  QueueFromGiver(*stub, std::string(64, 'b'));
  Connect();
  const std::vector<uint64_t> ids = Running(2);
  v1::WatchTransfersRequest request;
  {
    grpc::ClientContext context;
    const auto stream = stub->WatchTransfers(&context, request);
    const v1::WatchTransfersResponse first = ReadAll(*stream);
    EXPECT_EQ(Ids(first), ids);
    request.set_resume_token(first.resume_token());
    context.TryCancel();
  }
  Progress(ids[1], 77);
  {
    grpc::ClientContext context;
    const auto stream = stub->WatchTransfers(&context, request);
    const v1::WatchTransfersResponse missed = ReadAll(*stream);
    EXPECT_THAT(Ids(missed), ElementsAre(ids[1]));
    EXPECT_FALSE(missed.from_beginning());
    context.TryCancel();
  }
  const auto status_of = [&](const v1::WatchTransfersRequest& wrong) {
    grpc::ClientContext context;
    const auto stream = stub->WatchTransfers(&context, wrong);
    v1::WatchTransfersResponse message;
    EXPECT_FALSE(stream->Read(&message));
    return stream->Finish().error_code();
  };
  v1::WatchTransfersRequest wrong = request;
  wrong.set_running_only(true);
  EXPECT_EQ(status_of(wrong), grpc::INVALID_ARGUMENT) << "of other filters";
  wrong.set_resume_token("nonsense");
  EXPECT_EQ(status_of(wrong), grpc::INVALID_ARGUMENT);
  // Of another life: from the beginning.
  request.set_resume_token("1.2.3");
  grpc::ClientContext context;
  const auto stream = stub->WatchTransfers(&context, request);
  const v1::WatchTransfersResponse all = ReadAll(*stream);
  EXPECT_TRUE(all.from_beginning());
  EXPECT_EQ(Ids(all), ids);
  context.TryCancel();
}

TEST_F(TransfersServerTest, OnlyWhatWasAskedForIsFollowed) {
  const auto stub = v1::Downloads::NewStub(Channel());
  QueueFromGiver(*stub, std::string(64, 'a'));
  QueueFromGiver(*stub, std::string(64, 'b'));
  Connect();
  const std::vector<uint64_t> ids = Running(2);
  grpc::ClientContext named_context;
  v1::WatchTransfersRequest request;
  request.add_transfer_ids(999);
  request.add_transfer_ids(ids[0]);
  const auto named = stub->WatchTransfers(&named_context, request);
  v1::WatchTransfersResponse message = ReadAll(*named);
  EXPECT_THAT(Ids(message), ElementsAre(ids[0]));
  EXPECT_THAT(message.gone_transfer_ids(), ElementsAre(999));
  grpc::ClientContext running_context;
  request.Clear();
  request.set_running_only(true);
  const auto running = stub->WatchTransfers(&running_context, request);
  EXPECT_EQ(Ids(ReadAll(*running)), ids);
  EndGet(ids[1], schedule::Outcome::kDone);
  do {
    ASSERT_TRUE(running->Read(&message));
  } while (message.gone_transfer_ids_size() == 0);
  EXPECT_THAT(message.gone_transfer_ids(), ElementsAre(ids[1]));
  EXPECT_THAT(Ids(message), ElementsAre(ids[1]));
  EXPECT_EQ(message.transfers(0).state(), v1::TRANSFER_STATE_DONE);
  grpc::ClientContext late_context;
  const auto late = stub->WatchTransfers(&late_context, request);
  EXPECT_THAT(Ids(ReadAll(*late)), ElementsAre(ids[0]));
  for (auto* context : {&named_context, &running_context, &late_context}) context->TryCancel();
  request.Clear();
  for (uint64_t id = 1; id <= 1001; ++id) request.add_transfer_ids(id);
  grpc::ClientContext context;
  const auto many = stub->WatchTransfers(&context, request);
  EXPECT_FALSE(many->Read(&message));
  EXPECT_EQ(many->Finish().error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(TransfersServerTest, WhatPrivateTagsOfOthersNameIsVeiled) {
  const auto member_channel = ChannelOfAMember();
  if (member_channel == nullptr) GTEST_SKIP() << "cannot be another user";
  const auto root_channel = Channel();
  const auto root = v1::Downloads::NewStub(root_channel);
  const auto member = v1::Downloads::NewStub(member_channel);
  const auto blobs = v1::Blobs::NewStub(root_channel);
  const std::string secret = Add(*blobs, std::string(300'000, 's'));
  v1::SetTagRequest tag;
  v1::SetTagResponse tagged;
  tag.set_name("plans");
  tag.mutable_kind()->set_hash(secret);
  tag.set_is_private(true);
  ASSERT_TRUE(Call(*v1::Tags::NewStub(root_channel), &v1::Tags::Stub::Set, tag, &tagged).ok());
  // It rots, and is got again.
  {
    std::fstream file(directory_.path() + "/blobs/" + secret.substr(0, 2) + "/" + secret + ".data",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100'000);
    file.put('x');
    ASSERT_TRUE(file.good());
  }
  grpc::ClientContext verifying;
  const auto verified = blobs->Verify(&verifying, v1::VerifyRequest());
  v1::VerifyResponse finding;
  while (verified->Read(&finding)) {
  }
  ASSERT_TRUE(verified->Finish().ok());
  OnLoop([&] {
    engine::NamedProvider named;
    named.provider = kGiver;
    named.addresses = {*SocketAddress::Parse("192.0.2.5:5")};
    EXPECT_TRUE(engine_->NodesHave(*Hash::FromHexText(secret), {named})->wanted);
  });
  Connect();
  const uint64_t id = Running(1).front();
  v1::ListRequestsRequest requests;
  v1::ListRequestsResponse page;
  ASSERT_TRUE(Call(*member, &Stub::ListRequests, requests, &page).ok());
  ASSERT_EQ(page.requests_size(), 1);
  EXPECT_EQ(page.requests(0).kind().hash(), "");
  EXPECT_EQ(page.requests(0).intents(), 1u);
  ASSERT_TRUE(Call(*root, &Stub::ListRequests, requests, &page).ok());
  EXPECT_EQ(page.requests(0).kind().hash(), secret);
  requests.set_hash(secret);
  ASSERT_TRUE(Call(*member, &Stub::ListRequests, requests, &page).ok());
  EXPECT_EQ(page.requests_size(), 0) << "found by its hash it is not told";

  // A page that is cut there would tell it, too.
  v1::ListTransfersRequest transfers;
  v1::ListTransfersResponse transfer_page;
  transfers.set_hash(secret);
  transfers.set_page_size(1);
  ASSERT_TRUE(Call(*root, &Stub::ListTransfers, transfers, &transfer_page).ok());
  EXPECT_EQ(transfer_page.transfers_size(), 1);
  ASSERT_TRUE(Call(*member, &Stub::ListTransfers, transfers, &transfer_page).ok());
  EXPECT_EQ(transfer_page.transfers_size(), 0);
  EXPECT_EQ(transfer_page.next_page_token(), "");
  v1::ListIntentsRequest intents;
  v1::ListIntentsResponse intent_page;
  intents.set_hash(secret);
  intents.set_page_size(1);
  ASSERT_TRUE(Call(*root, &Stub::ListIntents, intents, &intent_page).ok());
  EXPECT_EQ(intent_page.intents_size(), 1);
  ASSERT_TRUE(Call(*member, &Stub::ListIntents, intents, &intent_page).ok());
  EXPECT_EQ(intent_page.intents_size(), 0);
  EXPECT_EQ(intent_page.next_page_token(), "");

  v1::WatchTransfersRequest watch;
  for (const bool is_root : {true, false}) {
    SCOPED_TRACE(is_root);
    Stub& stub = is_root ? *root : *member;
    v1::GetTransferRequest get;
    get.set_transfer_id(id);
    v1::Transfer transfer;
    ASSERT_TRUE(Call(stub, &Stub::GetTransfer, get, &transfer).ok());
    EXPECT_EQ(transfer.kind().hash(), is_root ? secret : "");
    grpc::ClientContext context;
    watch.clear_hash();
    const auto stream = stub.WatchTransfers(&context, watch);
    const v1::WatchTransfersResponse told = ReadAll(*stream);
    ASSERT_THAT(Ids(told), ElementsAre(id));
    EXPECT_EQ(told.transfers(0).kind().hash(), is_root ? secret : "");
    Progress(id, is_root ? 100 : 200);
    v1::WatchTransfersResponse change;
    ASSERT_TRUE(stream->Read(&change));
    ASSERT_THAT(Ids(change), ElementsAre(id));
    EXPECT_EQ(change.transfers(0).kind().hash(), is_root ? secret : "");
    context.TryCancel();
    grpc::ClientContext by_hash_context;
    watch.set_hash(secret);
    const auto by_hash = stub.WatchTransfers(&by_hash_context, watch);
    EXPECT_EQ(ReadAll(*by_hash).transfers_size(), is_root ? 1 : 0);
    by_hash_context.TryCancel();
  }
}

}  // namespace
}  // namespace blobd::rpc
