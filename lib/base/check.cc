#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace blobd {
namespace {
void (*check_failed_handler)() = nullptr;
}

void SetCheckFailedHandler(void (*handler)()) { check_failed_handler = handler; }

void CheckFailed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "blobd: broken invariant: %s (%s:%d)\n", expression, file, line);
  if (auto* handler = check_failed_handler) {
    check_failed_handler = nullptr;
    handler();
  }
  std::abort();
}

}  // namespace blobd
