// Outcome: how a transfer ended, once.
#pragma once

#include <cstdint>

namespace blobd::schedule {

// How a transfer ended: whose fault it was decides what follows (design/scheduling.md, "How a
// transfer can end").
enum class Outcome {
  kDone,
  kStopped,       // we stopped it; the answer to StopTransfer
  kNotHere,       // it ended in order, without this range or child
  kAbortRequest,  // the provider does not have the root, or refuses it
  kImpossible,    // no provider's fault: no hash sequence, too many children, proven size over the
                  // maximum
  kDropProvider,  // it sent wrong bytes or a false size
  kWrongContent,  // what it has is not what the hash names, and nobody has proved whose mistake
                  // that is: it is not asked for this hash again in this request
  kRetryLater,    // IO error, reset, timeout, stall, broken protocol
  kBusy,          // it asked us to wait
  kLocalFault,    // our disk or socket: counts for nobody
};

// What of our own was at fault, and so what a request waits on.
enum class OwnFault : uint8_t { kNetwork, kDisk };

}  // namespace blobd::schedule
