// ServerTest: the real server on a real socket over the real engine, store and registry; the
// network is a fake, and so is what the upload server would say. Test code only.
#pragma once

#include <fcntl.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/test_directory_for_test.h"
#include "blobd/v1/admin.grpc.pb.h"
#include "blobd/v1/blobs.grpc.pb.h"
#include "blobd/v1/data_socket.pb.h"
#include "blobd/v1/downloads.grpc.pb.h"
#include "blobd/v1/remotes.grpc.pb.h"
#include "blobd/v1/tags.grpc.pb.h"
#include "engine/fakes_for_test.h"
#include "registry/sqlite_registry.h"
#include "rpc/listener.h"
#include "rpc/server.h"
#include "store/disk_store.h"

namespace blobd::rpc {

inline const NodeId kOurselves = {{7}};
inline const NodeId kServed = {{9}};

// A daemon whose registry is fine and small.
class FakeMaintenance final : public Maintenance {
 public:
  explicit FakeMaintenance(std::string copy) : copy_(std::move(copy)) {}
  void BackupRegistry(UniqueFunction<void(StatusOr<std::string>)> done) override {
    std::ofstream(copy_) << content;
    done(copy_);
  }
  void RecoverRegistry(UniqueFunction<void(StatusOr<Recovery>)> done) override {
    done(FailedPrecondition("the registry is not damaged"));
  }
  std::vector<std::string> Warnings() const override { return {"be careful"}; }

  std::string content;

 private:
  const std::string copy_;
};

// A daemon with two keys, of which files say one otherwise than it is.
class FakeConfiguration final : public Configuration {
 public:
  Listing List(const std::string& prefix, bool changed_only) const override {
    Note(prefix + (changed_only ? " changed" : ""));
    Listing listing;
    listing.values.push_back(
        {"store.max_bytes", "5", "0", Origin::kFile, "a.toml", 7, true, {}, false});
    listing.values.push_back(
        {"workers", "2", "0", Origin::kEnvironment, "BLOBD_WORKERS", 0, false, "3", false});
    listing.files = {"a.toml"};
    return listing;
  }
  void Reload(bool dry_run, UniqueFunction<void(StatusOr<Report>)> done) override {
    Note(dry_run ? "dry run" : "reload");
    if (const Status status = failure(); !status.ok()) return done(status);
    Report report;
    report.keys.push_back({"workers", "2", "3", Result::kNeedsRestart, ""});
    report.keys.push_back({"limits.requests", "", "9", Result::kRefused, "it is set"});
    report.files = {"a.toml"};
    report.warnings = {"a word"};
    done(report);
  }

  // Asked by tests, while the control loop turns.
  std::string asked_for() const {
    const MutexLock lock(mutex_);
    return asked_for_;
  }
  void Fail(Status status) {
    const MutexLock lock(mutex_);
    failure_ = std::move(status);
  }

 private:
  void Note(std::string asked) const {
    const MutexLock lock(mutex_);
    asked_for_ = std::move(asked);
  }
  Status failure() const {
    const MutexLock lock(mutex_);
    return failure_;
  }

