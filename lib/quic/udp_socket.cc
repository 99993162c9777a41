#include "quic/udp_socket.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace blobd::quic {
namespace {

constexpr size_t kMessages = 16;         // per batch
constexpr size_t kBufferSize = 1 << 16;  // the most that GRO joins
// What we ask the kernel to buffer while a turn takes its time; it grants what the system allows.
constexpr int kSocketBuffer = 2 << 20;

template <typename T>
bool SetOption(int fd, int level, int name, T value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

// Room for the size of segments and for an address of ours.
union ControlBuffer {
  cmsghdr align;
  std::array<char, CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in6_pktinfo))> bytes;
};

// The size of the datagrams in a joined buffer; 0 when it is a single one.
size_t SegmentOf(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO) continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(c), sizeof size);
    return size > 0 ? static_cast<size_t>(size) : 0;
  }
  return 0;
}

// Which of our addresses a datagram was sent to.
std::optional<SocketAddress> AskedAt(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      std::array<uint8_t, 16> ip{};
      std::memcpy(ip.data(), &info.ipi6_addr, ip.size());
      return SocketAddress::V6(ip, 0);
    }
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      std::array<uint8_t, 4> ip{};
      std::memcpy(ip.data(), &info.ipi_addr, ip.size());
      return SocketAddress::V4(ip, 0);
    }
  }
  return std::nullopt;
}

// Puts a control message into the room that is left; returns how much of it is taken then.
template <typename T>
size_t PutControl(ControlBuffer& control, size_t taken, int level, int type, const T& value) {
  cmsghdr header{};
  header.cmsg_level = level;
  header.cmsg_type = type;
  header.cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(control.bytes.data() + taken, &header, sizeof header);
  std::memcpy(control.bytes.data() + taken + CMSG_LEN(0), &value, sizeof value);
  return taken + CMSG_SPACE(sizeof value);
}

// An address that we send from and that has gone, or that is of the other IP version.
bool IsAboutSource(int error) {
  return error == EINVAL || error == EADDRNOTAVAIL || error == ENETUNREACH;
}

}  // namespace

struct UdpSocket::ReceiveBuffers {
  std::array<mmsghdr, kMessages> headers{};
  std::array<iovec, kMessages> vectors{};
  std::array<sockaddr_storage, kMessages> addresses{};
  std::array<ControlBuffer, kMessages> controls{};
  // Not cleared: what nothing was received into takes no memory.
  std::unique_ptr<uint8_t[]> bytes =
      std::make_unique_for_overwrite<uint8_t[]>(kMessages * kBufferSize);
};

StatusOr<std::unique_ptr<UdpSocket>> UdpSocket::Open(const SocketAddress& listen) {
  constexpr int kType = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  int family = AF_INET6;
  int fd = socket(AF_INET6, kType, IPPROTO_UDP);
  if (fd < 0 && errno == EAFNOSUPPORT && (listen.is_v4() || listen.is_unspecified())) {
    family = AF_INET;
    fd = socket(AF_INET, kType, IPPROTO_UDP);
  }
  if (fd < 0) return ErrnoStatus(errno, "UDP socket");
  std::unique_ptr<UdpSocket> udp(new UdpSocket(fd, family));
  BLOBD_RETURN_IF_ERROR(udp->Init(listen));
  return udp;
}

UdpSocket::UdpSocket(int fd, int family)
    : fd_(fd), family_(family), buffers_(std::make_unique<ReceiveBuffers>()) {}

UdpSocket::~UdpSocket() { close(fd_); }

Status UdpSocket::Init(const SocketAddress& listen) {
  // PROBE: never fragment, and let QUIC find the MTU itself. With DO the kernel would also refuse
  // what it believes too large because of an ICMP message, which anybody can forge.
  if (family_ == AF_INET6) {
    if (!SetOption(fd_, IPPROTO_IPV6, IPV6_V6ONLY, 0)) return ErrnoStatus(errno, "IPV6_V6ONLY");
    SetOption(fd_, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    SetOption(fd_, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);  // of IPv4 too, as mapped addresses
  } else {
    SetOption(fd_, IPPROTO_IP, IP_PKTINFO, 1);
  }
  SetOption(fd_, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  SetOption(fd_, SOL_UDP, UDP_GRO, 1);
  SetOption(fd_, SOL_SOCKET, SO_RCVBUF, kSocketBuffer);
  SetOption(fd_, SOL_SOCKET, SO_SNDBUF, kSocketBuffer);

  sockaddr_storage address{};
  socklen_t size = ToSockaddr(listen, &address);
  if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    return ErrnoStatus(errno, "bind UDP " + listen.ToString());
  }
  size = sizeof address;
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return ErrnoStatus(errno, "getsockname");
  }
  local_address_ = SocketAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&address))
                       .value_or(SocketAddress());
  return OkStatus();
}

socklen_t UdpSocket::ToSockaddr(const SocketAddress& address, sockaddr_storage* out) const {
  if (family_ == AF_INET6) return address.ToSockaddr6(out);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(address.port());
  if (address.is_v4()) std::memcpy(&in.sin_addr, address.ip4().data(), 4);
  std::memset(out, 0, sizeof *out);
  std::memcpy(out, &in, sizeof in);
  return sizeof in;
}

