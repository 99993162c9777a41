// ServeStream: one request of a node, seen from the network's side: what its stream brings until
// the request is complete, and what was sent and not acknowledged.
//
//   kRequest --FIN--> kAnswer --all is produced--> kEnding --acknowledged--> gone
//       `--too large--> kUnread --a moment later--> gone
//
// Thread:    the network loop only.
// Ownership: owned by UploadCore, which acts on what it tells. None of the owner's calls destroys
//            it before they return to the endpoint.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/node_id.h"
#include "base/task.h"
#include "base/time.h"
#include "quic/endpoint.h"
#include "schedule/rate_limiter.h"
#include "transfer/serve_session.h"

namespace blobd::transfer {

class ServeStream final : public quic::StreamHandler {
 public:
  enum class Phase {
    kRequest,  // the request is not complete
    kAnswer,   // pieces are read and sent
    kEnding,   // FIN was sent
    kUnread,   // FIN was sent, and what still comes is not wanted
  };

  // What it tells. It may be dropped by its owner in each call, and then does nothing more.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void OnRequestBytes(ServeStream& stream, ByteView bytes) = 0;
    virtual void OnRequestComplete(ServeStream& stream) = 0;
    virtual void OnRequestReset(ServeStream& stream) = 0;
    virtual void OnAcknowledged(ServeStream& stream, uint64_t bytes) = 0;
    virtual void OnGone(ServeStream& stream) = 0;
  };

  ServeStream(Owner& owner, uint64_t number_in_queue, const NodeId& peer,
              quic::ConnectionId connection_id, quic::StreamId stream_id, Instant now)
      : number(number_in_queue),
        node(peer),
        connection(connection_id),
        stream(stream_id),
        last_progress(now),
        owner_(owner) {}

  // quic::StreamHandler
  void OnData(ByteView bytes) override { owner_.OnRequestBytes(*this, bytes); }
  void OnFin() override { owner_.OnRequestComplete(*this); }
  void OnReset(uint64_t /*code*/) override { owner_.OnRequestReset(*this); }
  void OnLost(const quic::CloseReason& /*why*/) override { owner_.OnGone(*this); }
  void OnAcknowledged(uint64_t bytes) override { owner_.OnAcknowledged(*this, bytes); }
  void OnClosed(std::optional<uint64_t> /*code*/) override { owner_.OnGone(*this); }

  // When the peer, and nobody else, is waited for since last_progress.
  bool waits_for_peer() const {
    return held.empty() && (phase != Phase::kAnswer || unacknowledged > 0);
  }

  const uint64_t number;  // in the queue
  const NodeId node;
  const quic::ConnectionId connection;
  const quic::StreamId stream;
  Phase phase = Phase::kRequest;
  bool observes = false;
  Bytes request;              // until it is complete
  size_t request_memory = 0;  // as counted against the budget
  uint64_t unacknowledged = 0;
  // A piece of the answer that waits for the bandwidth, counted as unacknowledged already.
  struct Held {
    schedule::AskId ask;
    Bytes bytes;
    size_t sent = 0;  // of them
  };
  std::deque<Held> held;
  bool fin_held = false;  // FIN follows the last of them
  Instant last_progress;  // the request began, a byte was acknowledged or sent where none was, FIN
  std::shared_ptr<Executor> strand;       // with the session
  std::shared_ptr<ServeSession> session;  // set in kAnswer; its last reference goes on the strand

 private:
  Owner& owner_;
};

}  // namespace blobd::transfer
