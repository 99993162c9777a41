#include "client/daemon_client.h"

#include <utility>

#include "blobd/v1/admin.grpc.pb.h"
#include "blobd/v1/blobs.grpc.pb.h"
#include "blobd/v1/downloads.grpc.pb.h"
#include "blobd/v1/remotes.grpc.pb.h"
#include "blobd/v1/tags.grpc.pb.h"

namespace blobd::client {
namespace {

class GrpcDaemonClient final : public DaemonClient {
 public:
  explicit GrpcDaemonClient(std::unique_ptr<Client> client)
      : client_(std::move(client)),
        downloads_(v1::Downloads::NewStub(client_->channel())),
        blobs_(v1::Blobs::NewStub(client_->channel())),
        remotes_(v1::Remotes::NewStub(client_->channel())),
        tags_(v1::Tags::NewStub(client_->channel())),
        admin_(v1::Admin::NewStub(client_->channel())) {}

  void Interrupt() override { client_->Interrupt(); }
  bool interrupted() const override { return client_->interrupted(); }
  Status stopped() const override { return client_->stopped(); }

  StatusOr<v1::QueueResponse> Queue(const v1::QueueRequest& request) override {
    return client_->Queue(request);
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
  StatusOr<v1::ListRequestsResponse> ListRequests(const v1::ListRequestsRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::ListRequests, request, Repeat::kSafe);
  }
  StatusOr<v1::ListTransfersResponse> ListTransfers(
      const v1::ListTransfersRequest& request) override {
    return Unary(*downloads_, &v1::Downloads::Stub::ListTransfers, request, Repeat::kSafe);
  }

  StatusOr<v1::Transfer> GetTransfer(uint64_t id) override {
    v1::GetTransferRequest request;
    request.set_transfer_id(id);
    return Unary(*downloads_, &v1::Downloads::Stub::GetTransfer, request, Repeat::kSafe);
  }
  StatusOr<v1::CancelTransferResponse> CancelTransfer(uint64_t id) override {
    v1::CancelTransferRequest request;
    request.set_transfer_id(id);
    return Unary(*downloads_, &v1::Downloads::Stub::CancelTransfer, request);
  }
  Status WatchTransfers(
      const v1::WatchTransfersRequest& request,
      const std::function<void(const v1::WatchTransfersResponse&)>& on_change) override {
    return client_->WatchTransfers(request, on_change);
  }
  Status WatchIntent(uint64_t id, const std::function<void(const v1::Intent&)>& on_state) override {
    return client_->Watch(id, on_state);
  }

  StatusOr<v1::AddResponse> Add(
      bool is_private, const std::function<StatusOr<size_t>(char*, size_t)>& read) override {
    return client_->Add(is_private, read);
  }
  StatusOr<v1::AddSmallResponse> AddSmall(const v1::AddSmallRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::AddSmall, request, Repeat::kSafe);
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
    return client_->Read(request.hash(), {request.offset(), request.length()}, write);
  }
  StatusOr<v1::Blob> Stat(const std::string& hash) override {
    v1::StatRequest request;
    request.set_hash(hash);
    return Unary(*blobs_, &v1::Blobs::Stub::Stat, request, Repeat::kSafe);
  }
  StatusOr<v1::ListBlobsResponse> ListBlobs(const v1::ListBlobsRequest& request) override {
    return Unary(*blobs_, &v1::Blobs::Stub::List, request, Repeat::kSafe);
  }

  StatusOr<OpenedBlob> OpenBlob(const std::string& hash) override {
    return client_->OpenBlob(hash);
  }
  StatusOr<v1::AddResponse> Import(int file, bool is_private,
                                   const std::function<void(uint64_t)>& progress) override {
    return client_->Import(file, is_private, progress);
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
    return Stream(*blobs_, &v1::Blobs::Stub::CollectGarbage, request, on_message);
  }
  Status ImportUrl(const v1::ImportUrlRequest& request,
                   const std::function<void(const v1::ImportUrlResponse&)>& on_message) override {
    return Stream(*blobs_, &v1::Blobs::Stub::ImportUrl, request, on_message);
  }
  Status Verify(const v1::VerifyRequest& request,
                const std::function<void(const v1::VerifyResponse&)>& on_message) override {
    return Stream(*blobs_, &v1::Blobs::Stub::Verify, request, on_message);
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
    return client_->WatchRemotes(request, on_change);
  }
  StatusOr<v1::AddAddressesResponse> AddAddresses(const v1::AddAddressesRequest& request) override {
    return Unary(*remotes_, &v1::Remotes::Stub::AddAddresses, request);
  }

