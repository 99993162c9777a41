// A NAT on loopback: forwards datagrams between clients and one server. A test may drop datagrams,
// or have the clients appear at new ports. Test code only.
#pragma once

#include <memory>
#include <vector>

#include "base/task.h"
#include "loop/loop.h"
#include "quic/udp_socket.h"

namespace blobd::quic {

class UdpRelay {
 public:
  UdpRelay(loop::Loop& loop, const SocketAddress& server);
  ~UdpRelay();

  // Where clients send to.
  const SocketAddress& address() const { return front_->local_address(); }
  // What the server sees of the first client; unspecified before it has sent.
  SocketAddress seen_by_server() const;
  // All clients appear at new ports from now on; what is sent to the old ones is lost.
  void Rebind();

  enum class Way { kToServer, kToClient };
  // Datagrams for which it says false are lost; empty: all pass.
  UniqueFunction<bool(Way, ByteView)> pass;
  uint64_t bytes_to_server = 0;
  uint64_t bytes_to_client = 0;

 private:
  struct Leg {
    SocketAddress client;
    std::unique_ptr<UdpSocket> socket;
    UdpSocket::Take take;
  };
  void OpenLeg(Leg& leg);
  void OnFront(const SocketAddress& from, ByteView datagram);

  loop::Loop& loop_;
  const SocketAddress server_;
  std::unique_ptr<UdpSocket> front_;
  UdpSocket::Take take_;
  std::vector<std::unique_ptr<Leg>> legs_;
};

}  // namespace blobd::quic
