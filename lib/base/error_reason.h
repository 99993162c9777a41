// Why something was refused, as a word that programs can rely on: texts change, reasons stay. A
// Status carries its reason, and what is known besides ("field", "value", "limit"), on its way
// through the rooms; `rpc` sends them to the caller. One without a reason has that of its code.
//
// The words of the API are made of the enumerators: kUnknownIntent is UNKNOWN_INTENT. What stands
// above them here is what packaging/docs/api.md says; tests/api_reference.py reads it.
//
// Pure functions; any thread.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace blobd {

// Only appended to: a word that was told once keeps its meaning.
enum class Reason : uint8_t {
  // ---- What was asked for is not well-formed ----

  // A text is no hash: 64 hex digits or 52 base32 characters.
  kMalformedHash,
  // A text is no node id: 64 hex digits or 52 base32 characters.
  kMalformedNodeId,
  // A text is no address: `IP:PORT` or `[IPV6]:PORT`.
  kMalformedAddress,
  // A text is no ticket that we read.
  kMalformedTicket,
  // A text is no URL that is fetched from.
  kMalformedUrl,
  // What came is no message of the API.
  kMalformedRequest,
  // A field has a value that it cannot have; the message says what it can.
  kInvalidField,
  // A field is not set, but must be.
  kMissingField,
  // A text or a number of bytes is beyond its limit.
  kTooLong,
  // A list has more elements than are taken in one call; use more calls.
  kTooManyItems,
  // A message of a stream is larger than is taken; send more of them.
  kMessageTooLarge,
  // A page token that this list has not given.
  kPageToken,
  // A resume token that this stream has not given.
  kResumeToken,
  // There is no limit of this name.
  kUnknownLimit,
  // There is no configuration key of this name.
  kUnknownConfigKey,
  // An idempotency key was used for other content before.
  kKeyReused,
  // The node is this daemon itself.
  kOurselves,
  // The address cannot be dialled from anywhere, or means something on one machine only.
  kNotDiallable,
  // The bytes that are asked for are past the end of the blob.
  kPastEnd,
  // The size of the blob is not known yet, so it must be said how much is asked for.
  kSizeUnknown,
  // A stream of bytes ended without saying that they were all.
  kStreamIncomplete,
  // The descriptor that was handed in is no regular file that can be read here; send its bytes.
  kDescriptorUnusable,

  // ---- What was asked for is not here ----

  // There is no such intent, or it ended so long ago that it is forgotten.
  kUnknownIntent,
  // There never was such a transfer.
  kUnknownTransfer,
  // The transfer has ended, and what became of it is not kept any more.
  kTransferForgotten,
  // Nothing of the blob is here.
  kUnknownBlob,
  // There is no such tag.
  kUnknownTag,
  // Nothing is known of the node.
  kUnknownRemote,
  // The provider is not banned.
  kNotBanned,
  // The data socket does not know the token: it was used, its time is over, or it was given to
  // another user.
  kUnknownToken,
  // The daemon is older than the caller: it does not have the method.
  kUnknownMethod,
  // There is no such service.
  kUnknownService,
  // The daemon has no data socket; use streams.
  kNoDataSocket,
  // The daemon gets nothing from web servers.
  kNoMirrors,

  // ---- It is not in the state that this takes ----

  // Not all of the blob is here.
  kBlobIncomplete,
  // The blob is private, and served to nobody.
  kBlobPrivate,
  // The blob is kept by what the message names: an intent, a tag, a lease.
  kBlobKept,
  // The blob is being added or got just now.
  kBlobInUse,
  // What is on the disk of the blob does not fit its hash, or is gone.
  kBlobDamaged,
  // The blob is no collection.
  kNotACollection,
  // What a collection keeps is not known, because its list is damaged or not here.
  kListUnreadable,
  // The tag does not stand where the caller expects it.
  kTagMoved,
  // What was added was removed in the same moment; add it again.
  kRemovedMeanwhile,
  // The node is connected, or being dialled; disconnect it first.
  kRemoteInUse,
  // The configuration's files cannot be used; the message names file, line and valid range.
  kConfigUnusable,
  // The registry is damaged: "blobctl registry recover" saves what can be read of it.
  kRegistryDamaged,
  // A database is damaged; the message says which, and what to do.
  kDatabaseDamaged,
  // The registry may lack something that keeps content, and nobody has acknowledged that yet.
  kRegistryIncomplete,
  // The registry is not damaged, so there is nothing to recover.
  kRegistryNotDamaged,
  // Such work is running already; only one at a time does.
  kAlreadyRunning,
  // The daemon is starting, or the intent is just being made; try again soon.
  kStarting,
  // The daemon is about to end, and takes nothing new; try again when it has been started again.
  kDraining,
  // Another call, on which this one depended, failed; try again.
  kOtherFailed,

