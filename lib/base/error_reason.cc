#include "base/error_reason.h"

#include <algorithm>
#include <array>

#include "absl/strings/cord.h"
#include "base/check.h"
#include "base/utf8.h"

namespace blobd {
namespace {

struct Row {
  Reason reason;
  std::string_view name;
  StatusCode code;
};

// In the order of the enumeration.
constexpr auto kRows = std::to_array<Row>({
    {Reason::kMalformedHash, "MALFORMED_HASH", StatusCode::kInvalidArgument},
    {Reason::kMalformedNodeId, "MALFORMED_NODE_ID", StatusCode::kInvalidArgument},
    {Reason::kMalformedAddress, "MALFORMED_ADDRESS", StatusCode::kInvalidArgument},
    {Reason::kMalformedTicket, "MALFORMED_TICKET", StatusCode::kInvalidArgument},
    {Reason::kMalformedUrl, "MALFORMED_URL", StatusCode::kInvalidArgument},
    {Reason::kMalformedRequest, "MALFORMED_REQUEST", StatusCode::kInvalidArgument},
    {Reason::kInvalidField, "INVALID_FIELD", StatusCode::kInvalidArgument},
    {Reason::kMissingField, "MISSING_FIELD", StatusCode::kInvalidArgument},
    {Reason::kTooLong, "TOO_LONG", StatusCode::kInvalidArgument},
    {Reason::kTooManyItems, "TOO_MANY_ITEMS", StatusCode::kInvalidArgument},
    {Reason::kMessageTooLarge, "MESSAGE_TOO_LARGE", StatusCode::kInvalidArgument},
    {Reason::kPageToken, "PAGE_TOKEN", StatusCode::kInvalidArgument},
    {Reason::kResumeToken, "RESUME_TOKEN", StatusCode::kInvalidArgument},
    {Reason::kUnknownLimit, "UNKNOWN_LIMIT", StatusCode::kInvalidArgument},
    {Reason::kUnknownConfigKey, "UNKNOWN_CONFIG_KEY", StatusCode::kInvalidArgument},
    {Reason::kKeyReused, "KEY_REUSED", StatusCode::kAlreadyExists},
    {Reason::kOurselves, "OURSELVES", StatusCode::kInvalidArgument},
    {Reason::kNotDiallable, "NOT_DIALLABLE", StatusCode::kInvalidArgument},
    {Reason::kPastEnd, "PAST_END", StatusCode::kOutOfRange},
    {Reason::kSizeUnknown, "SIZE_UNKNOWN", StatusCode::kOutOfRange},
    {Reason::kStreamIncomplete, "STREAM_INCOMPLETE", StatusCode::kCancelled},
    {Reason::kDescriptorUnusable, "DESCRIPTOR_UNUSABLE", StatusCode::kInvalidArgument},

    {Reason::kUnknownIntent, "UNKNOWN_INTENT", StatusCode::kNotFound},
    {Reason::kUnknownTransfer, "UNKNOWN_TRANSFER", StatusCode::kNotFound},
    {Reason::kTransferForgotten, "TRANSFER_FORGOTTEN", StatusCode::kNotFound},
    {Reason::kUnknownBlob, "UNKNOWN_BLOB", StatusCode::kNotFound},
    {Reason::kUnknownTag, "UNKNOWN_TAG", StatusCode::kNotFound},
    {Reason::kUnknownRemote, "UNKNOWN_REMOTE", StatusCode::kNotFound},
    {Reason::kNotBanned, "NOT_BANNED", StatusCode::kNotFound},
    {Reason::kUnknownToken, "UNKNOWN_TOKEN", StatusCode::kPermissionDenied},
    {Reason::kUnknownMethod, "UNKNOWN_METHOD", StatusCode::kUnimplemented},
    {Reason::kUnknownService, "UNKNOWN_SERVICE", StatusCode::kNotFound},
    {Reason::kNoDataSocket, "NO_DATA_SOCKET", StatusCode::kUnimplemented},
    {Reason::kNoMirrors, "NO_MIRRORS", StatusCode::kUnimplemented},

    {Reason::kBlobIncomplete, "BLOB_INCOMPLETE", StatusCode::kFailedPrecondition},
    {Reason::kBlobPrivate, "BLOB_PRIVATE", StatusCode::kFailedPrecondition},
    {Reason::kBlobKept, "BLOB_KEPT", StatusCode::kFailedPrecondition},
    {Reason::kBlobInUse, "BLOB_IN_USE", StatusCode::kFailedPrecondition},
    {Reason::kBlobDamaged, "BLOB_DAMAGED", StatusCode::kDataLoss},
    {Reason::kNotACollection, "NOT_A_COLLECTION", StatusCode::kFailedPrecondition},
    {Reason::kListUnreadable, "LIST_UNREADABLE", StatusCode::kFailedPrecondition},
    {Reason::kTagMoved, "TAG_MOVED", StatusCode::kFailedPrecondition},
    {Reason::kRemovedMeanwhile, "REMOVED_MEANWHILE", StatusCode::kAborted},
    {Reason::kRemoteInUse, "REMOTE_IN_USE", StatusCode::kFailedPrecondition},
    {Reason::kConfigUnusable, "CONFIG_UNUSABLE", StatusCode::kFailedPrecondition},
    {Reason::kRegistryDamaged, "REGISTRY_DAMAGED", StatusCode::kDataLoss},
    {Reason::kDatabaseDamaged, "DATABASE_DAMAGED", StatusCode::kDataLoss},
    {Reason::kRegistryIncomplete, "REGISTRY_INCOMPLETE", StatusCode::kFailedPrecondition},
    {Reason::kRegistryNotDamaged, "REGISTRY_NOT_DAMAGED", StatusCode::kFailedPrecondition},
    {Reason::kAlreadyRunning, "ALREADY_RUNNING", StatusCode::kResourceExhausted},
    {Reason::kStarting, "STARTING", StatusCode::kUnavailable},
    {Reason::kDraining, "DRAINING", StatusCode::kUnavailable},
    {Reason::kOtherFailed, "OTHER_FAILED", StatusCode::kUnavailable},

    {Reason::kNotOwner, "NOT_OWNER", StatusCode::kPermissionDenied},
    {Reason::kNeedsAdmin, "NEEDS_ADMIN", StatusCode::kPermissionDenied},
    {Reason::kUnknownCaller, "UNKNOWN_CALLER", StatusCode::kPermissionDenied},

    {Reason::kIntentQuota, "INTENT_QUOTA", StatusCode::kResourceExhausted},
    {Reason::kBytesQuota, "BYTES_QUOTA", StatusCode::kResourceExhausted},
    {Reason::kTagQuota, "TAG_QUOTA", StatusCode::kResourceExhausted},
    {Reason::kNodeLimit, "NODE_LIMIT", StatusCode::kResourceExhausted},
    {Reason::kTooManyCommands, "TOO_MANY_COMMANDS", StatusCode::kUnavailable},
    {Reason::kTooManyCalls, "TOO_MANY_CALLS", StatusCode::kResourceExhausted},
    {Reason::kTooManyConnections, "TOO_MANY_CONNECTIONS", StatusCode::kResourceExhausted},
    {Reason::kSlowReader, "SLOW_READER", StatusCode::kResourceExhausted},
    {Reason::kDiskFull, "DISK_FULL", StatusCode::kResourceExhausted},
    {Reason::kDiskReadOnly, "DISK_READ_ONLY", StatusCode::kPermissionDenied},
    {Reason::kDiskFailed, "DISK_FAILED", StatusCode::kUnavailable},
    {Reason::kNoResources, "NO_RESOURCES", StatusCode::kUnavailable},

    {Reason::kUrlNotFound, "URL_NOT_FOUND", StatusCode::kNotFound},
    {Reason::kUrlRefused, "URL_REFUSED", StatusCode::kPermissionDenied},
    {Reason::kUrlTooLarge, "URL_TOO_LARGE", StatusCode::kFailedPrecondition},
    {Reason::kUrlFailed, "URL_FAILED", StatusCode::kAborted},

    {Reason::kCancelled, "CANCELLED", StatusCode::kCancelled},
    {Reason::kInvalidArgument, "INVALID_ARGUMENT", StatusCode::kInvalidArgument},
    {Reason::kDeadlineExceeded, "DEADLINE_EXCEEDED", StatusCode::kDeadlineExceeded},
    {Reason::kNotFound, "NOT_FOUND", StatusCode::kNotFound},
    {Reason::kAlreadyExists, "ALREADY_EXISTS", StatusCode::kAlreadyExists},
    {Reason::kPermissionDenied, "PERMISSION_DENIED", StatusCode::kPermissionDenied},
    {Reason::kResourceExhausted, "RESOURCE_EXHAUSTED", StatusCode::kResourceExhausted},
    {Reason::kFailedPrecondition, "FAILED_PRECONDITION", StatusCode::kFailedPrecondition},
    {Reason::kAborted, "ABORTED", StatusCode::kAborted},
    {Reason::kOutOfRange, "OUT_OF_RANGE", StatusCode::kOutOfRange},
    {Reason::kUnimplemented, "UNIMPLEMENTED", StatusCode::kUnimplemented},
    {Reason::kInternal, "INTERNAL", StatusCode::kInternal},
    {Reason::kUnavailable, "UNAVAILABLE", StatusCode::kUnavailable},
    {Reason::kDataLoss, "DATA_LOSS", StatusCode::kDataLoss},
});
static_assert(kRows.size() == kReasons);
static_assert([] {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<size_t>(kRows[i].reason) != i) return false;
  }
  return true;
}());

