#include "lookup/lookup_for_test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace blobd::lookup {
namespace {

// A socket on a free port of 127.0.0.1.
int Bound(int type, uint16_t* port) {
  const int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  *port = ntohs(address.sin_port);
  return fd;
}

}  // namespace

Watched::Watched(loop::Loop& loop, int fd, std::function<void()> ready) : loop_(loop), fd_(fd) {
  EXPECT_TRUE(loop.Watch(fd, EPOLLIN, [ready = std::move(ready)](uint32_t) { ready(); }).ok());
}

Watched::~Watched() {
  loop_.Unwatch(fd_);
  close(fd_);
}

TinyDns::TinyDns(loop::Loop& loop) {
  uint16_t port = 0;
  const int fd = Bound(SOCK_DGRAM, &port);
  address_ = fmt::format("127.0.0.1:{}", port);
  socket_ = std::make_unique<Watched>(loop, fd, [this] { Read(); });
}

void TinyDns::Read() {
  uint8_t buffer[1500];
  sockaddr_storage from{};
  socklen_t from_size = sizeof from;
  const ssize_t size = recvfrom(socket_->fd(), buffer, sizeof buffer, 0,
                                reinterpret_cast<sockaddr*>(&from), &from_size);
  if (size < 0) return;
  ++asked;
  if (silent) return;
  const auto query = DnsMessage::Parse({buffer, static_cast<size_t>(size)});
  ASSERT_TRUE(query.ok());
  ASSERT_EQ(query->questions.size(), 1);
  DnsMessage answer;
  answer.id = query->id;
  answer.response = true;
  answer.questions = query->questions;
  const auto known = records_.find(query->questions[0].name);
  if (known == records_.end()) {
    answer.code = 3;
  } else {
    for (const std::string& text : known->second) {
      answer.answers.push_back({known->first, kDnsIn, 30, DnsTxt{{text}}});
    }
  }
  Bytes bytes = answer.Encode();
  // A whole header and question, then nonsense.
  if (garbage) {
    bytes.resize(bytes.size() - 3);
    bytes[7] = 9;
  }
  sendto(socket_->fd(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from),
         from_size);
}

TinyRelay::TinyRelay(loop::Loop& loop) : loop_(loop) {
  uint16_t port = 0;
  const int fd = Bound(SOCK_STREAM, &port);
  EXPECT_EQ(listen(fd, 16), 0);
  base_ = fmt::format("http://127.0.0.1:{}/pkarr", port);
  listener_ = std::make_unique<Watched>(loop, fd, [this] { Accept(); });
}

void TinyRelay::Accept() {
  gone_.clear();
  const int fd = accept4(listener_->fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  peers_[fd].socket = std::make_unique<Watched>(loop_, fd, [this, fd] { Read(fd); });
}

void TinyRelay::Read(int fd) {
  Peer& peer = peers_[fd];
  char buffer[4096];
  const ssize_t size = recv(fd, buffer, sizeof buffer, 0);
  if (size > 0) peer.read.append(buffer, static_cast<size_t>(size));
  const size_t head_end = peer.read.find("\r\n\r\n");
  if (size > 0) {
    if (head_end == std::string::npos || silent) return;
    const std::string head = peer.read.substr(0, head_end);
    const size_t length_at = head.find("Content-Length: ");
    const size_t length =
        length_at == std::string::npos ? 0 : std::stoul(head.substr(length_at + 16));
    if (peer.read.size() < head_end + 4 + length) return;
    const std::string answer = Answer(head, peer.read.substr(head_end + 4, length));
    EXPECT_EQ(send(fd, answer.data(), answer.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(answer.size()));
  }
  gone_.push_back(std::move(peer.socket));
  gone_.clear();
  peers_.erase(fd);
}

std::string TinyRelay::Answer(const std::string& head, const std::string& body) {
  last_head = head;
  const size_t path_at = head.find(' ') + 1;
  const std::string path = head.substr(path_at, head.find(' ', path_at) - path_at);
  const auto reply = [](int code, std::string_view content) {
    return fmt::format("HTTP/1.1 {} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", code,
                       content.size(), content);
  };
  if (refuse_with != 0) return reply(refuse_with, "no");
  if (head.starts_with("PUT ")) {
    ++puts;
    const ByteView bytes = AsBytes(body);
    packets[path] = Bytes(bytes.begin(), bytes.end());
    return reply(204, "");
  }
  const auto packet = packets.find(path);
  return packet == packets.end() ? reply(404, "none") : reply(200, AsText(packet->second));
}

bool LookupTest::RunUntil(const std::function<bool()>& so, Duration limit) {
  bool is_so = false;
  const TimerId end = loop_->AddTimer(SystemClock().Now() + limit, [&] { loop_->Stop(); });
  loop_->SetTurnEnd([&] {
    if (!is_so && so()) {
      is_so = true;
      loop_->Stop();
    }
  });
  loop_->Post([] {});
  loop_->Run();
  loop_->SetTurnEnd(nullptr);
  loop_->CancelTimer(end);
  return is_so;
}

}  // namespace blobd::lookup
