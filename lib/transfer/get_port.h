// The seam between the two halves of a transfer: the session on its strand (get_session.h) and its
// streams on the network loop (get_streams.h).
//
// Streams are numbered by the session. For every Open come bytes, then at most one end; for every
// Open the session calls Stop once, when it is done with the stream, also after its end. What was
// on its way then may still arrive. All bytes that arrived are told as consumed exactly once.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace blobd::transfer {

// How the stream that answers a request ended. Every end but kFinished and kStopped is the
// provider's or the path's.
struct StreamEnd {
  enum class Kind {
    kFinished,  // FIN
    kReset,     // RESET_STREAM with `code`
    kLost,      // the connection is gone
    kRefused,   // the provider allows no further stream
    kStalled,   // no byte for too long while we were ready to read
    kStopped,   // we closed the connection
    kMoved,     // another connection takes over: what is missing can be asked for again
  };
  Kind kind = Kind::kFinished;
  uint64_t code = 0;
  std::string reason = {};
};

// What the session asks of the network's side. Any thread; never blocks, and never calls back from
// within a call.
class GetPort {
 public:
  virtual ~GetPort() = default;
  // Opens a stream and sends the request. `patient`: if the provider allows no further stream now,
  // it is waited for, but not for ever; otherwise it ends as refused at once.
  virtual void Open(uint64_t stream, Bytes request, bool patient) = 0;
  // Gives credit for bytes that arrived.
  virtual void Consumed(uint64_t stream, uint64_t bytes) = 0;
  // Nothing more of it is wanted: it is stopped on the wire, and its state is freed.
  virtual void Stop(uint64_t stream) = 0;
};

// What the network's side tells the session, on its strand.
class GetReceiver {
 public:
  virtual ~GetReceiver() = default;
  virtual void OnBytes(uint64_t stream, Bytes bytes) = 0;
  virtual void OnStreamEnd(uint64_t stream, StreamEnd end) = 0;
  // The transfer is to end. Its streams were stopped already.
  virtual void Stop() = 0;
};

}  // namespace blobd::transfer
