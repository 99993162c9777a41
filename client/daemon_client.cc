#include "client/daemon_client.h"

#include <fmt/format.h>

#include <chrono>
#include <random>
#include <utility>

#include "blobd/v1/admin.grpc.pb.h"
#include "blobd/v1/blobs.grpc.pb.h"
#include "blobd/v1/downloads.grpc.pb.h"
#include "blobd/v1/remotes.grpc.pb.h"
#include "blobd/v1/tags.grpc.pb.h"
#include "client/connection.h"
#include "client/daemon_socket.h"

namespace blobd::client {
namespace {

constexpr size_t kAddPiece = 512 * 1024;
// How long the daemon may take to be there again where nobody holds its socket meanwhile: for what
// has begun, a watch or a stream.
constexpr std::chrono::seconds kRestartTime(60);
// How long a daemon may turn a watcher away, as one does that is going away.
constexpr std::chrono::seconds kTurnedAway(60);
// A call that is cut each time may be what ends the daemon.
constexpr int kMostTries = 5;

// Whether a call may be made again when it was cut, and nobody knows what came of it.
enum class Repeat { kNever, kSafe };

std::string NewKey() {
  std::random_device random;
  std::string key = "blobctl-";
  for (int i = 0; i < 4; ++i) key += fmt::format("{:08x}", random());
  return key;
}

class GrpcDaemonClient final : public DaemonClient {
 public:
  GrpcDaemonClient(const std::string& path, const Options& options)
      : connection_(path, {options.timeout, options.on_waiting}),
        downloads_(v1::Downloads::NewStub(connection_.channel())),
        blobs_(v1::Blobs::NewStub(connection_.channel())),
        remotes_(v1::Remotes::NewStub(connection_.channel())),
        tags_(v1::Tags::NewStub(connection_.channel())),
        admin_(v1::Admin::NewStub(connection_.channel())) {}

  void Interrupt() override { connection_.Interrupt(); }
  bool interrupted() const override { return connection_.interrupted(); }
  Status stopped() const override { return connection_.stopped(); }