void UdpSocket::Receive(Take& take) {
  ReceiveBuffers& b = *buffers_;
  for (size_t i = 0; i < kMessages; ++i) {
    b.vectors[i] = {b.bytes.get() + i * kBufferSize, kBufferSize};
    msghdr& message = b.headers[i].msg_hdr;
    message = {};
    message.msg_name = &b.addresses[i];
    message.msg_namelen = sizeof b.addresses[i];
    message.msg_iov = &b.vectors[i];
    message.msg_iovlen = 1;
    message.msg_control = &b.controls[i];
    message.msg_controllen = sizeof b.controls[i];
  }
  const int count = recvmmsg(fd_, b.headers.data(), kMessages, MSG_DONTWAIT, nullptr);
  if (count <= 0) return;  // nothing there, or an error that belongs to some earlier datagram
  ++stats_.receive_calls;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    msghdr& message = b.headers[i].msg_hdr;
    if ((message.msg_flags & MSG_TRUNC) != 0) continue;
    const auto from =
        SocketAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&b.addresses[i]));
    if (!from) continue;
    ByteView left(static_cast<const uint8_t*>(b.vectors[i].iov_base), b.headers[i].msg_len);
    stats_.bytes_received += left.size();
    const size_t segment = SegmentOf(message);
    asked_at_ = AskedAt(message);
    while (!left.empty()) {
      const size_t size = segment == 0 ? left.size() : std::min(segment, left.size());
      ++stats_.datagrams_received;
      take(*from, left.first(size));
      left = left.subspan(size);
    }
  }
  asked_at_.reset();
}

int UdpSocket::SendOnce(const SocketAddress& to, ByteView bytes, size_t segment,
                        const std::optional<SocketAddress>& from) {
  sockaddr_storage address{};
  const socklen_t size = ToSockaddr(to, &address);
  iovec vector{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = size;
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  ControlBuffer control{};
  size_t taken = 0;
  if (segment < bytes.size()) {
    taken = PutControl(control, taken, SOL_UDP, UDP_SEGMENT, static_cast<uint16_t>(segment));
  }
  if (from && family_ == AF_INET6) {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, from->ip16().data(), from->ip16().size());
    taken = PutControl(control, taken, IPPROTO_IPV6, IPV6_PKTINFO, info);
  } else if (from && from->is_v4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, from->ip4().data(), from->ip4().size());
    taken = PutControl(control, taken, IPPROTO_IP, IP_PKTINFO, info);
  }
  if (taken > 0) {
    message.msg_control = &control;
    message.msg_controllen = taken;
  }
  ++stats_.send_calls;
  ssize_t sent = 0;
  do {
    sent = sendmsg(fd_, &message, MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return errno;
  stats_.bytes_sent += bytes.size();
  stats_.datagrams_sent += (bytes.size() + segment - 1) / segment;
  return 0;
}

SendOutcome UdpSocket::Send(const SocketAddress& to, ByteView bytes, size_t segment,
                            const std::optional<SocketAddress>& from) {
  BLOBD_CHECK(segment > 0 && segment <= bytes.size() && bytes.size() <= kMaxBatch);
  if (family_ == AF_INET && !to.is_v4()) return SendOutcome::kUnreachable;
  // One datagram at a time where the kernel or the path takes no more, and from another address
  // where this one is not ours any more.
  std::optional<SocketAddress> source = from;
  const auto send = [&](ByteView part, size_t size) {
    int error = SendOnce(to, part, size, source);
    if (source && IsAboutSource(error)) {
      const int without = SendOnce(to, part, size, std::nullopt);
      if (without == 0) source.reset();
      error = without;
    }
    return error;
  };
  int error = 0;
  if (gso_ || segment == bytes.size()) error = send(bytes, segment);
  // A device that cannot checksum says EIO, always; EINVAL is about this path (segments above its
  // MTU) or this address.
  if (segment < bytes.size() && error == EIO) gso_ = false;
  if (segment < bytes.size() && (!gso_ || error == EINVAL)) {
    // What a block in the middle leaves out counts as lost: QUIC sends it again.
    bool any = false;
    for (ByteView left = bytes; !left.empty(); any = true) {
      const ByteView one = left.first(std::min(segment, left.size()));
      error = send(one, one.size());
      if (error != 0) break;
      left = left.subspan(one.size());
    }
    if (any && (error == EAGAIN || error == ENOBUFS)) error = 0;
  }
  switch (error) {
    case 0:
      return SendOutcome::kSent;
    case EAGAIN:
      return SendOutcome::kBlocked;
    case ENOBUFS:
      // The kernel is out of memory while the socket still says writable: waiting for that would
      // spin. It counts as lost.
      return SendOutcome::kSent;
    case EMSGSIZE:
      return SendOutcome::kTooLarge;
    default:
      return SendOutcome::kUnreachable;
  }
}

}  // namespace blobd::quic
