#include "engine/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error_reason.h"
#include "base/units.h"

namespace blobd::engine {
namespace {

// A chunk group a second. Groups are sent in one piece each, one stream's after the other's, and
// who gets them takes ten seconds without a byte for a stall: so nine streams are served at once.
constexpr uint64_t kSlowest = 16 * kKiB;
constexpr uint64_t kFastest = 1'000'000'000'000;

// A number of schedule::Limits.
template <uint32_t schedule::Limits::*kMember>
constexpr LimitField Scheduled(std::string_view name) {
  return {name,
          1,
          1'000'000,
          false,
          [](const LiveLimits& limits) -> uint64_t { return limits.schedule.*kMember; },
          [](LiveLimits& limits, uint64_t value) {
            limits.schedule.*kMember = static_cast<uint32_t>(value);
          }};
}

template <std::optional<uint64_t> LiveLimits::*kMember>
constexpr LimitField Rate(std::string_view name) {
  return {name,
          kSlowest,
          kFastest,
          true,
          [](const LiveLimits& limits) { return (limits.*kMember).value_or(LimitField::kNone); },
          [](LiveLimits& limits, uint64_t value) {
            limits.*kMember =
                value == LimitField::kNone ? std::nullopt : std::optional<uint64_t>(value);
          }};
}

}  // namespace

std::span<const LimitField> LimitFields() {
  using schedule::Limits;
  static constexpr std::array<LimitField, 8> kFields = {{
      Scheduled<&Limits::requests>("requests"),
      Scheduled<&Limits::requests_per_node>("requests_per_node"),
      Scheduled<&Limits::connections>("connections"),
      Scheduled<&Limits::dials_per_hash>("dials_per_hash"),
      Scheduled<&Limits::connections_per_mirror>("connections_per_mirror"),
      {"intents_per_uid", 1, 100'000'000, false,
       [](const LiveLimits& limits) -> uint64_t { return limits.intents_per_uid; },
       [](LiveLimits& limits, uint64_t value) {
         limits.intents_per_uid = static_cast<uint32_t>(value);
       }},
      Rate<&LiveLimits::download_rate>("download_rate"),
      Rate<&LiveLimits::upload_rate>("upload_rate"),
  }};
  return kFields;
}

const LimitField* FindLimit(std::string_view name) {
  const auto fields = LimitFields();
  const auto it = std::find_if(fields.begin(), fields.end(),
                               [&](const LimitField& field) { return field.name == name; });
  return it == fields.end() ? nullptr : &*it;
}

std::string LimitField::Text(uint64_t value) const {
  if (!is_rate) return std::to_string(value);
  return value == kNone ? "none" : FormatRate(static_cast<double>(value));
}

Status CheckLimit(const LimitField& field, uint64_t value) {
  if (value >= field.smallest && value <= field.largest) return OkStatus();
  if (field.is_rate && value == 0) {
    return FieldError(Reason::kInvalidField, field.name,
                      "a limit of 0 is refused: remove it (off), or pause");
  }
  return FieldError(Reason::kInvalidField, field.name, "{} is not between {} and {}", value,
                    field.smallest, field.largest);
}

bool IsValid(const LimitField& field, uint64_t value) {
  return (field.is_rate && value == LimitField::kNone) || CheckLimit(field, value).ok();
}

}  // namespace blobd::engine
