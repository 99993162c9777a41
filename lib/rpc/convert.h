// Between protobuf messages and the engine's values. Everything a caller sends is checked here,
// with an error that names the field; nothing unchecked goes further.
//
// Thread: any. Errors: kInvalidArgument.
#pragma once

#include <string>
#include <string_view>

#include "base/error_reason.h"
#include "base/status.h"
#include "blobd/v1/admin.pb.h"
#include "blobd/v1/blobs.pb.h"
#include "blobd/v1/downloads.pb.h"
#include "blobd/v1/remotes.pb.h"
#include "engine/caller.h"
#include "engine/limits.h"
#include "engine/protection.h"
#include "engine/upload_table.h"
#include "engine/values.h"
#include "store/blob_store.h"

namespace blobd::rpc {

inline constexpr int kMaxItems = 10'000;  // in one Queue or Cancel
inline constexpr int kMaxLimitChanges = 256;
inline constexpr int kMaxProviders = 64;  // of one item
inline constexpr int kMaxAddresses = 32;  // of one node
inline constexpr size_t kMaxLabelBytes = 256;
inline constexpr size_t kMaxKeyBytes = 128;
inline constexpr size_t kMaxReasonBytes = 256;
inline constexpr size_t kMaxUrlBytes = 2048;
inline constexpr size_t kMaxTicketBytes = 16 * 1024;
inline constexpr uint32_t kMaxPage = 1000;
inline constexpr size_t kMaxIntentsShown = 1000;  // of a request or transfer
inline constexpr uint32_t kDefaultPage = 100;

// Errors about fields, in one form. `what`: what it is not, or is instead.
Status Malformed(Reason reason, std::string_view field, std::string_view text,
                 std::string_view what);
// `least` to `most` are taken.
Status TooMany(std::string_view field, int count, int least, int most);
Status BadPageToken(std::string_view token);
// `status`: what is wrong with the URL.
Status UrlError(std::string_view field, std::string_view url, const Status& status);

StatusOr<Hash> ToHash(std::string_view text, std::string_view field);
StatusOr<Kind> ToKind(const v1::Kind& kind, std::string_view field);
StatusOr<NodeId> ToNodeId(std::string_view text, std::string_view field);
// At most 32.
StatusOr<std::vector<SocketAddress>> ToAddresses(
    const google::protobuf::RepeatedPtrField<std::string>& texts, std::string_view field);
// An http or https URL, perhaps with {hash} in it, brought into one form. Whether it may be fetched
// from is the HTTP client's to say.
StatusOr<MirrorUrl> ToMirror(std::string_view text, std::string_view field);
StatusOr<engine::NamedProvider> ToProvider(const v1::Provider& provider, std::string_view field);
StatusOr<std::vector<engine::QueueItem>> ToQueueItems(const v1::QueueRequest& request);
// 1 to 10,000.
StatusOr<std::vector<IntentId>> ToIntentIds(
    const google::protobuf::RepeatedField<google::protobuf::uint64>& ids);
// A node id, or an http or https URL.
StatusOr<ProviderId> ToProviderId(std::string_view text, std::string_view field);
// As everybody may see it: the query of a URL may be a key, and is "?..." here.
std::string ShownProvider(const ProviderId& provider);
// Of a mirror no more than which server it is: "https://mirror.example"; of a node its id.
std::string OriginOnly(const ProviderId& provider);
struct LimitChanges {
  std::vector<engine::LimitChange> changes;
  std::vector<const engine::LimitField*> reset;
};
StatusOr<LimitChanges> ToLimitChanges(const v1::SetLimitsRequest& request);
StatusOr<v1::ParseTicketResponse> ParseTicket(std::string_view ticket);

// Lists may be asked for what stands so; at most 16 are named.
StatusOr<engine::IntentStates> ToIntentStates(const google::protobuf::RepeatedField<int>& states);
// Of unfinished requests: how one has ended is refused.
StatusOr<engine::StateFilter<engine::IntentState>> ToRequestStates(
    const google::protobuf::RepeatedField<int>& states);
StatusOr<engine::StateFilter<engine::TransferState>> ToTransferStates(
    const google::protobuf::RepeatedField<int>& states);
StatusOr<engine::StateFilter<path::Link>> ToLinks(
    const google::protobuf::RepeatedField<int>& states);

// Page tokens: the last id or hash of the page before, in hex behind a letter that says of which
// list, and in which direction.
StatusOr<uint64_t> IdFromPageToken(std::string_view token, char list);
std::string PageTokenOfId(uint64_t id, char list);
uint32_t PageSize(uint32_t wanted);

// Of an unfinished one.
v1::IntentState FromState(engine::IntentState state);
void Fill(const Kind& kind, v1::Kind* out);
void Fill(const engine::IntentView& view, v1::Intent* out);
void Fill(const engine::TransferView& view, v1::Transfer* out);
void Fill(const engine::RequestView& view, v1::Request* out);
void Fill(const engine::UploadView& view, v1::Upload* out);
void Fill(const engine::RemoteView& view, v1::Remote* out);
void Fill(const engine::WhyView& view, v1::RequestWhy* out);
void Fill(const engine::BanView& view, const engine::Caller& caller, v1::Ban* out);
void Fill(const engine::LimitView& view, v1::Limit* out);
void Fill(const store::BlobInfo& info, v1::Blob* out);
// Without the blob that is kept so, and without the name of a private tag that `caller` may not
// see.
void Fill(const engine::Keeping& keeping, const engine::Caller& caller, v1::Keeping* out);
// All of one blob, at most 1,000.
void FillKeepings(const Hash& hash, const std::vector<engine::Keeping>& keepings,
                  const engine::Caller& caller,
                  google::protobuf::RepeatedPtrField<v1::Keeping>* out);

}  // namespace blobd::rpc
