#include "rpc/server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/grpc.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "rpc/admin_service.h"
#include "rpc/blobs_service.h"
#include "rpc/commands.h"
#include "rpc/data_socket.h"
#include "rpc/downloads_service.h"
#include "rpc/health_service.h"
#include "rpc/keep_added.h"
#include "rpc/listener.h"
#include "rpc/malformed_requests.h"
#include "rpc/reflection_service.h"
#include "rpc/remotes_service.h"
#include "rpc/tags_service.h"
#include "rpc/unknown_methods.h"

namespace blobd::rpc {
namespace {

constexpr int kMaxMessageBytes = 16 << 20;
constexpr int kMaxCallsPerConnection = 64;
constexpr size_t kMaxBufferedBytes = 512 << 20;  // of all calls together

// What reflection tells of; not its own old name, which only who knows it asks for.
std::vector<std::string> Services() {
  std::vector<std::string> services = {v1::Downloads::service_full_name(),
                                       v1::Blobs::service_full_name(),
                                       v1::Remotes::service_full_name(),
                                       v1::Tags::service_full_name(),
                                       v1::Admin::service_full_name(),
                                       grpc::health::v1::Health::service_full_name(),
                                       grpc::reflection::v1::ServerReflection::service_full_name()};
  std::sort(services.begin(), services.end());
  return services;
}

class GrpcServer final : public Server {
 public:
  GrpcServer(Deps deps, DaemonIdentity identity, PeerLimits limits, const Admins& admins)
      : admins_(admins),
        peers_(limits, admins),
        commands_(deps.control),
        tokens_(TokenOptions{}),
        calls_(std::move(deps.journal)),
        context_{deps.engine, deps.uploads, deps.keeper, deps.store, deps.workers, commands_,
                 admission_,  calls_,       peers_,      tokens_,    data_socket_, deps.importer},
        downloads_(context_),
        blobs_(context_),
        remotes_(context_),
        tags_(context_),
        admin_(context_, std::move(identity), std::move(deps.own_addresses), deps.maintenance,
               deps.configuration, std::move(deps.serve_mode)),
        health_(context_),
        reflection_(context_, Services()),
        old_reflection_(context_, Services()),
        unknown_methods_(calls_) {}

  ~GrpcServer() override { Shutdown(Duration::zero()); }

  Status Begin(Sockets sockets, PeerLimits limits) {
    if (sockets.data >= 0) {
      DataOptions options;
      options.connections = limits;
      BLOBD_ASSIGN_OR_RETURN(
          data_socket_, DataSocket::Start({context_.store, tokens_, Keeping(), admins_, &calls_},
                                          store::Descriptor(sockets.data), options));
    }
    // One reference that is never given back: the library's own clean-up, which comes with the last
    // one, can wait ten seconds for a poll, and there is nothing left for it to save.
    grpc_init();
    // It writes to standard error what is wrong with each malformed request, and who sends one
    // could fill the journal by that. What is wrong with one of ours is an error of ours.
    google::protobuf::SetLogHandler(nullptr);
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
    // That limit is one of compressed messages, which may become a thousand times as large.
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
    builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxCallsPerConnection);
    builder.SetResourceQuota(grpc::ResourceQuota("blobd").Resize(kMaxBufferedBytes));
    builder.RegisterService(&downloads_);
    builder.RegisterService(&blobs_);
    builder.RegisterService(&remotes_);
    builder.RegisterService(&tags_);
    builder.RegisterService(&admin_);
    builder.RegisterService(&health_);
    builder.RegisterService(&reflection_);
    builder.RegisterService(&old_reflection_);
    builder.RegisterCallbackGenericService(&unknown_methods_);
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
        interceptors;
    interceptors.push_back(std::make_unique<MalformedRequests>(calls_));
    builder.experimental().SetInterceptorCreators(std::move(interceptors));
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return Internal("gRPC could not be started");
    listener_ = std::make_unique<Listener>(sockets.grpc, peers_, [this](int fd) {
      grpc::AddInsecureChannelFromFd(server_.get(), fd);
    });
    return OkStatus();
  }

  CallCounts Counts() const override {
    CallCounts counts = calls_.Counts();
    counts.connections = peers_.counts();
    return counts;
  }

  void Shutdown(Duration grace) override {
    listener_.reset();
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now() + grace);
    server_->Wait();
    server_.reset();
    if (data_socket_ != nullptr) data_socket_->Shutdown(grace);
  }

 private:
  // What comes in by descriptors is leased like what comes by streams.
  KeepImport Keeping() {
    return [this](const engine::Caller& caller, UniqueFunction<void(Added)> add,
                  UniqueFunction<void(blobd::Status)> done) {
      KeepAdded(context_, caller, {}, std::move(add), std::move(done));
    };
  }

  const Admins admins_;
  PeerTable peers_;
  Commands commands_;
  Admission admission_;
  TokenTable tokens_;
  CallBook calls_;
  std::unique_ptr<DataSocket> data_socket_;
  const ServiceContext context_;
  DownloadsService downloads_;
  BlobsService blobs_;
  RemotesService remotes_;
  TagsService tags_;
  AdminService admin_;
  HealthService health_;
  ReflectionService<grpc::reflection::v1::ServerReflection> reflection_;
  ReflectionService<grpc::reflection::v1alpha::ServerReflection> old_reflection_;
  UnknownMethods unknown_methods_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Listener> listener_;
};

}  // namespace

StatusOr<std::unique_ptr<Server>> Server::Start(Deps deps, DaemonIdentity identity, Sockets sockets,
                                                PeerLimits limits,
                                                std::optional<uint32_t> admin_group) {
  const Admins admins{geteuid(), admin_group};
  auto server = std::make_unique<GrpcServer>(std::move(deps), std::move(identity), limits, admins);
  BLOBD_RETURN_IF_ERROR(server->Begin(sockets, limits));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace blobd::rpc
