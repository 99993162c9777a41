// DaemonClient: the daemon's API as blobctl's commands use it, one plain function for each call;
// the real one stands on Client. A daemon that is started again is a pause: calls wait for it, and
// what is safe to repeat is repeated where it was cut: everything that only reads, Queue, and what
// says so.
//
// Thread:    calls block, and may come from several threads at once; Interrupt may come from any
//            other thread and ends the calls under way with kCancelled.
// Errors:    the daemon's own codes and messages. kUnavailable: the daemon cannot be reached.
//            kDeadlineExceeded: the time of Options is over.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "blobd/v1/admin.pb.h"
#include "blobd/v1/blobs.pb.h"
#include "blobd/v1/downloads.pb.h"
#include "blobd/v1/remotes.pb.h"
#include "blobd/v1/tags.pb.h"
#include "client/client.h"

namespace blobd::client {

class DaemonClient {
 public:
  struct Options {
    // What all calls have together, from now on; absent: as long as they take.
    std::optional<std::chrono::milliseconds> timeout;
    // Called once, by some thread, when a call has to wait for the daemon.
    std::function<void()> on_waiting;
  };
  // Connects to the socket at `path`; the error says what to do about it.
  static StatusOr<std::unique_ptr<DaemonClient>> Connect(const std::string& path,
                                                         const Options& options);

  virtual ~DaemonClient() = default;
  // Ends the calls under way, now and for all later ones.
  virtual void Interrupt() = 0;
  virtual bool interrupted() const = 0;
  // OK while calls may go on; else why not: interrupted, or out of time.
  virtual Status stopped() const = 0;

  // An item without an idempotency key is given one, so that it is queued once.
  virtual StatusOr<v1::QueueResponse> Queue(const v1::QueueRequest& request) = 0;
  virtual StatusOr<v1::CancelResponse> Cancel(const v1::CancelRequest& request) = 0;
  virtual StatusOr<v1::PauseResponse> Pause(const v1::PauseRequest& request) = 0;
  virtual StatusOr<v1::ResumeResponse> Resume(const v1::ResumeRequest& request) = 0;
  virtual StatusOr<v1::WhyResponse> Why(const v1::WhyRequest& request) = 0;
  virtual StatusOr<v1::NodesHaveResponse> NodesHave(const v1::NodesHaveRequest& request) = 0;
  virtual StatusOr<v1::Intent> GetIntent(uint64_t id) = 0;
  virtual StatusOr<v1::ListIntentsResponse> ListIntents(const v1::ListIntentsRequest& request) = 0;
  virtual StatusOr<v1::ListRequestsResponse> ListRequests(
      const v1::ListRequestsRequest& request) = 0;
  virtual StatusOr<v1::ListTransfersResponse> ListTransfers(
      const v1::ListTransfersRequest& request) = 0;
  virtual StatusOr<v1::Transfer> GetTransfer(uint64_t id) = 0;
  virtual StatusOr<v1::CancelTransferResponse> CancelTransfer(uint64_t id) = 0;
  // Calls `on_change` for every message until the call is interrupted or ends otherwise, never OK.
  // It goes on after a restart, as Client has it.
  virtual Status WatchTransfers(
      const v1::WatchTransfersRequest& request,
      const std::function<void(const v1::WatchTransfersResponse&)>& on_change) = 0;
  // Calls `on_state` for every state until the intent has ended. Returns OK then.
  virtual Status WatchIntent(uint64_t id,
                             const std::function<void(const v1::Intent&)>& on_state) = 0;

  // Sends what `read` puts into its buffer, until it says 0 bytes.
  virtual StatusOr<v1::AddResponse> Add(
      bool is_private, const std::function<StatusOr<size_t>(char* buffer, size_t size)>& read) = 0;
  virtual StatusOr<v1::AddSmallResponse> AddSmall(const v1::AddSmallRequest& request) = 0;
  virtual StatusOr<v1::CreateCollectionResponse> CreateCollection(
      const v1::CreateCollectionRequest& request) = 0;
  virtual StatusOr<v1::GetCollectionResponse> GetCollection(
      const v1::GetCollectionRequest& request) = 0;
  // Gives the bytes to `write`, piece by piece, and goes on behind the last one after a restart; an
  // error of `write` ends the call with that error.
  virtual Status Read(const v1::ReadRequest& request,
                      const std::function<Status(std::string_view)>& write) = 0;
  virtual StatusOr<v1::Blob> Stat(const std::string& hash) = 0;
  virtual StatusOr<v1::ListBlobsResponse> ListBlobs(const v1::ListBlobsRequest& request) = 0;