  // ---- The caller may not ---

  // It belongs to another user.
  kNotOwner,
  // Only administrators may: root, members of the admin group, and whoever runs the daemon.
  kNeedsAdmin,
  // The kernel does not say who the caller is; connect again.
  kUnknownCaller,

  // ---- A limit is reached ----

  // The user has as many unfinished intents as are allowed.
  kIntentQuota,
  // The user's unfinished intents want as many bytes as are allowed.
  kBytesQuota,
  // The user has as many tags as are allowed.
  kTagQuota,
  // Addresses of no further nodes are kept.
  kNodeLimit,
  // More work is waiting than the daemon takes; try again soon.
  kTooManyCommands,
  // The user's calls under way, or all together, hold what they may; try again when some have
  // ended.
  kTooManyCalls,
  // The user has as many connections as are allowed, or all users have.
  kTooManyConnections,
  // The caller takes what it is sent too slowly; watch again from where you are.
  kSlowReader,
  // The disk is full, or would be.
  kDiskFull,
  // The disk is read-only.
  kDiskReadOnly,
  // The disk did not take what it was given; check it, and restart blobd.
  kDiskFailed,
  // The machine gives the daemon no more memory, descriptors or threads; try again soon.
  kNoResources,

  // ---- A web server ----

  // The server does not have what the URL names.
  kUrlNotFound,
  // The server refuses, or leads to where nothing is fetched from.
  kUrlRefused,
  // The file is larger than is taken.
  kUrlTooLarge,
  // The server could not be reached, or broke off again and again.
  kUrlFailed,

  // ---- Nothing more is known than the code says ----

  // The call was cancelled.
  kCancelled,
  // See the message.
  kInvalidArgument,
  // It took too long.
  kDeadlineExceeded,
  // See the message.
  kNotFound,
  // See the message.
  kAlreadyExists,
  // See the message.
  kPermissionDenied,
  // See the message.
  kResourceExhausted,
  // See the message.
  kFailedPrecondition,
  // See the message.
  kAborted,
  // See the message.
  kOutOfRange,
  // See the message.
  kUnimplemented,
  // Something that nobody foresaw. The daemon's journal has the details.
  kInternal,
  // See the message.
  kUnavailable,
  // See the message.
  kDataLoss,
};
inline constexpr size_t kReasons = static_cast<size_t>(Reason::kDataLoss) + 1;

// "UNKNOWN_INTENT".
std::string_view NameOf(Reason reason);
// The code that errors of this reason have, if nothing else is said.
StatusCode CodeOf(Reason reason);

// Values of details are cut to this, and made UTF-8: many come from strangers.
inline constexpr size_t kMaxDetailBytes = 256;

// `status` with this reason, instead of one that it may have. REQUIRES: it is an error
Status WithReason(Reason reason, Status status);
// `status` with something more that programs may want to know. `key` is one of ours, a word in
// lower case; a second value of the same key takes the place of the first. REQUIRES: it is an error
Status WithDetail(Status status, std::string_view key, std::string_view value);

// An error of this reason, with the reason's code.
template <typename... Args>
Status ErrorFor(Reason reason, fmt::format_string<Args...> format, Args&&... args) {
  return WithReason(reason, MakeStatus(CodeOf(reason), std::string_view(fmt::format(
                                                           format, std::forward<Args>(args)...))));
}
// The same for a field of a request: its name stands before the message, and is a detail.
template <typename... Args>
Status FieldError(Reason reason, std::string_view field, fmt::format_string<Args...> format,
                  Args&&... args) {
  return WithDetail(
      ErrorFor(reason, "{}: {}", field, fmt::format(format, std::forward<Args>(args)...)), "field",
      field);
}

// The reason that it was given; nullopt: none, or one that a newer program knows.
std::optional<Reason> GivenReasonOf(const Status& status);
// The same, or that of its code. REQUIRES: it is an error
Reason ReasonOf(const Status& status);
// The reason of this name, if there is one.
std::optional<Reason> ReasonOfName(std::string_view name);

// Calls `visit` for everything that WithDetail noted, in no order.
void ForEachDetail(const Status& status,
                   const std::function<void(std::string_view key, std::string_view value)>& visit);

}  // namespace blobd
