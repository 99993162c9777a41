// GetStreams: all streams of one transfer on the network's side. What its session asks for through
// a GetPort ends up here.
//
// Thread:    the network loop only.
// Ownership: owned by QuicNetwork until the session has ended. Destroying it stops all streams.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "transfer/get_stream.h"

namespace blobd::transfer {

class GetStreams {
 public:
  explicit GetStreams(GetStreamShared shared) : shared_(std::move(shared)) {}

  // The session's wishes (get_port.h). `connection` is the node's at this moment.
  void Open(std::optional<quic::ConnectionId> connection, uint64_t number, Bytes request,
            bool patient);
  void Consumed(uint64_t number, uint64_t bytes);
  void Stop(uint64_t number);
  // As GetStream's; false: there is no such stream.
  bool Granted(uint64_t number, uint64_t bytes);

  void Flush();
  // Some stream waits until the provider allows it.
  bool waiting() const;
  void TryAgain();
  void CheckStalls(Instant now, Duration limit);
  void ConnectionClosed(quic::ConnectionId connection);
  void ConnectionReplaced(quic::ConnectionId connection);
  void NotReplaced();
  // Ends the transfer: all streams are stopped on the wire now, no further one is opened, and the
  // session is told.
  void StopAll();

 private:
  GetStreamShared shared_;
  bool stopped_ = false;
  std::map<uint64_t, GetStream> streams_;  // by the session's number
};

}  // namespace blobd::transfer
