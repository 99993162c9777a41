// The bandwidth that the configuration allows, which may depend on the time of day:
//
//   [limits]
//   download_rate = "50MB/s"
//   schedule = [{ hours = "mon-fri 08:00-18:00", download_rate = "5MB/s", upload_rate = "off" }]
//
// The first entry of the schedule whose hours it is, and that says something of a direction,
// decides; else the value outside of the schedule. Hours are those of the machine's zone.
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "daemon/config.h"
#include "engine/limits.h"
#include "schedule/rate_plan.h"

namespace blobd::daemon {

// What holds at a moment: both rates, which entry says so, and until when at most.
struct RatesNow {
  std::optional<uint64_t> download;
  std::optional<uint64_t> upload;
  std::string download_rule;  // empty: none
  std::string upload_rule;
  std::optional<Duration> lasts;  // nullopt: for ever
};
RatesNow RatesAt(const RateConfig& config, schedule::WeekTime at);

// The time in the machine's zone, as it is set now.
schedule::WeekTime LocalWeekTime(WallTime now);

}  // namespace blobd::daemon
