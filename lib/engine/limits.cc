#include "engine/limits.h"

#include <algorithm>
#include <array>

namespace blobd::engine {

std::span<const LimitField> LimitFields() {
  constexpr uint32_t kMost = 1'000'000;
  static constexpr std::array<LimitField, 6> kFields = {{
      {"requests", kMost, [](LiveLimits& l) -> uint32_t& { return l.schedule.requests; }},
      {"requests_per_node", kMost,
       [](LiveLimits& l) -> uint32_t& { return l.schedule.requests_per_node; }},
      {"connections", kMost, [](LiveLimits& l) -> uint32_t& { return l.schedule.connections; }},
      {"dials_per_hash", kMost,
       [](LiveLimits& l) -> uint32_t& { return l.schedule.dials_per_hash; }},
      {"connections_per_mirror", kMost,
       [](LiveLimits& l) -> uint32_t& { return l.schedule.connections_per_mirror; }},
      {"intents_per_uid", 100'000'000,
       [](LiveLimits& l) -> uint32_t& { return l.intents_per_uid; }},
  }};
  return kFields;
}

const LimitField* FindLimit(std::string_view name) {
  const auto fields = LimitFields();
  const auto it = std::find_if(fields.begin(), fields.end(),
                               [&](const LimitField& field) { return field.name == name; });
  return it == fields.end() ? nullptr : &*it;
}

Status CheckLimit(const LimitField& field, int64_t value) {
  if (value >= 1 && value <= int64_t{field.largest}) return OkStatus();
  return InvalidArgument("{}: {} is not between 1 and {}", field.name, value, field.largest);
}

}  // namespace blobd::engine
