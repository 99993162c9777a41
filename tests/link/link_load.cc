// blobd_link_load: puts load on a link and measures what arrives. tests/link/measure runs it in the
// namespaces at both ends.
//
//   blobd_link_load receive udp|udp-gro|tcp ADDRESS:PORT   counts until 1 s nothing came, then
//   prints blobd_link_load send udp|udp-gso|tcp ADDRESS:PORT SECONDS [MB/s]
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/socket_address.h"
#include "base/time.h"
#include "descriptor.h"

namespace blobd::link {
namespace {

constexpr size_t kDatagramBytes = 1472;  // 1500 with IPv4 and UDP headers
constexpr size_t kDatagramsPerSend = 32;
constexpr Duration kQuietAtEnd = seconds(1);

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

double CpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds_of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

// Measuring makes no sense after a failed system call.
int Must(ssize_t result, const char* what) {
  if (result < 0) {
    std::fprintf(stderr, "blobd_link_load: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
  }
  return static_cast<int>(result);
}

Descriptor Socket(bool is_tcp) {
  Descriptor fd(
      Must(socket(AF_INET6, (is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0), "socket"));
  const int size = 32 << 20;
  Must(setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size), "SO_RCVBUFFORCE");
  Must(setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size), "SO_SNDBUFFORCE");
  return fd;
}

// Reads until nothing came for a while; prints how much in which time.
void Receive(std::string_view how, const SocketAddress& address) {
  const bool is_tcp = how == "tcp";
  Descriptor fd = Socket(is_tcp);
  sockaddr_storage local = {};
  const socklen_t length = address.ToSockaddr6(&local);
  const int on = 1;
  Must(setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
  Must(bind(fd.get(), reinterpret_cast<sockaddr*>(&local), length), "bind");
  if (how == "udp-gro") Must(setsockopt(fd.get(), IPPROTO_UDP, UDP_GRO, &on, sizeof on), "UDP_GRO");
  if (is_tcp) Must(listen(fd.get(), 1), "listen");
  std::puts("ready");
  std::fflush(stdout);
  if (is_tcp) fd = Descriptor(Must(accept(fd.get(), nullptr, nullptr), "accept"));

  std::vector<uint8_t> buffer(kDatagramsPerSend * 65536);
  std::array<iovec, kDatagramsPerSend> parts = {};
  std::array<mmsghdr, kDatagramsPerSend> messages = {};
  for (size_t i = 0; i < messages.size(); ++i) {
    parts[i] = {&buffer[i * 65536], 65536};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  uint64_t bytes = 0;
  Instant first;
  Instant last;
  for (;;) {
    pollfd polled = {fd.get(), POLLIN, 0};
    if (Must(poll(&polled, 1, bytes == 0 ? -1 : static_cast<int>(kQuietAtEnd / milliseconds(1))),
             "poll") == 0)
      break;
    uint64_t more = 0;
    if (is_tcp) {
      more = static_cast<uint64_t>(Must(read(fd.get(), buffer.data(), buffer.size()), "read"));
      if (more == 0) break;
    } else {
      const int got = Must(
          recvmmsg(fd.get(), messages.data(), messages.size(), MSG_DONTWAIT, nullptr), "recvmmsg");
      for (int i = 0; i < got; ++i) more += messages[static_cast<size_t>(i)].msg_len;
    }
    last = SystemClock().Now();
    if (bytes == 0) first = last;
    bytes += more;
  }
  const double took = Seconds(last - first);
  std::printf("{\"bytes\":%llu,\"seconds\":%.3f,\"mb_per_second\":%.1f,\"cpu_seconds\":%.2f}\n",
              static_cast<unsigned long long>(bytes), took,
              took > 0 ? static_cast<double>(bytes) / took / 1e6 : 0.0, CpuSeconds());
}

void Send(std::string_view how, const SocketAddress& address, double send_seconds, double rate) {
  const bool is_tcp = how == "tcp";
  const Descriptor fd = Socket(is_tcp);
  sockaddr_storage remote = {};
  const socklen_t length = address.ToSockaddr6(&remote);
  Must(connect(fd.get(), reinterpret_cast<sockaddr*>(&remote), length), "connect");
  if (how == "udp-gso") {
    const int size = kDatagramBytes;
    Must(setsockopt(fd.get(), IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size), "UDP_SEGMENT");
  }
  std::vector<uint8_t> buffer(kDatagramsPerSend * kDatagramBytes, 'x');
  std::array<iovec, kDatagramsPerSend> parts = {};
  std::array<mmsghdr, kDatagramsPerSend> messages = {};
  for (size_t i = 0; i < messages.size(); ++i) {
    parts[i] = {&buffer[i * kDatagramBytes], kDatagramBytes};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const Instant begun = SystemClock().Now();
  uint64_t bytes = 0;
  for (Instant now = begun; Seconds(now - begun) < send_seconds; now = SystemClock().Now()) {
    if (rate > 0 && static_cast<double>(bytes) > rate * Seconds(now - begun)) {
      const timespec pause = {.tv_sec = 0, .tv_nsec = 50'000};
      nanosleep(&pause, nullptr);
      continue;
    }
    if (how == "udp") {
      const int sent = Must(sendmmsg(fd.get(), messages.data(), messages.size(), 0), "sendmmsg");
      bytes += static_cast<uint64_t>(sent) * kDatagramBytes;
    } else {
      bytes += static_cast<uint64_t>(Must(send(fd.get(), buffer.data(), buffer.size(), 0), "send"));
    }
  }
  std::printf("{\"bytes\":%llu,\"seconds\":%.3f,\"cpu_seconds\":%.2f}\n",
              static_cast<unsigned long long>(bytes), Seconds(SystemClock().Now() - begun),
              CpuSeconds());
}

}  // namespace
}  // namespace blobd::link

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  const auto address =
      arguments.size() > 2 ? blobd::SocketAddress::Parse(arguments[2]) : std::nullopt;
  if (address && arguments[0] == "receive") {
    blobd::link::Receive(arguments[1], *address);
    return 0;
  }
  if (address && arguments[0] == "send" && arguments.size() > 3) {
    blobd::link::Send(arguments[1], *address, std::strtod(argv[4], nullptr),
                      arguments.size() > 4 ? std::strtod(argv[5], nullptr) * 1e6 : 0);
    return 0;
  }
  std::fprintf(stderr,
               "usage: blobd_link_load receive udp|udp-gro|tcp ADDRESS:PORT\n"
               "       blobd_link_load send udp|udp-gso|tcp ADDRESS:PORT SECONDS [MB/s]\n");
  return 2;
}
