// The status page as it is sent: the files of client/dashboard as one document. Nothing in it is
// loaded from anywhere; its script and style run because they carry the answer's nonce, and no text
// that the page shows can.
//
// Any thread.
#pragma once

#include <string>

#include "base/status.h"

namespace blobd::client {

struct DashboardPage {
  std::string html;
  std::string policy;  // its Content-Security-Policy
};

// With a nonce of its own each time. kUnavailable: the kernel gives no random bytes.
StatusOr<DashboardPage> NewDashboardPage();

}  // namespace blobd::client
