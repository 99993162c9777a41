// BLOBD_CHECK: for what only a bug of our own can break. It stays on in release builds and ends the
// process. What a caller, peer, mirror or disk can cause is a Status, never a check.
#pragma once

namespace blobd {

// Prints the expression and its place to stderr and aborts. A handler set before runs first (the
// engine prints its last events there); it must not return to normal work.
[[noreturn]] void CheckFailed(const char* expression, const char* file, int line);
void SetCheckFailedHandler(void (*handler)());

}  // namespace blobd

#define BLOBD_CHECK(condition) \
  (static_cast<bool>(condition) ? (void)0 : ::blobd::CheckFailed(#condition, __FILE__, __LINE__))
