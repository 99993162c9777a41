#include "client/exit_code.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/error_reason.h"
#include "client/client.h"

namespace blobd::client {
namespace {

// A mirror that refuses because it has no such file: of its answers only the text tells that.
bool HasNoSuchFile(const v1::ProviderFailure& failure) {
  return failure.outcome() == v1::FAILURE_OUTCOME_ABORT_REQUEST &&
         failure.provider().find("://") != std::string::npos &&
         (failure.reason().ends_with("the server answers 404") ||
          failure.reason().ends_with("the server answers 410"));
}

// It cannot be reached, or does not have it.
bool IsNoProvider(const v1::ProviderFailure& failure) {
  return failure.outcome() == v1::FAILURE_OUTCOME_NOT_HERE || HasNoSuchFile(failure) ||
         failure.outcome() == v1::FAILURE_OUTCOME_RETRY_LATER;
}

bool SentWrongBytes(const v1::ProviderFailure& failure) {
  return failure.outcome() == v1::FAILURE_OUTCOME_DROP_PROVIDER ||
         failure.outcome() == v1::FAILURE_OUTCOME_WRONG_CONTENT;
}

// The daemon's, or one of ours; nullopt also if it is a newer daemon's.
std::optional<blobd::Reason> KnownReasonOf(const Status& status) {
  if (const auto ours = GivenReasonOf(status)) return ours;
  const auto given = ReasonOf(status);
  return given && given->domain == "blobd" ? ReasonOfName(given->name) : std::nullopt;
}

// Of reasons whose code would mislead; the others are what their code says.
std::optional<ExitCode> ExitCodeOf(blobd::Reason reason) {
  using blobd::Reason;
  switch (static_cast<int>(reason)) {
    case static_cast<int>(Reason::kDiskReadOnly):
      return kExitNoSpace;
    // There is room, but not at this moment, or it is damage and no mismatch.
    case static_cast<int>(Reason::kAlreadyRunning):
    case static_cast<int>(Reason::kSlowReader):
    case static_cast<int>(Reason::kTooManyCommands):
    case static_cast<int>(Reason::kNoResources):
    case static_cast<int>(Reason::kOtherFailed):
    case static_cast<int>(Reason::kRegistryDamaged):
    case static_cast<int>(Reason::kDatabaseDamaged):
    case static_cast<int>(Reason::kDiskFailed):
      return kExitFailed;
    // The daemon is of another version; the command was not wrong.
    case static_cast<int>(Reason::kUnknownMethod):
      return kExitFailed;
    default:
      return std::nullopt;
  }
}

}  // namespace

ExitCode ExitCodeOf(const Status& status) {
  if (const auto reason = KnownReasonOf(status)) {
    if (const auto code = ExitCodeOf(*reason)) return *code;
  }
  switch (static_cast<int>(status.code())) {
    case static_cast<int>(StatusCode::kOk):
      return kExitDone;
    case static_cast<int>(StatusCode::kInvalidArgument):
      return kExitUsage;
    case static_cast<int>(StatusCode::kUnavailable):
      return kExitUnreachable;
    case static_cast<int>(StatusCode::kNotFound):
      return kExitNotFound;
    case static_cast<int>(StatusCode::kPermissionDenied):
      return kExitPermission;
    case static_cast<int>(StatusCode::kDataLoss):
      return kExitMismatch;
    case static_cast<int>(StatusCode::kResourceExhausted):
      return kExitNoSpace;
    case static_cast<int>(StatusCode::kDeadlineExceeded):
      return kExitTimeout;
    case static_cast<int>(StatusCode::kCancelled):
      return kExitInterrupted;
    default:
      return kExitFailed;
  }
}

ExitCode ExitCodeOf(const v1::Intent& intent) {
  switch (static_cast<int>(intent.state())) {
    case v1::INTENT_STATE_DONE:
      return kExitDone;
    case v1::INTENT_STATE_CANCELLED:
      return kExitCancelled;
    case v1::INTENT_STATE_NO_PROVIDERS:
      return kExitNoProvider;
    case v1::INTENT_STATE_DEADLINE_EXCEEDED:
      return kExitTimeout;
    default:
      break;
  }
  if (intent.reason().starts_with("quota: ")) return kExitNoSpace;
  const auto& failures = intent.failures();
  if (failures.empty()) return kExitFailed;
  if (std::all_of(failures.begin(), failures.end(), SentWrongBytes)) return kExitMismatch;
  return std::all_of(failures.begin(), failures.end(), IsNoProvider) ? kExitNoProvider
                                                                     : kExitFailed;
}

}  // namespace blobd::client