  mutable Mutex mutex_;
  mutable std::string asked_for_ ABSL_GUARDED_BY(mutex_);
  Status failure_ ABSL_GUARDED_BY(mutex_);
};

class ServerTest : public testing::Test {
 protected:
  ServerTest() : socket_(directory_.File("s")), data_socket_(directory_.File("d")) {
    control_ = *loop::Loop::Create();
    registry_ = *registry::SqliteRegistry::Open(directory_.File("registry.db"), *control_, {});
    store_ = *store::DiskStore::Open(directory_.path(), *workers_, files_, {});
    engine::EngineOptions options;
    options.schedule.self = kOurselves;
    engine_ = std::make_unique<engine::Engine>(
        engine::Engine::Deps{*control_, *control_, SystemClock(), *registry_, *store_, network_,
                             [this] { return workers_->MakeStrand(); }, log_},
        options);
    uploads_ = std::make_unique<engine::UploadTable>(
        *control_,
        [this](UniqueFunction<void(engine::UploadTable::Snapshot)> done) {
          control_->Post([this, done = std::move(done)]() mutable { done(served_); });
        },
        [this](const NodeId& node, UniqueFunction<void(bool)> done) {
          const size_t gone =
              std::erase_if(served_.nodes, [&](const auto& each) { return each.node == node; });
          control_->Post([gone, done = std::move(done)]() mutable { done(gone > 0); });
        });
    keeper_ = std::make_unique<engine::Keeper>(
        engine::Keeper::Deps{*control_, *control_, SystemClock(), *registry_, *store_, *engine_,
                             [this] { return workers_->MakeStrand(); }, log_,
                             [] { return OkStatus(); },
                             [this](const Hash& hash, const RangeSet& groups,
                                    UniqueFunction<void(StatusOr<IntentId>)> done) {
                               engine_->Repair(hash, groups, std::move(done));
                             }},
        engine::KeeperOptions{});
    thread_ = std::thread([this] { control_->Run(); });
    std::promise<Status> started;
    control_->Post([&] { engine_->Start([&](const Status& s) { started.set_value(s); }); });
    EXPECT_TRUE(started.get_future().get().ok());
    DaemonIdentity identity;
    identity.node_id = kOurselves;
    identity.serve = transfer::ServeMode::kAnyone;
    auto server = Server::Start({*engine_, *uploads_, *keeper_, *store_, *workers_, *control_,
                                 [](bool include_loopback) {
                                   return std::vector<SocketAddress>{*SocketAddress::Parse(
                                       include_loopback ? "127.0.0.1:7" : "192.0.2.1:7")};
                                 },
                                 maintenance_, configuration_},
                                identity,
                                {*Listener::Bind(socket_, "", SOCK_STREAM),
                                 *Listener::Bind(data_socket_, "", SOCK_SEQPACKET)},
                                PeerLimits{});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  ~ServerTest() override {
    server_->Shutdown(milliseconds(100));
    control_->Stop();
    thread_.join();
    workers_.reset();
    server_.reset();
    uploads_.reset();
    keeper_.reset();
    engine_.reset();
    store_.reset();
    registry_.reset();
  }

  std::shared_ptr<grpc::Channel> Channel() { return Channel(grpc::ChannelArguments()); }
  std::shared_ptr<grpc::Channel> Channel(grpc::ChannelArguments arguments) {
    arguments.SetInt("grpc.use_local_subchannel_pool", 1);  // a connection of its own
    return grpc::CreateCustomChannel("unix:" + socket_, grpc::InsecureChannelCredentials(),
                                     arguments);
  }
  // A connection of uid 12345; null if we may not make one. Credentials are a thread's own to the
  // kernel, so nothing else of this process changes.
  std::shared_ptr<grpc::Channel> ChannelOfAMember() {
    if (geteuid() != 0) return nullptr;
    chmod(directory_.path().c_str(), 0755);
    chmod(socket_.c_str(), 0666);
    int fd = -1;
    std::thread member([&] {
      if (syscall(SYS_setresuid, -1, 12345, -1) != 0) return;
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      std::memcpy(address.sun_path, socket_.c_str(), socket_.size() + 1);
      fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return;
      close(fd);
      fd = -1;
    });
    member.join();
    if (fd < 0) return nullptr;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return grpc::CreateInsecureChannelFromFd("member", fd);
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
  // An intent, once the store has said what it has of it, which it does at its own time.
  static v1::Intent Settled(v1::Downloads::Stub& stub, uint64_t id) {
    v1::GetIntentRequest request;
    v1::Intent intent;
    request.set_intent_id(id);
    do {
      std::this_thread::yield();
      EXPECT_TRUE(Call(stub, &v1::Downloads::Stub::GetIntent, request, &intent).ok());
    } while (intent.state() == v1::INTENT_STATE_QUEUED && !HasFailure());
    return intent;
  }
  // What the upload server answers from now on.
  void Serve(std::vector<transfer::UploadInfo> nodes, transfer::UploadTotals totals) {
    std::promise<void> done;
    control_->Post([&] {
      served_.nodes = std::move(nodes);
      served_.totals = totals;
      done.set_value();
    });
    done.get_future().get();
  }
  // A call with one answer.
  template <typename Stub, typename Request, typename Response>
  static grpc::Status Call(Stub& stub,
                           grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                        Response*),
                           const Request& request, Response* response) {
    grpc::ClientContext context;
    return (stub.*method)(&context, request, response);
  }
  static std::string Add(v1::Blobs::Stub& stub, const std::string& content,
                         bool is_private = false) {
    grpc::ClientContext context;
    v1::AddResponse response;
    const auto stream = stub.Add(&context, &response);
    for (size_t at = 0; at < content.size(); at += 100'000) {
      v1::AddRequest request;
      request.set_data(content.substr(at, 100'000));
      request.set_is_private(is_private && at == 0);
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
  static grpc::Status Read(v1::Blobs::Stub& stub, const v1::ReadRequest& request,
                           std::string* content) {
    grpc::ClientContext context;
    const auto stream = stub.Read(&context, request);
    v1::ReadResponse response;
    while (stream->Read(&response)) *content += response.data();
    return stream->Finish();
  }

  TestDirectory directory_;
  const std::string socket_;
  const std::string data_socket_;
  store::RealFileSystem files_;
  engine::FakeNetwork network_;
  engine::SilentLog log_;
  FakeMaintenance maintenance_{directory_.File("copy")};
  FakeConfiguration configuration_;
  std::unique_ptr<loop::WorkerPool> workers_ = std::make_unique<loop::WorkerPool>(2);
  std::unique_ptr<loop::Loop> control_;
  std::unique_ptr<registry::SqliteRegistry> registry_;
  std::unique_ptr<store::DiskStore> store_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::Keeper> keeper_;
  engine::UploadTable::Snapshot served_;  // what the upload server would answer; control loop
  std::unique_ptr<engine::UploadTable> uploads_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

}  // namespace blobd::rpc
