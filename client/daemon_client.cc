#include "client/daemon_client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <set>
#include <utility>

#include "base/mutex.h"
#include "blobd/v1/admin.grpc.pb.h"
#include "blobd/v1/blobs.grpc.pb.h"
#include "blobd/v1/downloads.grpc.pb.h"
#include "blobd/v1/remotes.grpc.pb.h"
#include "blobd/v1/tags.grpc.pb.h"

namespace blobd::client {
namespace {

constexpr char kSystemSocket[] = "/run/blobd/blobd.sock";
constexpr size_t kAddPiece = 512 * 1024;
// How long the daemon may take to be there again, and how often it is asked.
constexpr std::chrono::seconds kRestartTime(60);
constexpr std::chrono::milliseconds kAskAgain(250);

// 0, or the errno of connecting.
int TryConnect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const int error =
      connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
  close(fd);
  return error;
}

// Where only we can have put a socket: the variable may have been kept from another user (sudo -E).
bool IsOurOwn(const char* directory) {
  struct stat facts {};
  return lstat(directory, &facts) == 0 && S_ISDIR(facts.st_mode) && facts.st_uid == geteuid() &&
         (facts.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  // A page of names can be larger than the library's default of 4 MiB.
  arguments.SetMaxReceiveMessageSize(64 << 20);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return arguments;
}

class GrpcDaemonClient final : public DaemonClient {
 public:
  explicit GrpcDaemonClient(const std::string& path)
      : channel_(grpc::CreateCustomChannel("unix:" + path, grpc::InsecureChannelCredentials(),
                                           Arguments())),
        downloads_(v1::Downloads::NewStub(channel_)),
        blobs_(v1::Blobs::NewStub(channel_)),
        remotes_(v1::Remotes::NewStub(channel_)),
        tags_(v1::Tags::NewStub(channel_)),
        admin_(v1::Admin::NewStub(channel_)) {}

  void Interrupt() override {
    const MutexLock lock(mutex_);
    interrupted_ = true;
    for (grpc::ClientContext* context : running_) context->TryCancel();
  }
  bool interrupted() const override {
    const MutexLock lock(mutex_);
    return interrupted_;
  }

  StatusOr<v1::QueueResponse> Queue(const v1::QueueRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::Queue, request);
  }
  StatusOr<v1::CancelResponse> Cancel(const v1::CancelRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::Cancel, request);
  }
  StatusOr<v1::PauseResponse> Pause(const v1::PauseRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::Pause, request);
  }
  StatusOr<v1::ResumeResponse> Resume(const v1::ResumeRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::Resume, request);
  }
  StatusOr<v1::WhyResponse> Why(const v1::WhyRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::Why, request);
  }
  StatusOr<v1::NodesHaveResponse> NodesHave(const v1::NodesHaveRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::NodesHave, request);
  }
  StatusOr<v1::Intent> GetIntent(uint64_t id) override {
    v1::GetIntentRequest request;
    request.set_intent_id(id);
    return Unary(*downloads_, &v1::Downloads::Stub::GetIntent, request);
  }
  StatusOr<v1::ListIntentsResponse> ListIntents(const v1::ListIntentsRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::ListIntents, request);
  }
  StatusOr<v1::ListTransfersResponse> ListTransfers(
      const v1::ListTransfersRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::ListTransfers, request);
  }

  // A daemon that is started again is a pause: the intent is there afterwards, under the same id.
  Status WatchIntent(uint64_t id, const std::function<void(const v1::Intent&)>& on_state) override {
    auto give_up = std::chrono::steady_clock::now() + kRestartTime;
    for (;;) {
      bool heard = false;
      Status status = WatchOnce(id, [&](const v1::Intent& intent) {
        heard = true;
        on_state(intent);
      });
      if (status.code() != StatusCode::kUnavailable) return status;
      if (heard) give_up = std::chrono::steady_clock::now() + kRestartTime;
      if (interrupted() || !WaitForRestart(give_up)) return status;
    }
  }

  StatusOr<v1::AddResponse> Add(
      bool is_private, const std::function<StatusOr<size_t>(char*, size_t)>& read) override {
    const Call call(*this);
    v1::AddResponse response;
    const auto stream = blobs_->Add(call.context(), &response);
    v1::AddRequest message;
    message.set_is_private(is_private);
    Status read_status;
    for (;;) {
      message.mutable_data()->resize(kAddPiece);
      const auto size = read(message.mutable_data()->data(), kAddPiece);
      if (!size.ok()) {
        read_status = size.status();
        call.context()->TryCancel();
        break;
      }
      message.mutable_data()->resize(*size);
      message.set_last(*size == 0);
      if (!stream->Write(message) || message.last()) break;
      message.clear_is_private();
    }
    stream->WritesDone();
    const grpc::Status status = stream->Finish();
    if (!read_status.ok()) return read_status;
    if (!status.ok()) return Ended(status);
    return response;
  }
  StatusOr<v1::CreateCollectionResponse> CreateCollection(
      const v1::CreateCollectionRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::CreateCollection, request);
  }
  StatusOr<v1::GetCollectionResponse> GetCollection(
      const v1::GetCollectionRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::GetCollection, request);
  }
  Status Read(const v1::ReadRequest& request,
              const std::function<Status(std::string_view)>& write) override {
    const Call call(*this);
    const auto stream = blobs_->Read(call.context(), request);
    v1::ReadResponse response;
    Status write_status;
    while (write_status.ok() && stream->Read(&response)) write_status = write(response.data());
    if (!write_status.ok()) call.context()->TryCancel();
    const grpc::Status status = stream->Finish();
    return write_status.ok() ? Ended(status) : write_status;
  }
  StatusOr<v1::Blob> Stat(const std::string& hash) override {
    v1::StatRequest request;
    request.set_hash(hash);
    return Unary(*blobs_, &v1::Blobs::Stub::Stat, request);
  }
  StatusOr<v1::ListBlobsResponse> ListBlobs(const v1::ListBlobsRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::List, request);
  }

  StatusOr<v1::OpenResponse> Open(const v1::OpenRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::Open, request);
  }
  StatusOr<v1::ImportResponse> Import(const v1::ImportRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::Import, request);
  }

  StatusOr<v1::SetPrivateResponse> SetPrivate(const v1::SetPrivateRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::SetPrivate, request);
  }

  StatusOr<v1::WhyKeptResponse> WhyKept(const std::string& hash) override {
    v1::WhyKeptRequest request;
    request.set_hash(hash);
    return Unary(*blobs_, &v1::Blobs::Stub::WhyKept, request);
  }
  StatusOr<v1::RemoveResponse> Remove(const v1::RemoveRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::Remove, request);
  }
  Status CollectGarbage(
      const v1::CollectGarbageRequest& request,
      const std::function<void(const v1::CollectGarbageResponse&)>& on_message) override {
    const Call call(*this);
    return ReadAll<v1::CollectGarbageResponse>(*blobs_->CollectGarbage(call.context(), request),
                                               on_message);
  }
  Status ImportUrl(const v1::ImportUrlRequest& request,
                   const std::function<void(const v1::ImportUrlResponse&)>& on_message) override {
    const Call call(*this);
    return ReadAll<v1::ImportUrlResponse>(*blobs_->ImportUrl(call.context(), request), on_message);
  }
  Status Verify(const v1::VerifyRequest& request,
                const std::function<void(const v1::VerifyResponse&)>& on_message) override {
    const Call call(*this);
    return ReadAll<v1::VerifyResponse>(*blobs_->Verify(call.context(), request), on_message);
  }

  StatusOr<v1::SetTagResponse> SetTag(const v1::SetTagRequest& request) override {
    return Unary(*tags_, &v1::Tags::Stub::Set, request);
  }
  StatusOr<v1::DeleteTagResponse> DeleteTag(const v1::DeleteTagRequest& request) override {
    return Unary(*tags_, &v1::Tags::Stub::Delete, request);
  }
  StatusOr<v1::ListTagsResponse> ListTags(const v1::ListTagsRequest& request) override {
    return Unary(*tags_, &v1::Tags::Stub::List, request);
  }

  StatusOr<v1::ListRemotesResponse> ListRemotes(const v1::ListRemotesRequest& request) override {
    return Unary(*remotes_, &v1::Remotes::Stub::List, request);
  }
  StatusOr<v1::GetRemoteResponse> GetRemote(const v1::GetRemoteRequest& request) override {
    return Unary(*remotes_, &v1::Remotes::Stub::Get, request);
  }
  Status WatchRemotes(
      const v1::WatchRemotesRequest& request,
      const std::function<void(const v1::WatchRemotesResponse&)>& on_change) override {
    const Call call(*this);
    const auto stream = remotes_->Watch(call.context(), request);
    v1::WatchRemotesResponse response;
    while (stream->Read(&response)) on_change(response);
    const Status status = Ended(stream->Finish());
    return status.ok() ? Unavailable("the daemon ended the watch") : status;
  }
  StatusOr<v1::AddAddressesResponse> AddAddresses(const v1::AddAddressesRequest& request) override {
    return Unary(*remotes_, &v1::Remotes::Stub::AddAddresses, request);
  }

  StatusOr<v1::CreateTicketResponse> CreateTicket(const v1::CreateTicketRequest& request) override {
    return Unary(*admin_, &v1::Admin::Stub::CreateTicket, request);
  }
  StatusOr<v1::BanResponse> Ban(const v1::BanRequest& request) override {
    return Unary(*remotes_, &v1::Remotes::Stub::Ban, request);
  }
  StatusOr<v1::UnbanResponse> Unban(const v1::UnbanRequest& request) override {
    return Unary(*remotes_, &v1::Remotes::Stub::Unban, request);
  }
  StatusOr<v1::ListBansResponse> ListBans(const v1::ListBansRequest& request) override {
    return Unary(*remotes_, &v1::Remotes::Stub::ListBans, request);
  }
  StatusOr<v1::GetLimitsResponse> GetLimits() override {
    return Unary(*admin_, &v1::Admin::Stub::GetLimits, v1::GetLimitsRequest());
  }
  StatusOr<v1::SetLimitsResponse> SetLimits(const v1::SetLimitsRequest& request) override {
    return Unary(*admin_, &v1::Admin::Stub::SetLimits, request);
  }
  StatusOr<v1::DrainResponse> Drain() override {
    return Unary(*admin_, &v1::Admin::Stub::Drain, v1::DrainRequest());
  }
  StatusOr<v1::StatusResponse> DaemonStatus() override {
    return Unary(*admin_, &v1::Admin::Stub::Status, v1::StatusRequest());
  }
  StatusOr<v1::ParseTicketResponse> ParseTicket(const std::string& ticket) override {
    v1::ParseTicketRequest request;
    request.set_ticket(ticket);
    return Unary(*admin_, &v1::Admin::Stub::ParseTicket, request);
  }

  StatusOr<uint64_t> Backup(const std::function<Status(std::string_view)>& write) override {
    const Call call(*this);
    const auto stream = admin_->Backup(call.context(), v1::BackupRequest());
    v1::BackupResponse response;
    Status write_status;
    uint64_t size = 0;
    while (write_status.ok() && stream->Read(&response)) {
      write_status = write(response.data());
      size += response.data().size();
    }
    if (!write_status.ok()) call.context()->TryCancel();
    const grpc::Status status = stream->Finish();
    if (!write_status.ok()) return write_status;
    if (!status.ok()) return Ended(status);
    if (!response.has_total_bytes() || response.total_bytes() != size)
      return DataLoss("the copy broke off; try again");
    return size;
  }
  StatusOr<v1::RecoverRegistryResponse> RecoverRegistry() override {
    return Unary(*admin_, &v1::Admin::Stub::RecoverRegistry, v1::RecoverRegistryRequest());
  }

 private:
  Status WatchOnce(uint64_t id, const std::function<void(const v1::Intent&)>& on_state) {
    const Call call(*this);
    v1::WatchIntentRequest request;
    request.set_intent_id(id);
    const auto stream = downloads_->WatchIntent(call.context(), request);
    v1::WatchIntentResponse response;
    while (stream->Read(&response)) on_state(response.intent());
    return Ended(stream->Finish());
  }

  // True when the daemon can be asked again; false if it is too late, or the caller was
  // interrupted. A daemon that answers is about to go away: it is asked again when it has gone, or
  // soon.
  bool WaitForRestart(std::chrono::steady_clock::time_point give_up) {
    bool waited = channel_->GetState(true) != GRPC_CHANNEL_READY;
    while (!interrupted() && std::chrono::steady_clock::now() < give_up) {
      const auto soon = std::chrono::system_clock::now() + kAskAgain;
      if (!waited) {
        channel_->WaitForStateChange(GRPC_CHANNEL_READY, soon);
        waited = true;
      }
      if (channel_->WaitForConnected(soon)) return true;
    }
    return false;
  }

  // A call under way, which Interrupt can end.
  class Call {
   public:
    explicit Call(GrpcDaemonClient& client)
        : client_(client), context_(std::make_unique<grpc::ClientContext>()) {
      const MutexLock lock(client_.mutex_);
      client_.running_.insert(context_.get());
      if (client_.interrupted_) context_->TryCancel();
    }
    ~Call() {
      const MutexLock lock(client_.mutex_);
      client_.running_.erase(context_.get());
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    grpc::ClientContext* context() const { return context_.get(); }

   private:
    GrpcDaemonClient& client_;
    const std::unique_ptr<grpc::ClientContext> context_;
  };

  template <typename Stub, typename Request, typename Response>
  StatusOr<Response> Unary(Stub& stub,
                           grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                        Response*),
                           const Request& request) {
    const Call call(*this);
    Response response;
    const grpc::Status status = (stub.*method)(call.context(), request, &response);
    if (!status.ok()) return Ended(status);
    return response;
  }

  // How a call ended. What a daemon that goes away cuts is kUnavailable, or kCancelled as the
  // moment has it; only Interrupt makes it the caller's doing.
  Status Ended(const grpc::Status& status) const {
    if (status.ok()) return OkStatus();
    if (status.error_code() != grpc::StatusCode::CANCELLED) {
      return MakeStatus(static_cast<StatusCode>(static_cast<int>(status.error_code())),
                        std::string_view(status.error_message()));
    }
    return interrupted() ? Cancelled("interrupted")
                         : Unavailable("blobd went away during the call; try again");
  }

  template <typename Response>
  Status ReadAll(grpc::ClientReader<Response>& stream,
                 const std::function<void(const Response&)>& on_message) {
    Response response;
    while (stream.Read(&response)) on_message(response);
    return Ended(stream.Finish());
  }

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::Downloads::Stub> downloads_;
  const std::unique_ptr<v1::Blobs::Stub> blobs_;
  const std::unique_ptr<v1::Remotes::Stub> remotes_;
  const std::unique_ptr<v1::Tags::Stub> tags_;
  const std::unique_ptr<v1::Admin::Stub> admin_;
  mutable Mutex mutex_;
  std::set<grpc::ClientContext*> running_ ABSL_GUARDED_BY(mutex_);
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

