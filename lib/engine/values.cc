#include "engine/values.h"

#include <chrono>
#include <utility>

namespace blobd::engine {

registry::RemoteAddressRow RowOf(const NodeId& node, const path::KnownAddress& known) {
  return {node,
          known.address,
          known.source,
          known.last_worked,
          std::chrono::duration_cast<microseconds>(known.rtt).count(),
          known.failure,
          known.last_failed};
}

IntentView ViewOfEnded(registry::IntentRow row) {
  IntentView view;
  view.state = IntentState::kEnded;
  if (row.result == registry::ResultCode::kDone) {
    view.verified_bytes = view.total_bytes = row.total_bytes;
  }
  view.row = std::move(row);
  return view;
}

std::string_view OutcomeName(schedule::Outcome outcome) {
  switch (outcome) {
    case schedule::Outcome::kDone:
      return "done";
    case schedule::Outcome::kStopped:
      return "stopped";
    case schedule::Outcome::kNotHere:
      return "not here";
    case schedule::Outcome::kAbortRequest:
      return "abort request";
    case schedule::Outcome::kImpossible:
      return "impossible";
    case schedule::Outcome::kDropProvider:
      return "drop provider";
    case schedule::Outcome::kWrongContent:
      return "wrong content";
    case schedule::Outcome::kRetryLater:
      return "retry later";
    case schedule::Outcome::kBusy:
      return "busy";
    case schedule::Outcome::kLocalFault:
      return "local fault";
  }
  return "unknown";
}

std::string_view ResultName(registry::ResultCode result) {
  switch (result) {
    case registry::ResultCode::kNone:
      return "none";
    case registry::ResultCode::kDone:
      return "done";
    case registry::ResultCode::kCancelled:
      return "cancelled";
    case registry::ResultCode::kNoProviders:
      return "no providers";
    case registry::ResultCode::kFailed:
      return "failed";
    case registry::ResultCode::kDeadlineExceeded:
      return "deadline exceeded";
  }
  return "unknown";
}

IntentState StateOf(schedule::RequestState state) {
  switch (state) {
    case schedule::RequestState::kInStore:
    case schedule::RequestState::kQueued:
      return IntentState::kQueued;
    case schedule::RequestState::kWaiting:
      return IntentState::kWaiting;
    case schedule::RequestState::kPaused:
      return IntentState::kPaused;
    case schedule::RequestState::kParked:
      return IntentState::kParked;
    case schedule::RequestState::kRunning:
      return IntentState::kRunning;
  }
  return IntentState::kQueued;
}

}  // namespace blobd::engine
