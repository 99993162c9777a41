// What one uid may have under way at the daemon is bounded (TOO_MANY_CALLS), and what others of it
// have there ends some time: so it is asked again, for half a minute.
//
// Thread: any; blocks.
#pragma once

#include "base/status.h"

namespace blobd::client {

inline constexpr int kMostTries = 600;

bool IsCrowded(const Status& status);
// Waits until it may be tried again, or `interrupt` is readable.
void WaitForRoom(int interrupt);

// The answer of `ask`, a StatusOr, which is called again while it is that there is no room. After
// an interrupt, which ends every call, it is that.
template <typename Ask>
auto AskUntilThereIsRoom(int interrupt, Ask ask) {
  auto answer = ask();
  for (int tries = 1; tries < kMostTries && IsCrowded(answer.status()); ++tries) {
    WaitForRoom(interrupt);
    answer = ask();
  }
  return answer;
}

}  // namespace blobd::client
