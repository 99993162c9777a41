// UdpSocket: one UDP socket for IPv6 and IPv4, in batches. The kernel joins received datagrams of
// one sender (GRO) and splits sent ones (GSO); on loopback that saves two thirds of the processor
// time (platform/quic-and-hash.md, section 4).
//
// Datagrams carry "do not fragment", as path MTU discovery wants (RFC 9000, section 14).
//
// Thread:    one.
// Ownership: owns descriptor and receive buffers (1 MiB).
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/socket_address.h"
#include "base/status.h"
#include "base/task.h"
#include "quic/payload.h"
#include "quic/stats.h"

namespace blobd::quic {

enum class SendOutcome {
  kSent,
  kBlocked,      // nothing was sent; the socket becomes writable later
  kTooLarge,     // larger than the path's MTU; lost
  kUnreachable,  // no route, not permitted, bad address; lost
};

class UdpSocket {
 public:
  // Most bytes that one Send takes.
  static constexpr size_t kMaxBatch = Payload::kLargest;
  static constexpr size_t kMaxSegments = 64;

  // Binds to `listen`. An IPv6 wildcard takes IPv4 too; where the kernel has no IPv6 at all, it
  // becomes the IPv4 wildcard.
  static StatusOr<std::unique_ptr<UdpSocket>> Open(const SocketAddress& listen);
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  int fd() const { return fd_; }
  const SocketAddress& local_address() const { return local_address_; }

  // Reads one batch (up to 1 MiB) and calls `take` for each datagram, whose bytes are valid during
  // the call. Does nothing when nothing is there.
  using Take = UniqueFunction<void(const SocketAddress& from, ByteView datagram)>;
  void Receive(Take& take);

  // While a datagram is taken: the address of this machine that it was sent to (its port says
  // nothing). A machine may have several; who asked one of them expects the answer from there.
  const std::optional<SocketAddress>& asked_at() const { return asked_at_; }

  // Sends `bytes` to `to` as datagrams of `segment` bytes each, the last one perhaps shorter; from
  // our address `from`, if it is one, else from the one that the routing table says.
  // REQUIRES: 0 < segment <= bytes.size() <= kMaxBatch, at most kMaxSegments datagrams
  SendOutcome Send(const SocketAddress& to, ByteView bytes, size_t segment,
                   const std::optional<SocketAddress>& from = std::nullopt);

  const UdpStats& stats() const { return stats_; }

 private:
  struct ReceiveBuffers;

  UdpSocket(int fd, int family);
  Status Init(const SocketAddress& listen);
  socklen_t ToSockaddr(const SocketAddress& address, sockaddr_storage* out) const;
  int SendOnce(const SocketAddress& to, ByteView bytes, size_t segment,
               const std::optional<SocketAddress>& from);

  const int fd_;
  const int family_;  // AF_INET6, or AF_INET without IPv6 in the kernel
  SocketAddress local_address_;
  bool gso_ = true;
  std::optional<SocketAddress> asked_at_;
  std::unique_ptr<ReceiveBuffers> buffers_;
  UdpStats stats_;
};

}  // namespace blobd::quic
