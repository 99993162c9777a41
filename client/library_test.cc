// The client library against a daemon that a test scripts: over its restarts, and when it says no.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "blobd/v1/blobs.grpc.pb.h"
#include "blobd/v1/downloads.grpc.pb.h"
#include "client/client.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace blobd::client {
namespace {

using grpc::ServerContext;
using grpc::ServerWriter;

// What the daemon answers; what a test does not set is refused by gRPC.
struct Blobs final : v1::Blobs::Service {
  std::function<grpc::Status(const v1::ReadRequest&, ServerWriter<v1::ReadResponse>*)> read;
  std::function<grpc::Status()> stat;
  std::function<grpc::Status()> remove;

  grpc::Status Read(ServerContext*, const v1::ReadRequest* request,
                    ServerWriter<v1::ReadResponse>* writer) override {
    return read(*request, writer);
  }
  grpc::Status Stat(ServerContext*, const v1::StatRequest*, v1::Blob*) override { return stat(); }
  grpc::Status Remove(ServerContext*, const v1::RemoveRequest*, v1::RemoveResponse*) override {
    return remove();
  }
};

struct Downloads final : v1::Downloads::Service {
  std::vector<v1::QueueRequest> queued;
  std::function<grpc::Status(const v1::WatchTransfersRequest&,
                             ServerWriter<v1::WatchTransfersResponse>*)>
      watch;

  grpc::Status Queue(ServerContext*, const v1::QueueRequest* request,
                     v1::QueueResponse* response) override {
    queued.push_back(*request);
    for (int i = 0; i < request->items_size(); ++i) response->add_intents()->set_intent_id(7);
    return grpc::Status::OK;
  }
  grpc::Status WatchTransfers(ServerContext*, const v1::WatchTransfersRequest* request,
                              ServerWriter<v1::WatchTransfersResponse>* writer) override {
    return watch(*request, writer);
  }
};

class Library : public testing::Test {
 protected:
  Library() {
    std::string name = testing::TempDir() + "blobd_library_XXXXXX";
    directory_ = mkdtemp(name.data());
    Start();
    Client::Options options;
    options.socket = directory_ + "/sock";
    options.timeout = std::chrono::seconds(60);
    client_ = *Client::Connect(options);
  }
  ~Library() override {
    client_.reset();
    if (restart_.joinable()) restart_.join();  // it has the server until then
    Stop();
    std::filesystem::remove_all(directory_);
  }

  void Start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + directory_ + "/sock", grpc::InsecureServerCredentials());
    builder.RegisterService(&blobs_);
    builder.RegisterService(&downloads_);
    server_ = builder.BuildAndStart();
  }
  void Stop() {
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  // The daemon goes away, with the call that this is called from, and comes back.
  void Restart() {
    if (restart_.joinable()) restart_.join();
    restart_ = std::thread([this] {
      Stop();
      Start();
    });
  }
  // What a call that is under way meanwhile ends with.
  static grpc::Status GoingAway() { return {grpc::StatusCode::UNAVAILABLE, "going away"}; }

  std::string directory_;
  Blobs blobs_;
  Downloads downloads_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Client> client_;
  std::thread restart_;
};

void Send(const std::string& bytes, ServerWriter<v1::ReadResponse>* writer) {
  v1::ReadResponse response;
  response.set_data(bytes);
  writer->Write(response);
}

TEST_F(Library, AReadGoesOnBehindTheLastByteAfterARestart) {
  std::vector<std::pair<uint64_t, uint64_t>> asked;
  blobs_.read = [&](const v1::ReadRequest& request, ServerWriter<v1::ReadResponse>* writer) {
    asked.emplace_back(request.offset(), request.length());
    if (asked.size() > 1) {
      Send("defg", writer);
      return grpc::Status::OK;
    }
    Send("abc", writer);
    Restart();
    return GoingAway();
  };
  std::string got;
  const auto sink = [&](std::string_view data) {
    got += data;
    return absl::OkStatus();
  };
  EXPECT_TRUE(client_->Read("h", {10, 7}, sink).ok());
  EXPECT_EQ(got, "abcdefg");
  EXPECT_EQ(asked, (std::vector<std::pair<uint64_t, uint64_t>>{{10, 7}, {13, 4}}));
}

TEST_F(Library, AnErrorOfTheSinkEndsTheRead) {
  blobs_.read = [&](const v1::ReadRequest&, ServerWriter<v1::ReadResponse>* writer) {
    Send("abc", writer);
    return grpc::Status::OK;
  };
  const auto status = client_->Read(
      "h", {}, [](std::string_view) { return absl::ResourceExhaustedError("the disk is full"); });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(client_->interrupted());
}

TEST_F(Library, QueueMakesUpAKeyWhereThereIsNone) {
  v1::QueueRequest request;
  request.add_items()->set_ticket("a");
  request.add_items()->set_idempotency_key("mine");
  EXPECT_EQ(client_->Queue(request)->intents_size(), 2);
  ASSERT_EQ(downloads_.queued.size(), 1u);
  EXPECT_TRUE(downloads_.queued[0].items(0).idempotency_key().starts_with("client-"));
  EXPECT_EQ(downloads_.queued[0].items(1).idempotency_key(), "mine");
}

