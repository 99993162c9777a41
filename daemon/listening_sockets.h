// ListeningSockets: what the daemon serves on: the sockets that a service manager passed in, else
// its own, at the places that the configuration names.
//
// Ownership: closes what was not taken, and removes what it made from the file system.
// Errors: kInvalidArgument: what was passed in cannot be used. Those of rpc::Listener::Bind.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "daemon/config.h"
#include "daemon/log_sink.h"
#include "rpc/server.h"

namespace blobd::daemon {

class ListeningSockets {
 public:
  static StatusOr<std::unique_ptr<ListeningSockets>> Open(const Config& config, LogSink& log);
  ~ListeningSockets();
  ListeningSockets(const ListeningSockets&) = delete;
  ListeningSockets& operator=(const ListeningSockets&) = delete;

  // Where callers find the daemon, for people.
  const std::string& path() const { return path_; }
  // The caller's from then on.
  rpc::Server::Sockets TakeForCalls() { return std::exchange(calls_, {}); }
  // -1: there is none.
  int TakeForMetrics() { return std::exchange(metrics_, -1); }

 private:
  ListeningSockets() = default;
  Status Make(const Config& config);
  Status TakeInherited(const std::vector<std::string>& names);
  void WarnOfUnused(const Config& config, LogSink& log) const;

  rpc::Server::Sockets calls_;
  int metrics_ = -1;
  std::string path_;
  std::vector<std::string> made_;  // paths to be removed at the end
};

}  // namespace blobd::daemon
