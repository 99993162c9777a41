// GetStream: one stream of a transfer on the network's side: it gathers what arrives into few large
// pieces for the session, and gives credit back.
//
// The session is handed a piece at once when it has nothing of the stream to do, and otherwise when
// it has done that: so nothing waits for the sake of larger pieces, and the busier the session is,
// the larger they are.
//
//   kWaiting --allowed--> kOpen --FIN, reset, lost, stalled--> kEnded
//      `---------- refused, lost --------------------------------^
//
// While another connection is being made that shall take over, the loss of the present one is kept
// to ourselves: it may turn out to be none.
//
// Thread:    the network loop only. The receiver is posted to, on its strand.
// Ownership: owned by GetStreams until the session is done with it. Destroying it stops it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/task.h"
#include "base/time.h"
#include "quic/endpoint.h"
#include "transfer/get_port.h"
#include "transfer/throttle.h"

namespace blobd::transfer {

// What the streams of one transfer share.
struct GetStreamShared {
  quic::Endpoint& endpoint;
  std::shared_ptr<Executor> strand;
  std::shared_ptr<GetReceiver> receiver;
  UniqueFunction<void()> wants_flush;  // something was gathered that waits for Flush
  UniqueFunction<Instant()> now;       // the loop's time

  // Under a limit of the bandwidth (throttle.h). Null: there never is one.
  Throttle* throttle = nullptr;
  // Has credit for bytes of the stream wait until the limit grants it; comes back as Granted of the
  // stream with this number, if it is still there.
  UniqueFunction<void(uint64_t number, quic::ConnectionId, quic::StreamId, uint64_t bytes)>
      wait_for_rate = {};
  // Credit of the connection waits so.
  UniqueFunction<bool(quic::ConnectionId)> is_throttled = {};
  // The transfer ends now: what it waits for so is given back at once.
  UniqueFunction<void()> release_rate = {};
  // Another connection to the node is being made. Null: none ever is.
  UniqueFunction<bool()> being_replaced = {};
};

class GetStream final : public quic::StreamReader {
 public:
  // Opens it on `connection`; without one it ends as lost. `shared` outlives it.
  GetStream(GetStreamShared& shared, uint64_t number, std::optional<quic::ConnectionId> connection,
            Bytes request, bool patient);
  ~GetStream() override;
  GetStream(const GetStream&) = delete;
  GetStream& operator=(const GetStream&) = delete;

  // The provider allowed no further stream when it was tried last.
  bool waiting() const { return state_ == State::kWaiting; }
  void TryAgain();

  void Consumed(uint64_t bytes);
  // The limit of the bandwidth grants credit for so many bytes that were consumed.
  void Granted(uint64_t bytes);
  // Hands what was gathered to the session, unless it is busy with an earlier piece. Called once
  // per batch of datagrams.
  void Flush();
  // Arrived, and not consumed by the session.
  uint64_t unconsumed() const { return unconsumed_; }
  // Ends it if nothing came for `limit` although there was credit, or no stream was allowed. While
  // the path was dark the provider could not send, nor while credit waits for the bandwidth; and
  // after a dark time it backs off for as long again
  // (quic/silence.h): both count for nothing once it is heard again, up to `limit`. Called about
  // once a second.
  void CheckStall(Instant now, Duration limit);
  // The silence until now was our own doing.
  void ForgiveSilence(Instant now) { last_byte_ = now; }
  // The connection was closed by us: its readers are not called any more.
  void ConnectionClosed(quic::ConnectionId connection);
  // Another connection has taken the place of this one, or none could be made.
  void ConnectionReplaced(quic::ConnectionId connection);
  void NotReplaced();

  // quic::StreamReader
  void OnData(ByteView bytes) override;
  void OnFin() override;
  void OnReset(uint64_t code) override;
  void OnLost(const quic::CloseReason& why) override;

 private:
  enum class State { kWaiting, kOpen, kEnded };

  void TryOpen(bool last_try);
  Duration Darkness(Instant now);
  void End(StreamEnd end);
  void HandOver();
  void GiveBack(uint64_t bytes);
  void Release();

  GetStreamShared& shared_;
  const uint64_t number_;  // the session's
  const std::optional<quic::ConnectionId> connection_;
  Bytes request_;  // until it is open
  State state_ = State::kWaiting;
  std::optional<quic::StreamId> stream_;
  std::optional<StreamEnd> held_;  // its loss, not told yet
  Bytes gathered_;
  uint64_t handed_over_ = 0;  // and not consumed by the session
  size_t last_piece_ = 0;     // its size
  uint64_t unconsumed_ = 0;   // what waits for the bandwidth included
  uint64_t throttled_ = 0;    // that
  bool finished_ = false;     // by FIN
  Instant last_byte_;         // or when it was opened
  Instant last_check_;
  Duration silence_before_{0};  // of the connection, when the last byte came
};

}  // namespace blobd::transfer
