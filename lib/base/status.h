// Status and StatusOr at the boundaries of rooms. Abseil's classes carry code and message; since
// Debian's Abseil has a string_view of its own, messages are built here from format strings.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace blobd {

using absl::Status;
using absl::StatusCode;
using absl::StatusOr;

inline Status OkStatus() { return {}; }
inline Status MakeStatus(StatusCode code, std::string_view message) {
  return Status(code, absl::string_view(message.data(), message.size()));
}
template <typename... Args>
Status MakeStatus(StatusCode code, fmt::format_string<Args...> format,
                  Args&&... args) requires(sizeof...(Args) > 0) {
  return MakeStatus(code, std::string_view(fmt::format(format, std::forward<Args>(args)...)));
}

// InvalidArgument("port {} is out of range", port) and the like.
#define BLOBD_STATUS_MAKER(Name, kCode)                                                    \
  template <typename... Args>                                                              \
  Status Name(fmt::format_string<Args...> format, Args&&... args) {                        \
    return MakeStatus(StatusCode::kCode,                                                   \
                      std::string_view(fmt::format(format, std::forward<Args>(args)...))); \
  }
BLOBD_STATUS_MAKER(InvalidArgument, kInvalidArgument)
BLOBD_STATUS_MAKER(NotFound, kNotFound)
BLOBD_STATUS_MAKER(AlreadyExists, kAlreadyExists)
BLOBD_STATUS_MAKER(FailedPrecondition, kFailedPrecondition)
BLOBD_STATUS_MAKER(PermissionDenied, kPermissionDenied)
BLOBD_STATUS_MAKER(ResourceExhausted, kResourceExhausted)
BLOBD_STATUS_MAKER(OutOfRange, kOutOfRange)
BLOBD_STATUS_MAKER(DataLoss, kDataLoss)
BLOBD_STATUS_MAKER(Unavailable, kUnavailable)
BLOBD_STATUS_MAKER(DeadlineExceeded, kDeadlineExceeded)
BLOBD_STATUS_MAKER(Cancelled, kCancelled)
BLOBD_STATUS_MAKER(Aborted, kAborted)
BLOBD_STATUS_MAKER(Internal, kInternal)
#undef BLOBD_STATUS_MAKER

// The status of a failed system call: `what` says what was tried ("open /x"). Out of space and
// quota become kResourceExhausted, a missing file kNotFound, an existing one kAlreadyExists, access
// kPermissionDenied, out of descriptors or memory kUnavailable, anything else kInternal.
Status ErrnoStatus(int error, std::string_view what);

inline std::string Message(const Status& status) {
  return {status.message().data(), status.message().size()};
}
// The same code, with `context` and a colon before the message.
Status Annotate(const Status& status, std::string_view context);

}  // namespace blobd

#define BLOBD_RETURN_IF_ERROR(expression)                                                    \
  do {                                                                                       \
    if (::absl::Status blobd_status = (expression); !blobd_status.ok()) return blobd_status; \
  } while (false)

#define BLOBD_CONCAT_INNER(a, b) a##b
#define BLOBD_CONCAT(a, b) BLOBD_CONCAT_INNER(a, b)
#define BLOBD_ASSIGN_OR_RETURN(target, expression) \
  BLOBD_ASSIGN_OR_RETURN_INNER(BLOBD_CONCAT(blobd_statusor_, __LINE__), target, expression)
#define BLOBD_ASSIGN_OR_RETURN_INNER(statusor, target, expression) \
  auto statusor = (expression);                                    \
  if (!statusor.ok()) return std::move(statusor).status();         \
  target = std::move(*statusor)
