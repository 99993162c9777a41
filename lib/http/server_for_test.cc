#include "http/server_for_test.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/check.h"

namespace blobd::http {

std::string Pattern(uint64_t begin, uint64_t end) {
  // Whole words, then cut: tests send and compare a lot of it.
  const uint64_t first = begin / 8;
  std::vector<uint64_t> words(static_cast<size_t>((end + 7) / 8 - first));
  for (size_t i = 0; i < words.size(); ++i) words[i] = PatternWord(first + i);
  return {reinterpret_cast<const char*>(words.data()) + begin % 8,
          static_cast<size_t>(end - begin)};
}

std::optional<std::pair<uint64_t, uint64_t>> TestRequest::Range(uint64_t size) const {
  const std::string text = Header("range");
  if (text.rfind("bytes=", 0) != 0) return std::nullopt;
  char* end = nullptr;
  const uint64_t first = std::strtoull(text.c_str() + 6, &end, 10);
  uint64_t last = size - 1;
  if (*end == '-' && end[1] != '\0')
    last = std::min<uint64_t>(last, std::strtoull(end + 1, nullptr, 10));
  return std::pair(first, last + 1);
}

std::string TestRequest::Header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

bool TestServer::Connection::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      closing_ = true;
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void TestServer::Connection::Reset() {
  const linger at_once{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  closing_ = true;
}

void TestServer::Connection::WaitForClient() {
  char byte = 0;
  while (recv(fd_, &byte, 1, 0) > 0) {
  }
  closing_ = true;
}

TestServer::TestServer(Handler handler, const std::string& ip)
    : handler_(std::move(handler)), ip_(ip) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  BLOBD_CHECK(listener_ >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  BLOBD_CHECK(inet_pton(AF_INET, ip.c_str(), &address.sin_addr) == 1);
  BLOBD_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  BLOBD_CHECK(listen(listener_, 64) == 0);
  socklen_t size = sizeof address;
  BLOBD_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

TestServer::~TestServer() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : fds_) shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  for (const int fd : fds_) close(fd);
  close(listener_);
}

std::string TestServer::Url(std::string_view path) const {
  return fmt::format("http://{}:{}{}", ip_, port_, path);
}

std::vector<TestRequest> TestServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::vector<Instant> TestServer::accepted() const {
  const std::lock_guard lock(mutex_);
  return accepted_;
}

void TestServer::Accept() {
  while (!stopping_) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const std::lock_guard lock(mutex_);
    const size_t number = accepted_.size();
    accepted_.push_back(SystemClock().Now());
    // Descriptors stay open until the end: a number that is used twice would be shut down twice.
    fds_.push_back(fd);
    most_ = std::max<size_t>(most_, ++open_);
    threads_.emplace_back([this, fd, number] { Serve(fd, number); });
  }
}

void TestServer::Serve(int fd, size_t number) {
  Connection connection(fd);
  std::string input;
  while (!connection.closing_ && !stopping_) {
    size_t end = 0;
    while ((end = input.find("\r\n\r\n")) == std::string::npos) {
      char buffer[4096];
      const ssize_t count = recv(fd, buffer, sizeof buffer, 0);
      if (count <= 0) break;
      input.append(buffer, static_cast<size_t>(count));
    }
    if (end == std::string::npos) break;
    TestRequest request;
    request.connection = number;
    const size_t path = input.find(' ') + 1;
    request.path = input.substr(path, input.find(' ', path) - path);
    for (size_t at = input.find("\r\n") + 2; at < end;) {
      const size_t line_end = input.find("\r\n", at);
      const size_t colon = input.find(": ", at);
      std::string name = input.substr(at, colon - at);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      request.headers[name] = input.substr(colon + 2, line_end - colon - 2);
      at = line_end + 2;
    }
    input.erase(0, end + 4);
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    handler_(request, connection);
  }
  --open_;
  int unread = 0;
  linger reset{};
  socklen_t size = sizeof reset;
  getsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, &size);
  if (reset.l_onoff != 0) {
    // Connecting a socket to nowhere ends its connection with a reset, and keeps the number.
    sockaddr nowhere{};
    nowhere.sa_family = AF_UNSPEC;
    unread = connect(fd, &nowhere, sizeof nowhere);
  }
  if (unread == 0) shutdown(fd, SHUT_RDWR);
}

std::string HeadText(std::string_view status, std::initializer_list<std::string> lines) {
  std::string text = fmt::format("HTTP/1.1 {}\r\n", status);
  for (const std::string& line : lines) text += line + "\r\n";
  return text + "\r\n";
}

std::string GoodHead(const TestRequest& request, uint64_t size) {
  if (const auto range = request.Range(size)) {
    return HeadText(
        "206 Partial Content",
        {fmt::format("Content-Length: {}", range->second - range->first),
         fmt::format("Content-Range: bytes {}-{}/{}", range->first, range->second - 1, size),
         "ETag: \"one\""});
  }
  return HeadText("200 OK", {fmt::format("Content-Length: {}", size), "ETag: \"one\""});
}

void ServeFile(const TestRequest& request, TestServer::Connection& connection, uint64_t size) {
  const auto [begin, end] = request.Range(size).value_or(std::pair<uint64_t, uint64_t>(0, size));
  constexpr uint64_t kPiece = 1 << 20;
  if (!connection.Send(GoodHead(request, size))) return;
  for (uint64_t at = begin; at < end; at += kPiece) {
    if (!connection.Send(Pattern(at, std::min(at + kPiece, end)))) return;
  }
}

}  // namespace blobd::http