std::string DaemonClient::DefaultSocket() {
  if (const char* socket = std::getenv("BLOBD_SOCKET"); socket != nullptr && *socket != '\0')
    return socket;
  if (const char* runtime = std::getenv("XDG_RUNTIME_DIR");
      runtime != nullptr && *runtime != '\0' && IsOurOwn(runtime)) {
    std::string own = std::string(runtime) + "/blobd/blobd.sock";
    if (TryConnect(own) == 0) return own;
  }
  return kSystemSocket;
}

StatusOr<std::unique_ptr<DaemonClient>> DaemonClient::Connect(const std::string& path) {
  switch (const int error = TryConnect(path)) {
    case 0:
      return std::unique_ptr<DaemonClient>(std::make_unique<GrpcDaemonClient>(path));
    case EACCES:
      return PermissionDenied("no permission to use {}; ask to be put into the group that owns it",
                              path);
    case ENOENT:
    case ECONNREFUSED:
      return Unavailable(
          "blobd is not running at {}; start it with \"systemctl start blobd\" or \"blobd\", or "
          "name "
          "another --socket",
          path);
    default:
      return MakeStatus(StatusCode::kUnavailable, "cannot reach blobd at {}: {}", path,
                        std::strerror(error));
  }
}

}  // namespace blobd::client
