// Who calls.
#pragma once

#include <cstdint>

namespace blobd::engine {

// Uid 0 may do everything.
struct Caller {
  uint32_t uid = 0;
  bool is_admin() const { return uid == 0; }
};

}  // namespace blobd::engine
