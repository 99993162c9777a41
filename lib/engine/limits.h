// The limits that can be changed while the daemon runs, by name: in the configuration
// (limits.NAME), in the registry (what was set to stay) and in the API.
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "schedule/event.h"

namespace blobd::engine {

struct LiveLimits {
  schedule::Limits schedule;
  uint32_t intents_per_uid = 100'000;  // unfinished ones; administrators have no such limit
  // Bytes per second of all downloads and of all uploads; nullopt: no limit.
  std::optional<uint64_t> download_rate = {};
  std::optional<uint64_t> upload_rate = {};
  // Of a configuration with a schedule, what of it holds now, as it is written there, and until
  // when at most. Empty: nothing of it does.
  std::string download_rule = {};
  std::string upload_rule = {};
  WallTime rules_until = {};
  // Of what the unfinished intents of one uid want; 0: no limit. By the configuration only;
  // administrators have none.
  uint64_t bytes_per_uid = 0;
};

// One of them. Values are numbers; kNone stands for no limit, and only rates can have that.
struct LimitField {
  static constexpr uint64_t kNone = 0;

  std::string_view name;
  uint64_t smallest;
  uint64_t largest;
  bool is_rate;  // in bytes per second
  uint64_t (*of)(const LiveLimits&);
  void (*set)(LiveLimits&, uint64_t);

  // "50", "10 MB/s", "none".
  std::string Text(uint64_t value) const;
};
// All of them, in the order in which people see them.
std::span<const LimitField> LimitFields();
// nullptr: there is no such limit.
const LimitField* FindLimit(std::string_view name);
// Whether it is a limit; kNone is none. kInvalidArgument names the limit and the valid range.
Status CheckLimit(const LimitField& field, uint64_t value);
// Whether the field may have the value, kNone included.
bool IsValid(const LimitField& field, uint64_t value);

// A new value for one of them.
struct LimitChange {
  const LimitField* field = nullptr;
  uint64_t value = 1;
};

struct LimitView {
  std::string_view name;
  uint64_t value = 0;       // in force
  uint64_t configured = 0;  // by the configuration, or by default
  bool is_kept = false;     // set to stay: it goes before the configuration at the next start
  uint64_t kept = 0;        // to which value
  std::string source;       // what made it so, for people
  WallTime until;           // it may be otherwise then, by the schedule; 0: by nothing
};

}  // namespace blobd::engine
