#include "base/status.h"

#include <cerrno>
#include <cstring>

#include "base/error_reason.h"

namespace blobd {
namespace {

StatusCode CodeOf(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return StatusCode::kResourceExhausted;
    case ENOENT:
      return StatusCode::kNotFound;
    case EEXIST:
      return StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return StatusCode::kPermissionDenied;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
      return StatusCode::kUnavailable;
    default:
      return StatusCode::kInternal;
  }
}

std::optional<Reason> ReasonOfErrno(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return Reason::kDiskFull;
    case EROFS:
      return Reason::kDiskReadOnly;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
      return Reason::kNoResources;
    default:
      return std::nullopt;
  }
}

}  // namespace

Status ErrnoStatus(int error, std::string_view what) {
  Status status = MakeStatus(CodeOf(error), "{}: {}", what, std::strerror(error));
  const std::optional<Reason> reason = ReasonOfErrno(error);
  return reason ? WithReason(*reason, std::move(status)) : status;
}

Status Annotate(const Status& status, std::string_view context) {
  if (status.ok()) return status;
  Status annotated = MakeStatus(status.code(), "{}: {}", context, Message(status));
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    annotated.SetPayload(type, payload);
  });
  return annotated;
}

}  // namespace blobd
