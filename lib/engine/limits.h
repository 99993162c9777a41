// The limits that can be changed while the daemon runs, by name: in the configuration
// (limits.NAME), in the registry (what was set to stay) and in the API.
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "schedule/event.h"

namespace blobd::engine {

struct LiveLimits {
  schedule::Limits schedule;
  uint32_t intents_per_uid = 100'000;  // unfinished ones; administrators have no such limit
};

// One of them.
struct LimitField {
  std::string_view name;
  uint32_t largest;  // the smallest is 1
  uint32_t& (*place)(LiveLimits&);

  uint32_t Of(LiveLimits limits) const { return place(limits); }
};
// All of them, in the order in which people see them.
std::span<const LimitField> LimitFields();
// nullptr: there is no such limit.
const LimitField* FindLimit(std::string_view name);
// kInvalidArgument names the limit and the valid range.
Status CheckLimit(const LimitField& field, int64_t value);

// A new value for one of them.
struct LimitChange {
  const LimitField* field = nullptr;
  uint32_t value = 1;
};

struct LimitView {
  std::string_view name;
  uint32_t value = 0;       // in force
  uint32_t configured = 0;  // by the configuration, or by default
  bool is_kept = false;     // set to stay: it goes before the configuration at the next start
  uint32_t kept = 0;        // to which value
};

}  // namespace blobd::engine
