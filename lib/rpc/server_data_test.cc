// Blobs by descriptors: tokens from the API over a real socket, exchanged on the data socket.
#include <gtest/gtest.h>
#include <poll.h>

#include <deque>

#include "rpc/admission.h"
#include "rpc/datagram.h"
#include "rpc/server_for_test.h"

namespace blobd::rpc {
namespace {

class ServerDataTest : public ServerTest {
 protected:
  // What the data socket answers to `token` and a descriptor (-1: none).
  v1::DataAnswer Exchange(const std::string& token, int descriptor, store::Descriptor* received) {
    store::Descriptor peer(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, data_socket_.c_str(), data_socket_.size() + 1);
    EXPECT_EQ(connect(peer.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    v1::DataRequest request;
    request.set_token(token);
    EXPECT_EQ(SendDatagram(peer.fd(), request.SerializeAsString(), descriptor), Sent::kSent);
    v1::DataAnswer answer;
    do {
      pollfd waiting{peer.fd(), POLLIN, 0};
      poll(&waiting, 1, -1);
      auto datagram = ReceiveDatagram(peer.fd(), 4096, true);
      EXPECT_TRUE(datagram && !datagram->ended && answer.ParseFromString(datagram->bytes));
      if (!datagram || datagram->ended) break;
      if (datagram->descriptors.size() == 1) *received = std::move(datagram->descriptors[0]);
    } while (answer.has_progress());
    return answer;
  }
  v1::DataAnswer Import(const std::string& content, bool is_private = false) {
    const std::string path = directory_.File("file");
    const store::Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    EXPECT_EQ(pwrite(file.fd(), content.data(), content.size(), 0),
              static_cast<ssize_t>(content.size()));
    v1::ImportRequest request;
    request.set_is_private(is_private);
    v1::ImportResponse response;
    EXPECT_TRUE(Call(*stub_, &v1::Blobs::Stub::Import, request, &response).ok());
    EXPECT_EQ(response.data_socket(), data_socket_);
    EXPECT_EQ(response.lifetime_ms(), 30'000);
    store::Descriptor none;
    return Exchange(response.token(), file.fd(), &none);
  }
  grpc::Status Open(const std::string& hash, v1::OpenResponse* response) {
    v1::OpenRequest request;
    request.set_hash(hash);
    return Call(*stub_, &v1::Blobs::Stub::Open, request, response);
  }
  // The content by descriptor, and as long as it says.
  std::string OpenAndRead(const std::string& hash) {
    v1::OpenResponse response;
    const grpc::Status status = Open(hash, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    store::Descriptor file;
    const v1::DataAnswer answer = Exchange(response.token(), -1, &file);
    EXPECT_EQ(answer.opened().size(), response.size()) << answer.DebugString();
    std::string content(response.size() + 1, '\0');
    const ssize_t size = pread(file.fd(), content.data(), content.size(), 0);
    content.resize(size < 0 ? 0 : static_cast<size_t>(size));
    EXPECT_EQ(write(file.fd(), "x", 1), -1);
    return content;
  }

  const std::unique_ptr<v1::Blobs::Stub> stub_ = v1::Blobs::NewStub(Channel());
};

// Each holds a message and two descriptors for as long as its caller pleases.
TEST_F(ServerDataTest, CallersWhoDoNotReadCostThemselves) {
  v1::ReadRequest request;
  request.set_hash(Add(*stub_, std::string(8 << 20, 'x')));
  struct Stalled {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::ReadResponse>> stream;
  };
  std::vector<std::shared_ptr<grpc::Channel>> channels;  // of 64 streams each
  std::deque<Stalled> stalled;
  const auto is_admitted = [&](v1::Blobs::Stub& stub) {
    Stalled& call = stalled.emplace_back();
    call.stream = stub.Read(&call.context, request);
    v1::ReadResponse first;
    if (call.stream->Read(&first)) return true;
    const grpc::Status status = call.stream->Finish();
    EXPECT_EQ(status.error_code(), grpc::RESOURCE_EXHAUSTED) << status.error_message();
    stalled.pop_back();
    return false;
  };
  size_t admitted = 0;
  std::unique_ptr<v1::Blobs::Stub> stub;
  do {
    if (admitted % 60 == 0) {
      grpc::ChannelArguments arguments;
      arguments.SetInt("grpc.use_local_subchannel_pool", 1);
      // What is not read stays with the server, but for so much.
      arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
      arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 65536);
      channels.push_back(grpc::CreateCustomChannel("unix:" + socket_,
                                                   grpc::InsecureChannelCredentials(), arguments));
      stub = v1::Blobs::NewStub(channels.back());
    }
  } while (is_admitted(*stub) && ++admitted < 1000);
  EXPECT_EQ(admitted, Admission::Limits().units.per_uid / kReadWeight);
  // Others are served all the same.
  if (const auto member = ChannelOfAMember(); member != nullptr) {
    EXPECT_TRUE(is_admitted(*v1::Blobs::NewStub(member)));
  }
  stalled.front().context.TryCancel();
  while (!is_admitted(*stub)) std::this_thread::yield();
  for (Stalled& call : stalled) call.context.TryCancel();
}

TEST_F(ServerDataTest, WhatIsImportedCanBeOpened) {
  for (const size_t size : {0u, 5u, 16'384u, 16'385u, 300'000u}) {
    SCOPED_TRACE(size);
    const std::string content(size, 'x');
    const v1::DataAnswer first = Import(content);
    ASSERT_TRUE(first.has_imported()) << first.DebugString();
    EXPECT_EQ(first.imported().size(), size);
    EXPECT_FALSE(first.imported().existed());
    EXPECT_EQ(first.imported().hash(), Add(*stub_, content));
    EXPECT_TRUE(Import(content).imported().existed());
    EXPECT_EQ(OpenAndRead(first.imported().hash()), content);
  }
}

TEST_F(ServerDataTest, WhatIsNotThereOrNotCompleteIsNotOpened) {
  v1::OpenResponse response;
  EXPECT_EQ(Open(std::string(64, 'a'), &response).error_code(), grpc::NOT_FOUND);
  EXPECT_EQ(Open("nonsense", &response).error_code(), grpc::INVALID_ARGUMENT);
  const Hash partial = {{9}};
  std::promise<void> written;
  auto strand = workers_->MakeStrand();
  store_->OpenWriter(partial, *strand, [&](StatusOr<std::shared_ptr<store::BlobWriter>> writer) {
    const Bytes group(store::kGroupSize, 1);
    const store::VerifiedGroup groups[] = {{0, group}};
    EXPECT_TRUE(writer.ok() && (*writer)->Write(groups, {}).ok());
    (*writer)->Publish();
    written.set_value();
  });
  written.get_future().get();
  EXPECT_EQ(Open(partial.ToHex(), &response).error_code(), grpc::FAILED_PRECONDITION);
  EXPECT_TRUE(response.token().empty());
}

TEST_F(ServerDataTest, ADescriptorOutlivesItsBlob) {
  for (const size_t size : {5u, 300'000u}) {
    const std::string content(size, 'y');
    const std::string hash = Import(content).imported().hash();
    v1::OpenResponse response;
    ASSERT_TRUE(Open(hash, &response).ok());
    store::Descriptor file;
    ASSERT_TRUE(Exchange(response.token(), -1, &file).has_opened());
    auto strand = workers_->MakeStrand();
    std::promise<Status> removed;
    store_->Remove(*Hash::FromHexText(hash), *strand,
                   [&](const StatusOr<uint64_t>& freed) { removed.set_value(freed.status()); });
    EXPECT_TRUE(removed.get_future().get().ok());
    EXPECT_EQ(Open(hash, &response).error_code(), grpc::NOT_FOUND);
    std::string read(size, '\0');
    EXPECT_EQ(pread(file.fd(), read.data(), size, 0), static_cast<ssize_t>(size));
    EXPECT_EQ(read, content);
  }
}

TEST_F(ServerDataTest, PrivateImportsArePrivateAndMembersOpenThem) {
  Import("public first");
  const v1::DataAnswer answer = Import("public first", true);
  const v1::DataAnswer fresh = Import("secret", true);
  for (const v1::DataAnswer& imported : {answer, fresh}) {
    v1::StatRequest request;
    request.set_hash(imported.imported().hash());
    v1::Blob blob;
    EXPECT_TRUE(Call(*stub_, &v1::Blobs::Stub::Stat, request, &blob).ok());
    EXPECT_TRUE(blob.is_private());
  }
  const auto channel = ChannelOfAMember();
  if (channel == nullptr) GTEST_SKIP() << "only root may act as somebody else";
  const auto member = v1::Blobs::NewStub(channel);
  v1::OpenRequest request;
  request.set_hash(fresh.imported().hash());
  v1::OpenResponse response;
  ASSERT_TRUE(Call(*member, &v1::Blobs::Stub::Open, request, &response).ok());
  store::Descriptor none;
  EXPECT_EQ(Exchange(response.token(), -1, &none).error().code(), grpc::PERMISSION_DENIED)
      << "it is the member's token";
}

TEST_F(ServerDataTest, TheStatusCountsExchanges) {
  const auto admin = v1::Admin::NewStub(Channel());
  Import("1");
  store::Descriptor none;
  Exchange("nonsense", -1, &none);
  v1::StatusResponse status;
  ASSERT_TRUE(Call(*admin, &v1::Admin::Stub::Status, v1::StatusRequest(), &status).ok());
  EXPECT_EQ(status.data_socket().path(), data_socket_);
  EXPECT_EQ(status.data_socket().imported(), 1u);
  EXPECT_EQ(status.data_socket().refused(), 1u);
}

}  // namespace
}  // namespace blobd::rpc
