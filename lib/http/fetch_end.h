// FetchEnd: how a fetch ended, once, and what follows for the mirror (design/mirrors.md, "Retry";
// design/scheduling.md, "How a transfer can end").
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "schedule/outcome.h"

namespace blobd::http {

struct FetchEnd {
  enum class Kind {
    kDone,        // all bytes up to the limit, or to the end of the file, were given
    kShort,       // the body ended, or the connection was lost, in the middle
    kNotHere,     // final for this file: 404 and other 4xx
    kNoSuchPart,  // 416: it ends before what is asked for. Somebody is wrong about its size
    kChanged,     // another file than before: nothing more of this mirror for this request
    kNoRanges,    // it cannot begin in the middle of a file; it may still send all of it
    kEncoded,     // compressed although identity was asked for
    kWrongSize,   // not the size that is proven
    kTooLarge,    // more than Ask::max_size
    kForbidden,   // a redirect or an address that is not followed
    kBusy,        // 429, 503: it asks us to wait
    kFailed,      // could not be reached, TLS, 5xx, 408, 425, a broken answer
    kStalled,     // no byte for too long while we were ready to read
    kLocalFault,  // no route, no descriptor: our own fault
    kSurplus,     // ended by us, because fewer connections are allowed now
  };
  Kind kind = Kind::kDone;
  std::string reason;                   // for people; empty when done
  std::optional<Duration> retry_after;  // kBusy: what it asked for, at most kMaxRetryAfter
  uint64_t received = 0;                // bytes of content given to the receiver
  // The file's size, when its end was seen and nobody said it before. A claim like any other.
  std::optional<uint64_t> size;
};

inline constexpr Duration kMaxRetryAfter = minutes(5);
// A short body that brought this much is progress, and tried again at once.
inline constexpr uint64_t kProgress = 16 * 1024;

// What the scheduler is told. It counts failures, waits and gives up; see schedule/retry.h.
schedule::Outcome OutcomeOf(const FetchEnd& end);

}  // namespace blobd::http
