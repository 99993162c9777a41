// MetricsServer: answers GET /metrics on a Unix socket, for monitoring. One request per connection.
//
// Thread:    made, used and destroyed on the thread of `loop`, or while that does not turn.
// Ownership: owns the listening descriptor. The loop outlives it.
// Bounded:   16 connections at once, each for ten seconds, with requests of at most 8 KiB; what
//            comes beyond is closed. However many ask, what is told is collected once at a time.
//            While the machine has no descriptors left, they wait in the backlog.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "loop/loop.h"

namespace blobd::daemon {

class MetricsServer {
 public:
  static constexpr size_t kMaxConnections = 16;
  static constexpr size_t kMaxRequest = 8192;
  static constexpr Duration kMostTime = seconds(10);
  // Before accepting is tried again when there was no room for a connection.
  static constexpr Duration kAcceptPause = milliseconds(100);

  // Answers once, later, on any thread.
  using Collect = std::function<void(UniqueFunction<void(std::string)> done)>;

  // `listening`: a stream socket that listens.
  static StatusOr<std::unique_ptr<MetricsServer>> Create(loop::Loop& loop, int listening,
                                                         Collect collect);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

 private:
  struct Connection {
    int fd = -1;
    TimerId timer = 0;
    std::string request;
    bool waits = false;  // for what is collected
    std::string answer;  // what is left of it
  };

  MetricsServer(loop::Loop& loop, int listening, Collect collect);
  Status Listen();
  void Accept();
  void Pause();
  void OnReady(uint64_t id, uint32_t events);
  void Read(uint64_t id, Connection& connection);
  void Handle(uint64_t id, Connection& connection);
  void Collected(const std::string& text);
  void Answer(uint64_t id, Connection& connection, std::string answer);
  void Write(uint64_t id, Connection& connection);
  void Close(uint64_t id);

  loop::Loop& loop_;
  const int listening_;
  const Collect collect_;
  std::map<uint64_t, Connection> connections_;
  uint64_t next_ = 1;
  TimerId pause_ = 0;  // 0: the socket is watched
  bool collecting_ = false;
  // Gone when this is: what is collected later finds nobody.
  const std::shared_ptr<MetricsServer*> self_;
};

}  // namespace blobd::daemon
