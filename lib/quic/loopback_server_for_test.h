// A QUIC server on a loopback socket, so that the Endpoint can be tested over real sockets. It
// answers requests by a handler. Test code only.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/task.h"
#include "loop/loop.h"
#include "quic/connection.h"
#include "quic/disco.h"
#include "quic/udp_socket.h"

namespace blobd::quic {

class LoopbackServer final : private DatagramSink {
 public:
  // Called with each whole request; may send or stop on the connection.
  using Handler = UniqueFunction<void(Connection&, StreamId, const Bytes& request)>;

  LoopbackServer(loop::Loop& loop, Handler handler,
                 const SocketAddress& listen = SocketAddress::V4({127, 0, 0, 1}, 0));
  ~LoopbackServer() override;

  const Identity& identity() const { return identity_; }
  SocketAddress address() const { return socket_->local_address(); }
  // Applies to connections accepted from now on.
  ConnectionOptions options;
  bool wants_retry = false;
  // What iroh 0.35 does: drops QUIC from addresses that have sent no disco ping.
  bool wants_disco = false;

  void CloseAll(uint64_t code);
  // Forgets its connections without a word and answers what comes for them with stateless resets.
  void Forget();
  size_t accepted() const { return accepted_; }
  size_t live() const { return sessions_.size(); }
  size_t streams_open() const;
  const std::vector<std::optional<uint64_t>>& stream_codes() const { return stream_codes_; }
  const std::optional<CloseReason>& last_close() const { return last_close_; }

 private:
  class Session;
  bool Send(const SocketAddress& to, ByteView bytes, size_t segment) override;
  void OnDatagram(const SocketAddress& from, ByteView datagram);
  Session* Accept(const SocketAddress& from, ByteView datagram);
  void Retry(const ngtcp2_pkt_hd& first, const SocketAddress& from);
  void SendReset(const SocketAddress& from, ByteView datagram);
  void Flush();

  loop::Loop& loop_;
  const Identity identity_ = Identity::Generate();
  Handler handler_;
  std::unique_ptr<TlsContext> tls_;
  std::unique_ptr<UdpSocket> socket_;
  Disco disco_{identity_};
  std::array<uint8_t, 32> secret_{};
  UdpSocket::Take take_;
  std::unordered_map<Cid, Session*, CidHash> by_cid_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<SocketAddress> pinged_;
  std::vector<std::optional<uint64_t>> stream_codes_;
  std::optional<CloseReason> last_close_;
  size_t accepted_ = 0;
  loop::TimerId timer_ = 0;
  Bytes scratch_ = Bytes(Connection::kWriteSpace);
};

}  // namespace blobd::quic