  StatusOr<v1::QueueResponse> Queue(const v1::QueueRequest& request) override {
    v1::QueueRequest keyed = request;
    for (v1::QueueItem& item : *keyed.mutable_items())
      if (item.idempotency_key().empty()) item.set_idempotency_key(NewKey());
    return Unary(*downloads_, &v1::Downloads::Stub::Queue, keyed, Repeat::kSafe);
  }
  StatusOr<v1::CancelResponse> Cancel(const v1::CancelRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::Cancel, request);
  }
  StatusOr<v1::PauseResponse> Pause(const v1::PauseRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::Pause, request, Repeat::kSafe);
  }
  StatusOr<v1::ResumeResponse> Resume(const v1::ResumeRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::Resume, request, Repeat::kSafe);
  }
  StatusOr<v1::WhyResponse> Why(const v1::WhyRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::Why, request, Repeat::kSafe);
  }
  StatusOr<v1::NodesHaveResponse> NodesHave(const v1::NodesHaveRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::NodesHave, request);
  }
  StatusOr<v1::Intent> GetIntent(uint64_t id) override {
    v1::GetIntentRequest request;
    request.set_intent_id(id);
    return Unary(*downloads_, &v1::Downloads::Stub::GetIntent, request, Repeat::kSafe);
  }
  StatusOr<v1::ListIntentsResponse> ListIntents(const v1::ListIntentsRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::ListIntents, request, Repeat::kSafe);
  }
  StatusOr<v1::ListTransfersResponse> ListTransfers(
      const v1::ListTransfersRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::ListTransfers, request, Repeat::kSafe);
  }

  // The intent is there after a restart, under the same id.
  Status WatchIntent(uint64_t id, const std::function<void(const v1::Intent&)>& on_state) override {
    auto give_up = std::chrono::steady_clock::now() + kTurnedAway;
    for (;;) {
      BLOBD_RETURN_IF_ERROR(connection_.Await(kRestartTime));
      bool heard = false;
      const grpc::Status status = WatchOnce(id, [&](const v1::Intent& intent) {
        heard = true;
        on_state(intent);
      });
      const bool cut = connection_.WasCut(status);
      Status ended = connection_.Ended(status);
      if (ended.code() != StatusCode::kUnavailable) return ended;
      const auto now = std::chrono::steady_clock::now();
      if (heard || cut) give_up = now + kTurnedAway;
      if (now >= give_up) return ended;
    }
  }

  StatusOr<v1::AddResponse> Add(
      bool is_private, const std::function<StatusOr<size_t>(char*, size_t)>& read) override {
    BLOBD_RETURN_IF_ERROR(connection_.Await());
    const Connection::Call call(connection_);
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
    if (!status.ok()) return connection_.Ended(status);
    return response;
  }
  StatusOr<v1::CreateCollectionResponse> CreateCollection(
      const v1::CreateCollectionRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::CreateCollection, request, Repeat::kSafe);
  }
  StatusOr<v1::GetCollectionResponse> GetCollection(
      const v1::GetCollectionRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::GetCollection, request, Repeat::kSafe);
  }
  Status Read(const v1::ReadRequest& request,
              const std::function<Status(std::string_view)>& write) override {
    v1::ReadRequest rest = request;
    bool begun = false;
    for (int tries = 1;; ++tries) {
      BLOBD_RETURN_IF_ERROR(connection_.Await(begun ? kRestartTime : std::chrono::seconds(0)));
      uint64_t got = 0;
      Status write_status;
      const grpc::Status status = ReadOnce(rest, [&](std::string_view data) {
        got += data.size();
        write_status = write(data);
        return write_status.ok();
      });
      if (!write_status.ok()) return write_status;
      if (status.ok() || !connection_.WasCut(status)) return connection_.Ended(status);
      begun = begun || got > 0;
      if (got > 0) tries = 1;
      if (tries == kMostTries) return connection_.Ended(status);
      rest.set_offset(rest.offset() + got);
      // A length of 0 means all: what was asked for has come, only its end was cut.
      if (request.length() != 0 && got >= rest.length()) return OkStatus();
      if (request.length() != 0) rest.set_length(rest.length() - got);
    }
  }
  StatusOr<v1::Blob> Stat(const std::string& hash) override {
    v1::StatRequest request;
    request.set_hash(hash);
    return Unary(*blobs_, &v1::Blobs::Stub::Stat, request, Repeat::kSafe);
  }
  StatusOr<v1::ListBlobsResponse> ListBlobs(const v1::ListBlobsRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::List, request, Repeat::kSafe);
  }

  StatusOr<v1::OpenResponse> Open(const v1::OpenRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::Open, request, Repeat::kSafe);
  }
  StatusOr<v1::ImportResponse> Import(const v1::ImportRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::Import, request);
  }

  StatusOr<v1::SetPrivateResponse> SetPrivate(const v1::SetPrivateRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::SetPrivate, request, Repeat::kSafe);
  }

  StatusOr<v1::WhyKeptResponse> WhyKept(const std::string& hash) override {
    v1::WhyKeptRequest request;
    request.set_hash(hash);
    return Unary(*blobs_, &v1::Blobs::Stub::WhyKept, request, Repeat::kSafe);
  }
  StatusOr<v1::RemoveResponse> Remove(const v1::RemoveRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::Remove, request);
  }
  Status CollectGarbage(
      const v1::CollectGarbageRequest& request,
      const std::function<void(const v1::CollectGarbageResponse&)>& on_message) override {
    BLOBD_RETURN_IF_ERROR(connection_.Await());
    const Connection::Call call(connection_);
    return ReadAll<v1::CollectGarbageResponse>(*blobs_->CollectGarbage(call.context(), request),
                                               on_message);
  }
  Status ImportUrl(const v1::ImportUrlRequest& request,
                   const std::function<void(const v1::ImportUrlResponse&)>& on_message) override {
    BLOBD_RETURN_IF_ERROR(connection_.Await());
    const Connection::Call call(connection_);
    return ReadAll<v1::ImportUrlResponse>(*blobs_->ImportUrl(call.context(), request), on_message);
  }
  Status Verify(const v1::VerifyRequest& request,
                const std::function<void(const v1::VerifyResponse&)>& on_message) override {
    BLOBD_RETURN_IF_ERROR(connection_.Await());
    const Connection::Call call(connection_);
    return ReadAll<v1::VerifyResponse>(*blobs_->Verify(call.context(), request), on_message);
  }

  StatusOr<v1::SetTagResponse> SetTag(const v1::SetTagRequest& request) override {
    return Unary(*tags_, &v1::Tags::Stub::Set, request);
  }
  StatusOr<v1::DeleteTagResponse> DeleteTag(const v1::DeleteTagRequest& request) override {
    return Unary(*tags_, &v1::Tags::Stub::Delete, request);
  }
  StatusOr<v1::ListTagsResponse> ListTags(const v1::ListTagsRequest& request) override {
    return Unary(*tags_, &v1::Tags::Stub::List, request, Repeat::kSafe);
  }

  StatusOr<v1::ListRemotesResponse> ListRemotes(const v1::ListRemotesRequest& request) override {
    return Unary(*remotes_, &v1::Remotes::Stub::List, request, Repeat::kSafe);
  }
  StatusOr<v1::GetRemoteResponse> GetRemote(const v1::GetRemoteRequest& request) override {
    return Unary(*remotes_, &v1::Remotes::Stub::Get, request, Repeat::kSafe);
  }
  Status WatchRemotes(
      const v1::WatchRemotesRequest& request,
      const std::function<void(const v1::WatchRemotesResponse&)>& on_change) override {
    BLOBD_RETURN_IF_ERROR(connection_.Await());
    const Connection::Call call(connection_);
    const auto stream = remotes_->Watch(call.context(), request);
    v1::WatchRemotesResponse response;
    while (stream->Read(&response)) on_change(response);
    const Status status = connection_.Ended(stream->Finish());
    return status.ok() ? Unavailable("the daemon ended the watch") : status;
  }
  StatusOr<v1::AddAddressesResponse> AddAddresses(const v1::AddAddressesRequest& request) override {
    return Unary(*remotes_, &v1::Remotes::Stub::AddAddresses, request);
  }

  StatusOr<v1::CreateTicketResponse> CreateTicket(const v1::CreateTicketRequest& request) override {
    return Unary(*admin_, &v1::Admin::Stub::CreateTicket, request, Repeat::kSafe);
  }
  StatusOr<v1::BanResponse> Ban(const v1::BanRequest& request) override {
    return Unary(*remotes_, &v1::Remotes::Stub::Ban, request);
  }
  StatusOr<v1::UnbanResponse> Unban(const v1::UnbanRequest& request) override {
    return Unary(*remotes_, &v1::Remotes::Stub::Unban, request);
  }
  StatusOr<v1::ListBansResponse> ListBans(const v1::ListBansRequest& request) override {
    return Unary(*remotes_, &v1::Remotes::Stub::ListBans, request, Repeat::kSafe);
  }
  StatusOr<v1::GetLimitsResponse> GetLimits() override {
    return Unary(*admin_, &v1::Admin::Stub::GetLimits, v1::GetLimitsRequest(), Repeat::kSafe);
  }
  StatusOr<v1::SetLimitsResponse> SetLimits(const v1::SetLimitsRequest& request) override {
    return Unary(*admin_, &v1::Admin::Stub::SetLimits, request);
  }
  StatusOr<v1::DrainResponse> Drain() override {
    return Unary(*admin_, &v1::Admin::Stub::Drain, v1::DrainRequest());
  }
  StatusOr<v1::StatusResponse> DaemonStatus() override {
    return Unary(*admin_, &v1::Admin::Stub::Status, v1::StatusRequest(), Repeat::kSafe);
  }
  StatusOr<v1::ParseTicketResponse> ParseTicket(const std::string& ticket) override {
    v1::ParseTicketRequest request;
    request.set_ticket(ticket);
    return Unary(*admin_, &v1::Admin::Stub::ParseTicket, request, Repeat::kSafe);
  }

  StatusOr<uint64_t> Backup(const std::function<Status(std::string_view)>& write) override {
    BLOBD_RETURN_IF_ERROR(connection_.Await());
    const Connection::Call call(connection_);
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
    if (!status.ok()) return connection_.Ended(status);
    if (!response.has_total_bytes() || response.total_bytes() != size)
      return DataLoss("the copy broke off; try again");
    return size;
  }
  StatusOr<v1::RecoverRegistryResponse> RecoverRegistry() override {
    return Unary(*admin_, &v1::Admin::Stub::RecoverRegistry, v1::RecoverRegistryRequest());
  }

 private:
  grpc::Status WatchOnce(uint64_t id, const std::function<void(const v1::Intent&)>& on_state) {
    const Connection::Call call(connection_);
    v1::WatchIntentRequest request;
    request.set_intent_id(id);
    const auto stream = downloads_->WatchIntent(call.context(), request);
    v1::WatchIntentResponse response;
    while (stream->Read(&response)) on_state(response.intent());
    return stream->Finish();
  }

  // Ends early when `take` says false.
  grpc::Status ReadOnce(const v1::ReadRequest& request,
                        const std::function<bool(std::string_view)>& take) {
    const Connection::Call call(connection_);
    const auto stream = blobs_->Read(call.context(), request);
    v1::ReadResponse response;
    bool more = true;
    while (more && stream->Read(&response)) more = take(response.data());
    if (!more) call.context()->TryCancel();
    return stream->Finish();
  }

  template <typename Stub, typename Request, typename Response>
  StatusOr<Response> Unary(Stub& stub,
                           grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                        Response*),
                           const Request& request, Repeat repeat = Repeat::kNever) {
    for (int tries = 1;; ++tries) {
      BLOBD_RETURN_IF_ERROR(connection_.Await());
      const Connection::Call call(connection_);
      Response response;
      const grpc::Status status = (stub.*method)(call.context(), request, &response);
      if (status.ok()) return response;
      const bool again =
          repeat == Repeat::kSafe && tries < kMostTries && connection_.WasCut(status);
      if (!again) return connection_.Ended(status);
    }
  }

  template <typename Response>
  Status ReadAll(grpc::ClientReader<Response>& stream,
                 const std::function<void(const Response&)>& on_message) {
    Response response;
    while (stream.Read(&response)) on_message(response);
    return connection_.Ended(stream.Finish());
  }

  Connection connection_;
  const std::unique_ptr<v1::Downloads::Stub> downloads_;
  const std::unique_ptr<v1::Blobs::Stub> blobs_;
  const std::unique_ptr<v1::Remotes::Stub> remotes_;
  const std::unique_ptr<v1::Tags::Stub> tags_;
  const std::unique_ptr<v1::Admin::Stub> admin_;
};

}  // namespace

StatusOr<std::unique_ptr<DaemonClient>> DaemonClient::Connect(const std::string& path,
                                                              const Options& options) {
  if (const int error = TryConnect(path); error != 0) return SocketError(path, error);
  return std::unique_ptr<DaemonClient>(std::make_unique<GrpcDaemonClient>(path, options));
}

}  // namespace blobd::client
