// DashboardGate: which requests the status page's server answers. Whoever can connect to the
// loopback interface may ask: other users of this machine, and any page in a browser here, even one
// of a foreign name that was made to point at 127.0.0.1. So a request has to know the token, and
// has to name this server as its host.
//
// Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace blobd::client {

// What of a request counts.
struct DashboardRequest {
  std::string_view method;
  std::string_view path;                // without what follows a question mark
  std::vector<std::string_view> hosts;  // each Host header there is
  bool has_body = false;
};

struct DashboardVerdict {
  enum class Answer { kPage, kData, kRefusal };
  Answer answer = Answer::kRefusal;
  unsigned code = 0;    // of HTTP
  std::string refusal;  // plain text that says what to do; empty: it is none
};

// 128 random bits as 32 hex digits. kUnavailable: the kernel gives none.
StatusOr<std::string> NewDashboardToken();

class DashboardGate {
 public:
  DashboardGate(std::string token, uint16_t port);

  DashboardVerdict Judge(const DashboardRequest& request) const;
  // Where the page is.
  std::string Url() const;

 private:
  bool IsOurs(std::string_view host) const;

  std::string token_;
  uint16_t port_;
};

}  // namespace blobd::client
