#include "client/crowded.h"

#include <poll.h>

#include "client/client.h"

namespace blobd::client {
namespace {

constexpr int kTryAgainMs = 50;

}  // namespace

bool IsCrowded(const Status& status) {
  const auto reason = ReasonOf(status);
  return reason && reason->domain == "blobd" && reason->name == "TOO_MANY_CALLS";
}

void WaitForRoom(int interrupt) {
  pollfd event{interrupt, POLLIN, 0};
  (void)poll(&event, 1, kTryAgainMs);
}

}  // namespace blobd::client
