// DashboardServer: the status page over HTTP, on the loopback interface only, for those whom
// DashboardGate lets in.
//
// Thread:    one of its own answers everybody; `data` is called on it and must not wait.
// Limits:    64 connections, each closed after 30 s of silence: who comes beyond waits until one of
//            them is. 32 KiB for what a request says; a longer one is refused.
// Errors:    kUnavailable: the port is taken, or there are no more descriptors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"

namespace blobd::client {

class DashboardServer {
 public:
  // `port` 0: any that is free. `data` gives the newest document of JSON.
  static StatusOr<std::unique_ptr<DashboardServer>> Start(uint16_t port,
                                                          std::function<std::string()> data);
  // Closes every connection.
  ~DashboardServer();
  DashboardServer(const DashboardServer&) = delete;
  DashboardServer& operator=(const DashboardServer&) = delete;

  // The address of the page, with the token.
  std::string Url() const;

 private:
  class Impl;
  explicit DashboardServer(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace blobd::client