TEST_F(Library, AWatchComesBackWithItsToken) {
  std::vector<std::string> tokens;
  downloads_.watch = [&](const v1::WatchTransfersRequest& request,
                         ServerWriter<v1::WatchTransfersResponse>* writer) {
    tokens.push_back(request.resume_token());
    v1::WatchTransfersResponse response;
    response.set_from_beginning(tokens.size() == 1);
    if (tokens.size() == 3) return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "slow");
    if (tokens.size() == 1) writer->Write(response);
    response.set_from_beginning(false);
    response.set_current(true);
    response.set_resume_token("token" + std::to_string(tokens.size()));
    writer->Write(response);
    Restart();
    return tokens.size() == 1 ? GoingAway() : grpc::Status::OK;
  };
  int messages = 0;
  const auto status =
      client_->WatchTransfers({}, [&](const v1::WatchTransfersResponse&) { ++messages; });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(tokens, (std::vector<std::string>{"", "token1", "token2"}));
  EXPECT_EQ(messages, 3);
}

TEST_F(Library, OtherCallsAreMadeAgainOnlyWhereThatIsSafe) {
  const auto stub = v1::Blobs::NewStub(client_->channel());
  int stats = 0;
  blobs_.stat = [&] {
    if (++stats > 1) return grpc::Status::OK;
    Restart();
    return GoingAway();
  };
  v1::Blob blob;
  EXPECT_TRUE(client_
                  ->Call(Repeat::kSafe,
                         [&](grpc::ClientContext* context) {
                           return stub->Stat(context, v1::StatRequest(), &blob);
                         })
                  .ok());
  EXPECT_EQ(stats, 2);
  int removals = 0;
  blobs_.remove = [&] {
    ++removals;
    Restart();
    return GoingAway();
  };
  v1::RemoveResponse removed;
  const auto status = client_->Call(Repeat::kNever, [&](grpc::ClientContext* context) {
    return stub->Remove(context, v1::RemoveRequest(), &removed);
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(removals, 1);
}

TEST_F(Library, AnErrorKeepsItsReason) {
  blobs_.read = [](const v1::ReadRequest&, ServerWriter<v1::ReadResponse>*) {
    google::rpc::ErrorInfo info;
    info.set_reason("OUT_OF_RANGE");
    info.set_domain("blobd");
    google::rpc::ErrorInfo::Metadata* known = info.add_metadata();
    known->set_key("field");
    known->set_value("offset");
    google::rpc::Status status;
    status.add_details()->PackFrom(info);
    return grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "too far", status.SerializeAsString());
  };
  const auto sink = [](std::string_view) { return absl::OkStatus(); };
  const auto status = client_->Read("h", {}, sink);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(status.message(), "too far");
  const auto reason = ReasonOf(status);
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->name, "OUT_OF_RANGE");
  EXPECT_EQ(reason->domain, "blobd");
  EXPECT_EQ(reason->details, (std::map<std::string, std::string>{{"field", "offset"}}));

  // What is no such thing is no reason, and no error of ours.
  for (const std::string details : {"", "\xff\xff", "nonsense"}) {
    blobs_.read = [&](const v1::ReadRequest&, ServerWriter<v1::ReadResponse>*) {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "none", details);
    };
    const auto other = client_->Read("h", {}, sink);
    EXPECT_EQ(other.code(), absl::StatusCode::kNotFound);
    EXPECT_FALSE(ReasonOf(other).has_value());
  }
  EXPECT_FALSE(ReasonOf(absl::OkStatus()).has_value());
}

TEST_F(Library, ADaemonThatIsOlderThanWeIs) {
  const auto stub = v1::Downloads::NewStub(client_->channel());
  v1::Transfer transfer;
  const auto status = client_->Call(Repeat::kSafe, [&](grpc::ClientContext* context) {
    return stub->GetTransfer(context, v1::GetTransferRequest(), &transfer);
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(std::string(status.message()).find("update and restart it"), std::string::npos);
}

TEST_F(Library, AnInterruptEndsWhatIsUnderWayAndAllThatComes) {
  blobs_.read = [this](const v1::ReadRequest&, ServerWriter<v1::ReadResponse>* writer) {
    Send("abc", writer);
    client_->Interrupt();
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "");
  };
  const auto sink = [](std::string_view) { return absl::OkStatus(); };
  EXPECT_EQ(client_->Read("h", {}, sink).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(client_->Queue({}).status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(downloads_.queued.empty());
}

TEST(LibraryWithoutDaemon, SaysWhatToDo) {
  Client::Options options;
  options.socket = testing::TempDir() + "no_such_socket";
  const auto client = Client::Connect(options);
  EXPECT_EQ(client.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(std::string(client.status().message()).find("start it"), std::string::npos);
}

}  // namespace
}  // namespace blobd::client
