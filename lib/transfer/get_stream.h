// GetStream: one transfer from a node, seen from the network's side: it opens the streams that its
// session asks for, gathers what arrives into few large pieces, and gives credit back.
//
// Thread:    the network loop only. The session is posted to, on its strand.
// Ownership: owned by QuicNetwork until the session has ended.
#pragma once

#include <memory>

#include "base/ids.h"
#include "quic/endpoint.h"
#include "transfer/get_session.h"

namespace blobd::transfer {

class GetStream final : public quic::StreamReader {
 public:
  GetStream(quic::Endpoint& endpoint, std::shared_ptr<Executor> strand,
            std::shared_ptr<GetSession> session);
  ~GetStream() override;

  // The session's wishes. `connection` is the node's at this moment; without one the stream ends as
  // lost.
  void Open(std::optional<quic::ConnectionId> connection, uint64_t number, Bytes request);
  void Consumed(uint64_t number, uint64_t bytes);
  void Stop(uint64_t number);

  // Hands what was gathered to the session. Called once per batch of datagrams.
  void Flush();
  bool has_gathered() const { return !gathered_.empty(); }
  // Ends the stream as stalled if nothing came for `limit` although there was credit.
  void CheckStall(Instant now, Duration limit);
  // The connection was closed by us: its streams' readers are not called any more.
  void ConnectionClosed(quic::ConnectionId connection);
  void StopSession();

  // quic::StreamReader
  void OnData(ByteView bytes) override;
  void OnFin() override;
  void OnReset(uint64_t code) override;
  void OnLost(const quic::CloseReason& why) override;

  // Set by the owner: called when something was gathered that waits for Flush, and to read the
  // loop's time.
  struct Hooks {
    UniqueFunction<void()> wants_flush;
    UniqueFunction<Instant()> now;
  };
  void SetHooks(Hooks hooks) { hooks_ = std::move(hooks); }

 private:
  void End(StreamEnd end);
  void Release();

  quic::Endpoint& endpoint_;
  const std::shared_ptr<Executor> strand_;
  const std::shared_ptr<GetSession> session_;
  Hooks hooks_;
  uint64_t number_ = 0;  // the session's number of the current stream
  std::optional<quic::ConnectionId> connection_;
  quic::StreamId stream_ = -1;
  bool open_ = false;  // no end was told yet
  Bytes gathered_;
  uint64_t unconsumed_ = 0;  // handed over, credit not given back yet
  Instant last_byte_;
};

}  // namespace blobd::transfer
