// RefusingClient: a DaemonClient without a daemon. Derived classes answer what they can.
#pragma once

#include <functional>
#include <string>

#include "client/daemon_client.h"

namespace blobd::client {

class RefusingClient : public DaemonClient {
 public:
  void Interrupt() override {}
  bool interrupted() const override { return false; }
  Status stopped() const override { return OkStatus(); }
  StatusOr<v1::QueueResponse> Queue(const v1::QueueRequest&) override { return Refusal(); }
  StatusOr<v1::CancelResponse> Cancel(const v1::CancelRequest&) override { return Refusal(); }
  StatusOr<v1::PauseResponse> Pause(const v1::PauseRequest&) override { return Refusal(); }
  StatusOr<v1::ResumeResponse> Resume(const v1::ResumeRequest&) override { return Refusal(); }
  StatusOr<v1::WhyResponse> Why(const v1::WhyRequest&) override { return Refusal(); }
  StatusOr<v1::NodesHaveResponse> NodesHave(const v1::NodesHaveRequest&) override {
    return Refusal();
  }
  StatusOr<v1::Intent> GetIntent(uint64_t) override { return Refusal(); }
  StatusOr<v1::ListIntentsResponse> ListIntents(const v1::ListIntentsRequest&) override {
    return Refusal();
  }
  StatusOr<v1::ListTransfersResponse> ListTransfers(const v1::ListTransfersRequest&) override {
    return Refusal();
  }
  StatusOr<v1::ListRequestsResponse> ListRequests(const v1::ListRequestsRequest&) override {
    return Refusal();
  }
  StatusOr<v1::Transfer> GetTransfer(uint64_t) override { return Refusal(); }
  StatusOr<v1::CancelTransferResponse> CancelTransfer(uint64_t) override { return Refusal(); }
  Status WatchTransfers(const v1::WatchTransfersRequest&,
                        const std::function<void(const v1::WatchTransfersResponse&)>&) override {
    return Refusal();
  }
  Status WatchIntent(uint64_t, const std::function<void(const v1::Intent&)>&) override {
    return Refusal();
  }
  StatusOr<v1::AddResponse> Add(bool,
                                const std::function<StatusOr<size_t>(char*, size_t)>&) override {
    return Refusal();
  }
  StatusOr<v1::AddSmallResponse> AddSmall(const v1::AddSmallRequest&) override { return Refusal(); }
  StatusOr<v1::CreateCollectionResponse> CreateCollection(
      const v1::CreateCollectionRequest&) override {
    return Refusal();
  }
  StatusOr<v1::GetCollectionResponse> GetCollection(const v1::GetCollectionRequest&) override {
    return Refusal();
  }
  Status Read(const v1::ReadRequest&, const std::function<Status(std::string_view)>&) override {
    return Refusal();
  }
  StatusOr<v1::Blob> Stat(const std::string&) override { return Refusal(); }
  StatusOr<v1::ListBlobsResponse> ListBlobs(const v1::ListBlobsRequest&) override {
    return Refusal();
  }
  StatusOr<OpenedBlob> OpenBlob(const std::string&) override { return Refusal(); }
  StatusOr<v1::AddResponse> Import(int, bool, const std::function<void(uint64_t)>&) override {
    return Refusal();
  }
  StatusOr<v1::SetPrivateResponse> SetPrivate(const v1::SetPrivateRequest&) override {
    return Refusal();
  }
  StatusOr<v1::WhyKeptResponse> WhyKept(const std::string&) override { return Refusal(); }
  StatusOr<v1::RemoveResponse> Remove(const v1::RemoveRequest&) override { return Refusal(); }
  Status CollectGarbage(const v1::CollectGarbageRequest&,
                        const std::function<void(const v1::CollectGarbageResponse&)>&) override {
    return Refusal();
  }
  Status ImportUrl(const v1::ImportUrlRequest&,
                   const std::function<void(const v1::ImportUrlResponse&)>&) override {
    return Refusal();
  }
  Status Verify(const v1::VerifyRequest&,
                const std::function<void(const v1::VerifyResponse&)>&) override {
    return Refusal();
  }
  StatusOr<v1::SetTagResponse> SetTag(const v1::SetTagRequest&) override { return Refusal(); }
  StatusOr<v1::DeleteTagResponse> DeleteTag(const v1::DeleteTagRequest&) override {
    return Refusal();
  }
  StatusOr<v1::ListTagsResponse> ListTags(const v1::ListTagsRequest&) override { return Refusal(); }
  StatusOr<v1::ListRemotesResponse> ListRemotes(const v1::ListRemotesRequest&) override {
    return Refusal();
  }
  StatusOr<v1::GetRemoteResponse> GetRemote(const v1::GetRemoteRequest&) override {
    return Refusal();
  }
  Status WatchRemotes(const v1::WatchRemotesRequest&,
                      const std::function<void(const v1::WatchRemotesResponse&)>&) override {
    return Refusal();
  }
  StatusOr<v1::AddAddressesResponse> AddAddresses(const v1::AddAddressesRequest&) override {
    return Refusal();
  }
  StatusOr<v1::BanResponse> Ban(const v1::BanRequest&) override { return Refusal(); }
  StatusOr<v1::UnbanResponse> Unban(const v1::UnbanRequest&) override { return Refusal(); }
  StatusOr<v1::ListBansResponse> ListBans(const v1::ListBansRequest&) override { return Refusal(); }
  StatusOr<v1::GetLimitsResponse> GetLimits() override { return Refusal(); }
  StatusOr<v1::SetLimitsResponse> SetLimits(const v1::SetLimitsRequest&) override {
    return Refusal();
  }
  StatusOr<v1::GetConfigResponse> GetConfig(const v1::GetConfigRequest&) override {
    return Refusal();
  }
  StatusOr<v1::ReloadResponse> Reload(const v1::ReloadRequest&) override { return Refusal(); }
  StatusOr<v1::ForgetRemoteResponse> ForgetRemote(const v1::ForgetRemoteRequest&) override {
    return Refusal();
  }
  StatusOr<v1::DisconnectRemoteResponse> DisconnectRemote(
      const v1::DisconnectRemoteRequest&) override {
    return Refusal();
  }
  StatusOr<v1::DrainResponse> Drain() override { return Refusal(); }
  StatusOr<v1::StatusResponse> DaemonStatus() override { return Refusal(); }
  StatusOr<v1::CreateTicketResponse> CreateTicket(const v1::CreateTicketRequest&) override {
    return Refusal();
  }
  StatusOr<v1::ParseTicketResponse> ParseTicket(const std::string&) override { return Refusal(); }
  StatusOr<uint64_t> Backup(const std::function<Status(std::string_view)>&) override {
    return Refusal();
  }
  StatusOr<v1::RecoverRegistryResponse> RecoverRegistry() override { return Refusal(); }

 protected:
  // Why a call cannot be answered.
  virtual Status Refusal() const = 0;
};

}  // namespace blobd::client