// A status takes payloads by the name of their type. The reason is one, each detail another.
constexpr std::string_view kReasonType = "blobd/reason";
constexpr std::string_view kDetailTypes = "blobd/detail/";

const Row& RowOf(Reason reason) { return kRows[static_cast<size_t>(reason)]; }

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

std::string_view FromAbsl(absl::string_view text) { return {text.data(), text.size()}; }

Reason ReasonOfCode(StatusCode code) {
  const auto* found =
      std::find_if(kRows.begin() + static_cast<ptrdiff_t>(Reason::kCancelled), kRows.end(),
                   [code](const Row& row) { return row.code == code; });
  return found == kRows.end() ? Reason::kInternal : found->reason;
}

}  // namespace

std::string_view NameOf(Reason reason) { return RowOf(reason).name; }

StatusCode CodeOf(Reason reason) { return RowOf(reason).code; }

Status WithReason(Reason reason, Status status) {
  BLOBD_CHECK(!status.ok());
  status.SetPayload(ToAbsl(kReasonType), absl::Cord(ToAbsl(NameOf(reason))));
  return status;
}

Status WithDetail(Status status, std::string_view key, std::string_view value) {
  BLOBD_CHECK(!status.ok());
  status.SetPayload(ToAbsl(std::string(kDetailTypes) + std::string(key)),
                    absl::Cord(ShortText(value, kMaxDetailBytes)));
  return status;
}

std::optional<Reason> GivenReasonOf(const Status& status) {
  const auto payload = status.GetPayload(ToAbsl(kReasonType));
  if (!payload) return std::nullopt;
  return ReasonOfName(std::string(*payload));
}

Reason ReasonOf(const Status& status) {
  if (const auto given = GivenReasonOf(status)) return *given;
  return ReasonOfCode(status.code());
}

std::optional<Reason> ReasonOfName(std::string_view name) {
  const auto* found =
      std::find_if(kRows.begin(), kRows.end(), [&](const Row& row) { return row.name == name; });
  if (found == kRows.end()) return std::nullopt;
  return found->reason;
}

void ForEachDetail(const Status& status,
                   const std::function<void(std::string_view key, std::string_view value)>& visit) {
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& value) {
    std::string_view key = FromAbsl(type);
    if (!key.starts_with(kDetailTypes)) return;
    key.remove_prefix(kDetailTypes.size());
    visit(key, std::string(value));
  });
}

}  // namespace blobd
