#include "rpc/datagram.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace blobd::rpc {
namespace {

constexpr size_t kDescriptorsTaken = 2;

// Room for descriptors in a message, aligned as the kernel wants it.
template <size_t count>
union Control {
  cmsghdr align;
  std::array<char, CMSG_SPACE(sizeof(int) * count)> bytes;
};

void TakeDescriptors(msghdr* message, std::vector<store::Descriptor>* descriptors) {
  for (cmsghdr* header = CMSG_FIRSTHDR(message); header != nullptr;
       header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      descriptors->emplace_back(fd);
    }
  }
}

}  // namespace

std::optional<Datagram> ReceiveDatagram(int socket, size_t limit, bool take_descriptors) {
  Datagram datagram;
  datagram.bytes.resize(limit);
  Control<kDescriptorsTaken> control{};
  iovec piece{datagram.bytes.data(), datagram.bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (take_descriptors) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
  }
  ssize_t size = -1;
  do {
    size = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno == EAGAIN) return std::nullopt;
  datagram.bytes.resize(size < 0 ? 0 : static_cast<size_t>(size));
  if (size < 0) {
    datagram.ended = true;
    return datagram;
  }
  TakeDescriptors(&message, &datagram.descriptors);
  datagram.cut = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  // The end cannot be told from an empty datagram, and that means nothing either.
  datagram.ended = size == 0 && datagram.descriptors.empty() && !datagram.cut;
  return datagram;
}

Sent SendDatagram(int socket, std::string_view bytes, int descriptor) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  Control<1> control{};
  if (descriptor >= 0) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }
  ssize_t size = -1;
  do {
    size = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (size < 0 && errno == EINTR);
  if (size >= 0) return Sent::kSent;
  return errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS ? Sent::kNoRoom : Sent::kGone;
}

size_t UnreceivedBytes(int socket) {
  int bytes = 0;
  return ioctl(socket, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<size_t>(bytes) : 0;
}

}  // namespace blobd::rpc
