// A small web server for tests, on a thread per connection, that does what a test wants of it and
// counts what clients do. Handlers run on the connections' threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/time.h"

namespace blobd::http {

// The content of every file, whatever its size: little-endian words that depend on their place.
inline uint64_t PatternWord(uint64_t index) { return (index + 1) * 0x9e3779b97f4a7c15u; }
std::string Pattern(uint64_t begin, uint64_t end);

struct TestRequest {
  std::string path;
  std::map<std::string, std::string> headers;  // names in lower case
  size_t connection = 0;                       // in order of their coming, from 0
  // The range that was asked for, clipped to a file of `size` bytes; nullopt: none.
  std::optional<std::pair<uint64_t, uint64_t>> Range(uint64_t size) const;
  std::string Header(const std::string& name) const;
};

class TestServer {
 public:
  class Connection {
   public:
    // False when the client is gone.
    bool Send(std::string_view bytes);
    // Ends it after the handler.
    void Close() { closing_ = true; }
    // With a reset instead of an orderly end.
    void Reset();
    // Until the client closes, or the server goes.
    void WaitForClient();

   private:
    friend class TestServer;
    explicit Connection(int fd) : fd_(fd) {}
    int fd_;
    bool closing_ = false;
  };
  using Handler = std::function<void(const TestRequest&, Connection&)>;

  // `ip` is one of this machine.
  explicit TestServer(Handler handler, const std::string& ip = "127.0.0.1");
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  // "http://127.0.0.1:port" and `path`.
  std::string Url(std::string_view path) const;
  uint16_t port() const { return port_; }

  std::vector<TestRequest> requests() const;
  std::vector<Instant> accepted() const;
  size_t open_connections() const { return open_; }
  size_t most_connections() const { return most_; }

 private:
  void Accept();
  void Serve(int fd, size_t number);

  Handler handler_;
  std::string ip_;
  uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<size_t> open_ = 0;
  std::atomic<size_t> most_ = 0;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::vector<TestRequest> requests_;
  std::vector<Instant> accepted_;
  std::vector<int> fds_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// The head of an answer: "HTTP/1.1 `status`", the lines, and the empty one.
std::string HeadText(std::string_view status, std::initializer_list<std::string> lines);
// What a good server sends for a file of `size` bytes: 206 for a range, else 200.
std::string GoodHead(const TestRequest& request, uint64_t size);
// The same with the body.
void ServeFile(const TestRequest& request, TestServer::Connection& connection, uint64_t size);

}  // namespace blobd::http
