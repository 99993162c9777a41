#include "http/fetch_end.h"

namespace blobd::http {

schedule::Outcome OutcomeOf(const FetchEnd& end) {
  using Kind = FetchEnd::Kind;
  using schedule::Outcome;
  switch (end.kind) {
    case Kind::kDone:
      return Outcome::kDone;
    case Kind::kSurplus:
      return Outcome::kStopped;
    case Kind::kShort:
      // The rest goes back and is asked for at once; no failure is counted.
      return end.received >= kProgress ? Outcome::kStopped : Outcome::kRetryLater;
    case Kind::kNotHere:
    case Kind::kNoSuchPart:
    case Kind::kChanged:
    case Kind::kNoRanges:
    case Kind::kEncoded:
    case Kind::kWrongSize:
    case Kind::kTooLarge:
    case Kind::kForbidden:
      // Of this file nothing more from here, in this request. Nothing is banned for what a server
      // says: only bytes that do not fit a proven hash are proof.
      return Outcome::kAbortRequest;
    case Kind::kBusy:
      return Outcome::kBusy;
    case Kind::kFailed:
    case Kind::kStalled:
      return Outcome::kRetryLater;
    case Kind::kLocalFault:
      return Outcome::kLocalFault;
  }
  return Outcome::kRetryLater;
}

}  // namespace blobd::http
