#include "engine/values.h"

namespace blobd::engine {

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
    case schedule::Outcome::kRetryLater:
      return "retry later";
    case schedule::Outcome::kBusy:
      return "busy";
    case schedule::Outcome::kLocalFault:
      return "local fault";
  }
  return "unknown";
}

}  // namespace blobd::engine
