// Calls of the API that concern other nodes: tickets, private blobs, uploads, remotes.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>
#include <thread>

#include "rpc/remotes_feed.h"
#include "rpc/server_for_test.h"

namespace blobd::rpc {
namespace {

TEST_F(ServerTest, TicketsForWhatIsHere) {
  const auto blobs = v1::Blobs::NewStub(Channel());
  const auto admin = v1::Admin::NewStub(Channel());
  v1::CreateTicketRequest request;
  v1::CreateTicketResponse response;
  const auto create = [&] {
    return Call(*admin, &v1::Admin::Stub::CreateTicket, request, &response).error_code();
  };
  request.mutable_kind()->set_hash(Add(*blobs, "content"));
  ASSERT_EQ(create(), grpc::OK);
  EXPECT_TRUE(response.complete());
  EXPECT_TRUE(response.notes().empty());
  v1::ParseTicketRequest parse;
  v1::ParseTicketResponse parsed;
  parse.set_ticket(response.ticket());
  ASSERT_TRUE(Call(*admin, &v1::Admin::Stub::ParseTicket, parse, &parsed).ok());
  EXPECT_EQ(parsed.node().node_id(), kOurselves.ToHex());
  ASSERT_EQ(parsed.node().addresses_size(), 1);
  EXPECT_EQ(parsed.node().addresses(0), "192.0.2.1:7");
  EXPECT_EQ(parsed.kind().hash(), request.kind().hash());
  EXPECT_EQ(parsed.kind().format(), v1::BLOB_FORMAT_RAW);
  request.set_include_loopback(true);
  ASSERT_EQ(create(), grpc::OK);
  EXPECT_EQ(response.node().addresses(0), "127.0.0.1:7");
  request.mutable_kind()->set_format(v1::BLOB_FORMAT_HASH_SEQ);
  EXPECT_EQ(create(), grpc::FAILED_PRECONDITION) << "seven bytes are no hash sequence";
  request.mutable_kind()->set_format(v1::BLOB_FORMAT_RAW);
  request.mutable_kind()->set_hash(std::string(64, 'd'));
  EXPECT_EQ(create(), grpc::NOT_FOUND);
  request.mutable_kind()->set_hash("d");
  EXPECT_EQ(create(), grpc::INVALID_ARGUMENT);
}

TEST_F(ServerTest, PrivateBlobs) {
  const auto stub = v1::Blobs::NewStub(Channel());
  const auto admin = v1::Admin::NewStub(Channel());
  const auto is_private = [&](const std::string& hash) {
    v1::StatRequest request;
    v1::Blob blob;
    request.set_hash(hash);
    EXPECT_TRUE(Call(*stub, &v1::Blobs::Stub::Stat, request, &blob).ok());
    return blob.is_private();
  };
  const std::string open = Add(*stub, "open");
  const std::string secret = Add(*stub, std::string(300'000, 's'), true);
  EXPECT_FALSE(is_private(open));
  EXPECT_TRUE(is_private(secret));
  EXPECT_EQ(Add(*stub, std::string(300'000, 's')), secret);
  EXPECT_TRUE(is_private(secret)) << "added again by somebody who does not know";
  EXPECT_EQ(Add(*stub, "open", true), open);
  EXPECT_TRUE(is_private(open)) << "it was here before";

  v1::CreateTicketRequest ticket;
  v1::CreateTicketResponse ticketed;
  ticket.mutable_kind()->set_hash(secret);
  EXPECT_EQ(Call(*admin, &v1::Admin::Stub::CreateTicket, ticket, &ticketed).error_code(),
            grpc::FAILED_PRECONDITION);

  v1::CreateCollectionRequest collection;
  v1::CreateCollectionResponse made;
  v1::CollectionEntry* entry = collection.add_entries();
  entry->set_name("a");
  entry->set_hash(Add(*stub, "a"));
  collection.set_is_private(true);
  ASSERT_TRUE(Call(*stub, &v1::Blobs::Stub::CreateCollection, collection, &made).ok());
  EXPECT_TRUE(is_private(made.hash()));
  EXPECT_FALSE(is_private(entry->hash()));
  v1::SetPrivateRequest request;
  v1::SetPrivateResponse response;
  request.mutable_kind()->set_hash(made.hash());
  request.mutable_kind()->set_format(v1::BLOB_FORMAT_HASH_SEQ);
  request.set_is_private(true);
  ASSERT_TRUE(Call(*stub, &v1::Blobs::Stub::SetPrivate, request, &response).ok());
  EXPECT_EQ(response.changed(), 1u);
  EXPECT_TRUE(is_private(entry->hash()));
  request.set_is_private(false);
  const grpc::Status published = Call(*stub, &v1::Blobs::Stub::SetPrivate, request, &response);
  EXPECT_EQ(published.error_code(), geteuid() == 0 ? grpc::OK : grpc::PERMISSION_DENIED);
  EXPECT_EQ(is_private(entry->hash()), geteuid() != 0);
  request.mutable_kind()->set_hash(std::string(64, 'e'));
  request.set_is_private(true);
  EXPECT_EQ(Call(*stub, &v1::Blobs::Stub::SetPrivate, request, &response).error_code(),
            grpc::NOT_FOUND);
}

TEST_F(ServerTest, PrivacyCannotBeAskedForTooLate) {
  const auto stub = v1::Blobs::NewStub(Channel());
  grpc::ClientContext context;
  v1::AddResponse response;
  const auto stream = stub->Add(&context, &response);
  v1::AddRequest request;
  request.set_data("open");
  stream->Write(request);
  request.set_is_private(true);
  stream->Write(request);
  stream->WritesDone();
  EXPECT_EQ(stream->Finish().error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(ServerTest, UploadsAreShown) {
  transfer::UploadInfo info;
  info.node = kServed;
  info.address = *SocketAddress::Parse("192.0.2.9:9");
  info.connections = 1;
  info.streams = 3;
  info.sent_bytes = 5000;
  info.requests = 4;
  info.since = WallTime{1000};
  Serve({info}, {7000, 8, 2});
  const auto channel = Channel();
  const auto downloads = v1::Downloads::NewStub(channel);
  Queue(*downloads, 'a');
  v1::ListTransfersRequest list;
  v1::ListTransfersResponse transfers;
  ASSERT_TRUE(Call(*downloads, &v1::Downloads::Stub::ListTransfers, list, &transfers).ok());
  ASSERT_EQ(transfers.uploads_size(), 1);
  EXPECT_EQ(transfers.uploads(0).node_id(), kServed.ToHex());
  EXPECT_EQ(transfers.uploads(0).address(), "192.0.2.9:9");
  EXPECT_EQ(transfers.uploads(0).streams(), 3u);
  EXPECT_EQ(transfers.uploads(0).sent_bytes(), 5000u);
  EXPECT_EQ(transfers.uploads(0).since_unix_ms(), 1000);
  list.set_page_token("t1");
  ASSERT_TRUE(Call(*downloads, &v1::Downloads::Stub::ListTransfers, list, &transfers).ok());
  EXPECT_EQ(transfers.uploads_size(), 0) << "only the first page has them";
  v1::StatusResponse status;
  const auto admin = v1::Admin::NewStub(channel);
  ASSERT_TRUE(Call(*admin, &v1::Admin::Stub::Status, v1::StatusRequest(), &status).ok());
  EXPECT_EQ(status.serve(), "anyone");
  EXPECT_EQ(status.uploads().nodes(), 1u);
  EXPECT_EQ(status.uploads().streams(), 3u);
  EXPECT_EQ(status.uploads().sent_bytes(), 7000u);
  EXPECT_EQ(status.uploads().requests(), 8u);
  EXPECT_EQ(status.uploads().refused(), 2u);
}

TEST_F(ServerTest, RemotesAreListedAndPaged) {
  transfer::UploadInfo info;
  info.node = kServed;
  info.streams = 1;
  Serve({info}, {});
  const auto channel = Channel();
  const auto downloads = v1::Downloads::NewStub(channel);
  grpc::ClientContext queueing;
  v1::QueueRequest queue;
  v1::QueueResponse queued;
  v1::QueueItem* item = queue.add_items();
  item->mutable_kind()->set_hash(std::string(64, 'a'));
  for (const uint8_t node : std::array<uint8_t, 3>{1, 2, 3}) {
    v1::Node* provider = item->add_providers()->mutable_node();
    provider->set_node_id(NodeId{{node}}.ToHex());
    provider->add_addresses("192.0.2.1:1");
  }
  ASSERT_TRUE(downloads->Queue(&queueing, queue, &queued).ok());
  const auto remotes = v1::Remotes::NewStub(channel);
  std::map<std::string, v1::Remote> seen;
  v1::ListRemotesRequest list;
  list.set_page_size(2);
  for (;;) {
    v1::ListRemotesResponse page;
    ASSERT_TRUE(Call(*remotes, &v1::Remotes::Stub::List, list, &page).ok());
    EXPECT_LE(page.remotes_size(), 2);
    for (const v1::Remote& remote : page.remotes()) {
      EXPECT_TRUE(seen.emplace(remote.node_id(), remote).second) << "twice";
    }
    if (page.next_page_token().empty()) break;
    list.set_page_token(page.next_page_token());
  }
  ASSERT_EQ(seen.size(), 4u);
  const v1::Remote& dialled = seen.at(NodeId{{1}}.ToHex());
  EXPECT_EQ(dialled.addresses(0).address(), "192.0.2.1:1");
  EXPECT_EQ(dialled.addresses(0).source(), "api");
  EXPECT_FALSE(dialled.has_upload());
  const v1::Remote& served = seen.at(kServed.ToHex());
  EXPECT_EQ(served.state(), v1::REMOTE_STATE_DOWN);
  EXPECT_EQ(served.upload().streams(), 1u);
  list.clear_page_token();
  list.set_page_size(10);
  list.add_states(v1::REMOTE_STATE_DIALLING);
  v1::ListRemotesResponse page;
  do {  // the store is asked first
    ASSERT_TRUE(Call(*remotes, &v1::Remotes::Stub::List, list, &page).ok());
  } while (page.remotes_size() < 3);
  EXPECT_EQ(page.remotes_size(), 3);
  list.set_banned_only(true);
  ASSERT_TRUE(Call(*remotes, &v1::Remotes::Stub::List, list, &page).ok());
  EXPECT_EQ(page.remotes_size(), 0);
  list.add_states(v1::REMOTE_STATE_UNSPECIFIED);
  EXPECT_EQ(Call(*remotes, &v1::Remotes::Stub::List, list, &page).error_code(),
            grpc::INVALID_ARGUMENT);
  list.clear_states();
  list.set_page_token("nonsense");
  EXPECT_EQ(Call(*remotes, &v1::Remotes::Stub::List, list, &page).error_code(),
            grpc::INVALID_ARGUMENT);
}

// Learns of so many nodes by themselves, in memory only. On the control loop.
void LearnNodes(engine::Engine& engine, const Hash& hash, uint32_t count) {
  std::vector<engine::NamedProvider> named;
  for (uint32_t i = 0; i < count; ++i) {
    NodeId node;
    node.bytes[0] = 1;
    node.bytes[1] = static_cast<uint8_t>(i >> 8);
    node.bytes[2] = static_cast<uint8_t>(i);
    engine::NamedProvider provider;
    provider.provider = node;
    provider.addresses = {*SocketAddress::Parse("192.0.2.9:9")};
    named.push_back(provider);
  }
  EXPECT_TRUE(engine.NodesHave(hash, named).ok());
}

class RemotesWatchTest : public ServerTest {
 protected:
  using Stream = grpc::ClientReader<v1::WatchRemotesResponse>;
  RemotesWatchTest() {
    // Nobody is dialled meanwhile.
    std::promise<Status> paused;
    control_->Post(
        [&] { engine_->SetEverythingPaused(true, [&](Status s) { paused.set_value(s); }); });
    EXPECT_TRUE(paused.get_future().get().ok());
    v1::QueueRequest queue;
    v1::QueueResponse queued;
    hash_.bytes[0] = 3;
    queue.add_items()->mutable_kind()->set_hash(hash_.ToHex());
    EXPECT_TRUE(
        Call(*v1::Downloads::NewStub(Channel()), &v1::Downloads::Stub::Queue, queue, &queued).ok());
  }
  void Learn(uint32_t count) {
    std::promise<void> done;
    control_->Post([&] {
      LearnNodes(*engine_, hash_, count);
      done.set_value();
    });
    done.get_future().wait();
  }
  // Reads until everything there is has been told; returns how many nodes came.
  static int ReadAll(Stream& stream) {
    v1::WatchRemotesResponse message;
    int nodes = 0;
    do {
      EXPECT_TRUE(stream.Read(&message));
      EXPECT_LE(message.remotes_size(), 250);
      nodes += message.remotes_size();
    } while (!message.current() && !testing::Test::HasFailure());
    return nodes;
  }
  Hash hash_;
};

TEST_F(RemotesWatchTest, FirstWhatThereIsThenWhatChanges) {
  const auto stub = v1::Remotes::NewStub(Channel());
  Learn(700);
  grpc::ClientContext context;
  const auto stream = stub->Watch(&context, v1::WatchRemotesRequest());
  EXPECT_EQ(ReadAll(*stream), 700);
  // A node that gets something from us is shown while it does, and gone after that.
  v1::WatchRemotesResponse message;
  const auto serve = [&](bool on) {
    control_->Post([this, on] {
      served_.nodes.clear();
      if (!on) return;
      transfer::UploadInfo info;
      info.node = kServed;
      info.streams = 1;
      served_.nodes.push_back(info);
    });
  };
  serve(true);
  ASSERT_TRUE(stream->Read(&message));
  ASSERT_EQ(message.remotes_size(), 1);
  EXPECT_EQ(message.remotes(0).node_id(), kServed.ToHex());
  EXPECT_EQ(message.remotes(0).upload().streams(), 1u);
  serve(false);
  do {
    ASSERT_TRUE(stream->Read(&message));
  } while (message.gone_node_ids().empty());
  EXPECT_EQ(message.gone_node_ids(0), kServed.ToHex());
  EXPECT_TRUE(message.current());
  Learn(702);
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_GE(message.remotes_size(), 2);
  context.TryCancel();
  while (stream->Read(&message)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::CANCELLED);
}

TEST_F(RemotesWatchTest, WhoComesBackIsToldWhatWasMissed) {
  const auto stub = v1::Remotes::NewStub(Channel());
  Learn(10);
  v1::WatchRemotesRequest request;
  v1::WatchRemotesResponse message;
  {
    grpc::ClientContext context;
    const auto stream = stub->Watch(&context, request);
    ASSERT_TRUE(stream->Read(&message));
    EXPECT_TRUE(message.from_beginning());
    EXPECT_EQ(message.remotes_size(), 10);
    request.set_resume_token(message.resume_token());
    context.TryCancel();
  }
  Learn(13);
  {
    grpc::ClientContext context;
    const auto stream = stub->Watch(&context, request);
    ASSERT_TRUE(stream->Read(&message));
    EXPECT_FALSE(message.from_beginning());
    EXPECT_TRUE(message.current());
    std::set<std::string> told;
    for (const v1::Remote& remote : message.remotes()) told.insert(remote.node_id());
    for (const uint8_t n : std::array<uint8_t, 3>{10, 11, 12}) {
      NodeId node;
      node.bytes[0] = 1;
      node.bytes[2] = n;
      EXPECT_EQ(told.count(node.ToHex()), 1u);
    }
    context.TryCancel();
  }
  request.set_node_id(kServed.ToHex());
  grpc::ClientContext context;
  const auto other = stub->Watch(&context, request);
  EXPECT_FALSE(other->Read(&message));
  EXPECT_EQ(other->Finish().error_code(), grpc::INVALID_ARGUMENT) << "of another filter";
}

TEST_F(RemotesWatchTest, OneNodeAlsoBeforeAnythingIsKnownOfIt) {
  const auto stub = v1::Remotes::NewStub(Channel());
  NodeId node;
  node.bytes[0] = 1;
  node.bytes[2] = 4;
  grpc::ClientContext context;
  v1::WatchRemotesRequest request;
  request.set_node_id(node.ToHex());
  const auto stream = stub->Watch(&context, request);
  EXPECT_EQ(ReadAll(*stream), 0);
  Learn(10);
  v1::WatchRemotesResponse message;
  ASSERT_TRUE(stream->Read(&message));
  ASSERT_EQ(message.remotes_size(), 1);
  EXPECT_EQ(message.remotes(0).node_id(), node.ToHex());
  context.TryCancel();
}

TEST_F(RemotesWatchTest, AReaderThatDoesNotReadIsEndedAndOneThatDoesIsNot) {
  const auto stub = v1::Remotes::NewStub(Channel());
  // Its library takes 64 KiB ahead of it, and no more the longer it waits.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 << 10);
  const auto slow_stub = v1::Remotes::NewStub(Channel(arguments));
  grpc::ClientContext slow_context;
  grpc::ClientContext context;
  const auto slow = slow_stub->Watch(&slow_context, v1::WatchRemotesRequest());
  const auto stream = stub->Watch(&context, v1::WatchRemotesRequest());
  EXPECT_EQ(ReadAll(*slow), 0);
  EXPECT_EQ(ReadAll(*stream), 0);
  Learn(12'000);
  std::set<std::string> seen;
  v1::WatchRemotesResponse message;
  while (seen.size() < 12'000 && stream->Read(&message)) {
    for (const v1::Remote& remote : message.remotes()) seen.insert(remote.node_id());
  }
  EXPECT_EQ(seen.size(), 12'000u);
  std::this_thread::sleep_for(2 * FeedBounds::kPatience * engine::ChangeWatch<NodeId>::kInterval);
  int late = 0;
  while (slow->Read(&message)) late += message.remotes_size();
  EXPECT_LT(late, 12'000);
  const grpc::Status status = slow->Finish();
  EXPECT_EQ(status.error_code(), grpc::RESOURCE_EXHAUSTED) << status.error_message();
  context.TryCancel();
}

TEST_F(RemotesWatchTest, AWrongNodeIdIsRefused) {
  grpc::ClientContext context;
  v1::WatchRemotesRequest request;
  request.set_node_id("nobody");
  const auto stream = v1::Remotes::NewStub(Channel())->Watch(&context, request);
  v1::WatchRemotesResponse message;
  EXPECT_FALSE(stream->Read(&message));
  EXPECT_EQ(stream->Finish().error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(ServerTest, OnlyRootAddsAddresses) {
  v1::AddAddressesRequest request;
  request.mutable_node()->set_node_id(kServed.ToHex());
  request.mutable_node()->add_addresses("192.0.2.1:1");
  v1::AddAddressesResponse response;
  const auto member = ChannelOfAMember();
  if (member != nullptr) {
    const auto remotes = v1::Remotes::NewStub(member);
    EXPECT_EQ(Call(*remotes, &v1::Remotes::Stub::AddAddresses, request, &response).error_code(),
              grpc::PERMISSION_DENIED);
    const auto blobs = v1::Blobs::NewStub(member);
    v1::SetPrivateRequest publish;
    v1::SetPrivateResponse published;
    publish.mutable_kind()->set_hash(std::string(64, 'a'));
    EXPECT_EQ(Call(*blobs, &v1::Blobs::Stub::SetPrivate, publish, &published).error_code(),
              grpc::PERMISSION_DENIED);
  }
  const auto remotes = v1::Remotes::NewStub(Channel());
  const auto add = [&] {
    return Call(*remotes, &v1::Remotes::Stub::AddAddresses, request, &response).error_code();
  };
  if (geteuid() != 0) {
    EXPECT_EQ(add(), grpc::PERMISSION_DENIED);
    return;
  }
  EXPECT_EQ(add(), grpc::OK);
  EXPECT_EQ(response.added(), 1u);
  EXPECT_EQ(add(), grpc::OK);
  EXPECT_EQ(response.added(), 0u);
  request.mutable_node()->set_node_id(kOurselves.ToHex());
  EXPECT_EQ(add(), grpc::INVALID_ARGUMENT);
  request.mutable_node()->set_node_id(kServed.ToHex());
  request.mutable_node()->clear_addresses();
  EXPECT_EQ(add(), grpc::INVALID_ARGUMENT);
  for (int i = 0; i < 33; ++i) request.mutable_node()->add_addresses("192.0.2.1:1");
  EXPECT_EQ(add(), grpc::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace blobd::rpc
