#include "daemon/rate_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <tuple>
#include <utility>

#include "base/units.h"
#include "daemon/config_values.h"

namespace blobd::daemon {
namespace {

using schedule::RatePlan;
using schedule::RateWindow;
using schedule::WeekTime;

// How rates are written.
std::string ValidRate() {
  const engine::LimitField& field = *engine::FindLimit("download_rate");
  return fmt::format("a rate from {} to {} bytes per second, as in \"10MB/s\", or \"off\"",
                     field.smallest, field.largest);
}

StatusOr<std::optional<uint64_t>> ReadRate(const toml::node& node) {
  const engine::LimitField& field = *engine::FindLimit("download_rate");
  std::optional<uint64_t> rate;
  if (const auto number = node.value_exact<int64_t>()) {
    rate = static_cast<uint64_t>(*number);
  } else if (const auto text = node.value_exact<std::string>()) {
    if (*text == "off") return std::optional<uint64_t>();
    rate = ParseRate(*text);
  }
  if (!rate || !engine::CheckLimit(field, *rate).ok()) return Expected(ValidRate());
  return rate;
}

template <typename Place>
ConfigKey Rate(Place place) {
  ConfigKey key =
      Key(ValidRate(), "\"off\"", place, [place](const toml::node& node, Config* config) {
        BLOBD_ASSIGN_OR_RETURN(place(*config), ReadRate(node));
        return OkStatus();
      });
  key.is_text = true;
  return Live(key);
}

std::string ValidSchedule() {
  return fmt::format(
      "a list of at most {} entries, as in [{{ hours = \"mon-fri 08:00-18:00\", download_rate = "
      "\"5MB/s\" }}]",
      RatePlan::kMaxWindows);
}

StatusOr<RateEntry> ReadEntry(const toml::table& table) {
  RateEntry entry;
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (name == "hours") {
      const auto text = node.value_exact<std::string>();
      if (!text) return InvalidArgument("hours: expected a text in quotes");
      const auto window = RateWindow::Parse(*text);
      if (!window.ok()) return Annotate(window.status(), "hours");
      entry.window = *window;
      entry.hours = *text;
    } else if (name == "download_rate" || name == "upload_rate") {
      const auto rate = ReadRate(node);
      if (!rate.ok()) return Annotate(rate.status(), name);
      (name == "download_rate" ? entry.download : entry.upload) = *rate;
    } else {
      return InvalidArgument("unknown key {}; there are hours, download_rate and upload_rate",
                             name);
    }
  }
  if (entry.hours.empty()) return InvalidArgument("hours are missing, as in \"08:00-18:00\"");
  if (!entry.download && !entry.upload)
    return InvalidArgument("neither download_rate nor upload_rate is given");
  return entry;
}

Status ApplySchedule(const toml::node& node, Config* config) {
  const toml::array* list = node.as_array();
  if (list == nullptr || list->size() > RatePlan::kMaxWindows) return Expected(ValidSchedule());
  std::vector<RateEntry> entries;
  for (const toml::node& each : *list) {
    const toml::table* table = each.as_table();
    if (table == nullptr) return InvalidArgument("entry {}: expected a table", entries.size() + 1);
    auto entry = ReadEntry(*table);
    if (!entry.ok()) return Annotate(entry.status(), fmt::format("entry {}", entries.size() + 1));
    entries.push_back(*std::move(entry));
  }
  config->rates.schedule = std::move(entries);
  return OkStatus();
}

// The rate of one direction, and the entry that rules.
std::pair<std::optional<uint64_t>, std::string> Ruling(
    const RateConfig& config, WeekTime at, std::optional<uint64_t> otherwise,
    std::optional<std::optional<uint64_t>> RateEntry::*member) {
  for (const RateEntry& entry : config.schedule) {
    const auto& rate = entry.*member;
    if (rate && entry.window.Contains(at)) return {*rate, entry.hours};
  }
  return {otherwise, ""};
}

}  // namespace

ConfigKeys RateKeys() {
  return {
      {"limits.download_rate", Rate([](auto& c) -> auto& { return c.rates.download; })},
      {"limits.upload_rate", Rate([](auto& c) -> auto& { return c.rates.upload; })},
      {"limits.schedule", Live(Key(
                              ValidSchedule(), "[]",
                              [](auto& c) -> auto& { return c.rates.schedule; }, ApplySchedule))},
  };
}

RatesNow RatesAt(const RateConfig& config, WeekTime at) {
  RatesNow now;
  std::tie(now.download, now.download_rule) =
      Ruling(config, at, config.download, &RateEntry::download);
  std::tie(now.upload, now.upload_rule) = Ruling(config, at, config.upload, &RateEntry::upload);
  std::vector<RateWindow> windows;
  for (const RateEntry& entry : config.schedule) windows.push_back(entry.window);
  const auto plan = RatePlan::Make(std::move(windows), std::nullopt);
  if (plan.ok()) now.lasts = plan->NextChange(at);
  return now;
}

WeekTime LocalWeekTime(WallTime now) {
  const std::time_t time = now.unix_ms / 1000;
  std::tm local{};
  tzset();  // the zone may have been changed
  localtime_r(&time, &local);
  const int seconds = (local.tm_hour * 60 + local.tm_min) * 60 + std::min(local.tm_sec, 59);
  return {(local.tm_wday + 6) % 7, seconds};
}

}  // namespace blobd::daemon