  // Blobs as descriptors, as Client has them.
  virtual StatusOr<OpenedBlob> OpenBlob(const std::string& hash) = 0;
  virtual StatusOr<v1::AddResponse> Import(int file, bool is_private,
                                           const std::function<void(uint64_t)>& progress) = 0;

  virtual StatusOr<v1::SetPrivateResponse> SetPrivate(const v1::SetPrivateRequest& request) = 0;

  virtual StatusOr<v1::WhyKeptResponse> WhyKept(const std::string& hash) = 0;
  virtual StatusOr<v1::RemoveResponse> Remove(const v1::RemoveRequest& request) = 0;
  // Both call `on_message` for every message, and return OK when the work has ended well.
  virtual Status CollectGarbage(
      const v1::CollectGarbageRequest& request,
      const std::function<void(const v1::CollectGarbageResponse&)>& on_message) = 0;
  virtual Status ImportUrl(const v1::ImportUrlRequest& request,
                           const std::function<void(const v1::ImportUrlResponse&)>& on_message) = 0;
  virtual Status Verify(const v1::VerifyRequest& request,
                        const std::function<void(const v1::VerifyResponse&)>& on_message) = 0;

  virtual StatusOr<v1::SetTagResponse> SetTag(const v1::SetTagRequest& request) = 0;
  virtual StatusOr<v1::DeleteTagResponse> DeleteTag(const v1::DeleteTagRequest& request) = 0;
  virtual StatusOr<v1::ListTagsResponse> ListTags(const v1::ListTagsRequest& request) = 0;

  virtual StatusOr<v1::ListRemotesResponse> ListRemotes(const v1::ListRemotesRequest& request) = 0;
  virtual StatusOr<v1::GetRemoteResponse> GetRemote(const v1::GetRemoteRequest& request) = 0;
  // Calls `on_change` for every message until the call is interrupted or ends otherwise, never OK.
  // It goes on after a restart, as Client has it.
  virtual Status WatchRemotes(
      const v1::WatchRemotesRequest& request,
      const std::function<void(const v1::WatchRemotesResponse&)>& on_change) = 0;
  virtual StatusOr<v1::AddAddressesResponse> AddAddresses(
      const v1::AddAddressesRequest& request) = 0;
  virtual StatusOr<v1::ForgetRemoteResponse> ForgetRemote(
      const v1::ForgetRemoteRequest& request) = 0;
  virtual StatusOr<v1::DisconnectRemoteResponse> DisconnectRemote(
      const v1::DisconnectRemoteRequest& request) = 0;

  virtual StatusOr<v1::BanResponse> Ban(const v1::BanRequest& request) = 0;
  virtual StatusOr<v1::UnbanResponse> Unban(const v1::UnbanRequest& request) = 0;
  virtual StatusOr<v1::ListBansResponse> ListBans(const v1::ListBansRequest& request) = 0;

  virtual StatusOr<v1::GetLimitsResponse> GetLimits() = 0;
  virtual StatusOr<v1::SetLimitsResponse> SetLimits(const v1::SetLimitsRequest& request) = 0;
  virtual StatusOr<v1::GetConfigResponse> GetConfig(const v1::GetConfigRequest& request) = 0;
  virtual StatusOr<v1::ReloadResponse> Reload(const v1::ReloadRequest& request) = 0;
  virtual StatusOr<v1::DrainResponse> Drain() = 0;
  virtual StatusOr<v1::StatusResponse> DaemonStatus() = 0;
  virtual StatusOr<v1::CreateTicketResponse> CreateTicket(
      const v1::CreateTicketRequest& request) = 0;
  virtual StatusOr<v1::ParseTicketResponse> ParseTicket(const std::string& ticket) = 0;

  // Gives the copy of the registry to `write`, piece by piece, and returns its size; kDataLoss if
  // it broke off.
  virtual StatusOr<uint64_t> Backup(const std::function<Status(std::string_view)>& write) = 0;
  virtual StatusOr<v1::RecoverRegistryResponse> RecoverRegistry() = 0;
};

}  // namespace blobd::client
