// MulticastSocket: one UDP socket of one IP version that hears a multicast group on all interfaces
// and speaks to it on all of them. It shares its port with others, such as the machine's mDNS
// responder. What was sent to an address of this machine is passed over, since that can come from
// anywhere: routers do not pass the group on (RFC 6762, section 11).
//
// Thread: the loop's.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/socket_address.h"
#include "base/status.h"

namespace blobd::lookup {

class MulticastSocket {
 public:
  static constexpr size_t kMaxDatagram = 9000;  // what is longer is no message of ours

  // `group` with the port to bind, such as 224.0.0.251:5353 or [ff02::fb]:5353. What is sent is
  // also heard on this machine.
  static StatusOr<std::unique_ptr<MulticastSocket>> Open(const SocketAddress& group);
  ~MulticastSocket();
  MulticastSocket(const MulticastSocket&) = delete;
  MulticastSocket& operator=(const MulticastSocket&) = delete;

  int fd() const { return fd_; }
  // Joins the group on every interface that can and is up; returns their number. To be called again
  // when interfaces came or went.
  size_t JoinAll();
  // On every interface that was joined. Best effort: true if one took it.
  bool Send(ByteView message);
  // The next datagram; false if there is none now. One that was not sent to the group reads as
  // nothing.
  bool Receive(Bytes* message);

 private:
  MulticastSocket(int fd, const SocketAddress& group) : fd_(fd), group_(group) {}
  bool Join(uint32_t interface);
  bool SpeakOn(uint32_t interface);
  bool IsToGroup(msghdr& header) const;

  const int fd_;
  const SocketAddress group_;
  std::vector<uint32_t> interfaces_;
};

}  // namespace blobd::lookup