  StatusOr<v1::CreateTicketResponse> CreateTicket(const v1::CreateTicketRequest& request) override {
    return Unary(*admin_, &v1::Admin::Stub::CreateTicket, request, Repeat::kSafe);
  }
  StatusOr<v1::ForgetRemoteResponse> ForgetRemote(const v1::ForgetRemoteRequest& request) override {
    return Unary(*remotes_, &v1::Remotes::Stub::Forget, request);
  }
  StatusOr<v1::DisconnectRemoteResponse> DisconnectRemote(
      const v1::DisconnectRemoteRequest& request) override {
    return Unary(*remotes_, &v1::Remotes::Stub::Disconnect, request);
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
  StatusOr<v1::GetConfigResponse> GetConfig(const v1::GetConfigRequest& request) override {
    return Unary(*admin_, &v1::Admin::Stub::GetConfig, request, Repeat::kSafe);
  }
  StatusOr<v1::ReloadResponse> Reload(const v1::ReloadRequest& request) override {
    return Unary(*admin_, &v1::Admin::Stub::Reload, request);
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
    v1::BackupResponse response;
    Status write_status;
    uint64_t size = 0;
    const Status status = client_->Call(Repeat::kNever, [&](grpc::ClientContext* context) {
      const auto stream = admin_->Backup(context, v1::BackupRequest());
      while (write_status.ok() && stream->Read(&response)) {
        write_status = write(response.data());
        size += response.data().size();
      }
      if (!write_status.ok()) context->TryCancel();
      return stream->Finish();
    });
    BLOBD_RETURN_IF_ERROR(write_status);
    BLOBD_RETURN_IF_ERROR(status);
    if (!response.has_total_bytes() || response.total_bytes() != size)
      return DataLoss("the copy broke off; try again");
    return size;
  }
  StatusOr<v1::RecoverRegistryResponse> RecoverRegistry() override {
    return Unary(*admin_, &v1::Admin::Stub::RecoverRegistry, v1::RecoverRegistryRequest());
  }

 private:
  template <typename Stub, typename Request, typename Response>
  StatusOr<Response> Unary(Stub& stub,
                           grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                        Response*),
                           const Request& request, Repeat repeat = Repeat::kNever) {
    Response response;
    BLOBD_RETURN_IF_ERROR(client_->Call(repeat, [&](grpc::ClientContext* context) {
      return (stub.*method)(context, request, &response);
    }));
    return response;
  }

  template <typename Stub, typename Request, typename Response>
  Status Stream(Stub& stub,
                std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(grpc::ClientContext*,
                                                                              const Request&),
                const Request& request, const std::function<void(const Response&)>& on_message) {
    return client_->Call(Repeat::kNever, [&](grpc::ClientContext* context) {
      const auto stream = (stub.*method)(context, request);
      Response response;
      while (stream->Read(&response)) on_message(response);
      return stream->Finish();
    });
  }

  const std::unique_ptr<Client> client_;
  const std::unique_ptr<v1::Downloads::Stub> downloads_;
  const std::unique_ptr<v1::Blobs::Stub> blobs_;
  const std::unique_ptr<v1::Remotes::Stub> remotes_;
  const std::unique_ptr<v1::Tags::Stub> tags_;
  const std::unique_ptr<v1::Admin::Stub> admin_;
};

}  // namespace

StatusOr<std::unique_ptr<DaemonClient>> DaemonClient::Connect(const std::string& path,
                                                              const Options& options) {
  BLOBD_ASSIGN_OR_RETURN(auto client,
                         Client::Connect({path, options.timeout, options.on_waiting, "blobctl"}));
  return std::unique_ptr<DaemonClient>(std::make_unique<GrpcDaemonClient>(std::move(client)));
}

}  // namespace blobd::client
