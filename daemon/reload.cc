#include "daemon/reload.h"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>
#include <utility>

namespace blobd::daemon {
namespace {

constexpr size_t kShownBytes = 200;

using Take = std::function<void(const Config& read, Config& running)>;

template <typename Place>
Take Copy(Place place) {
  return [place](const Config& read, Config& running) { place(running) = place(read); };
}

// The keys that a running daemon takes, and what they are in the configuration.
const std::map<std::string, Take>& LiveKeys() {
  static const std::map<std::string, Take> keys = {
      {"log_level", Copy([](auto& c) -> auto& { return c.log_level; })},
      {"advertise", Copy([](auto& c) -> auto& { return c.advertise; })},
      {"drain_grace_ms", Copy([](auto& c) -> auto& { return c.engine.drain_grace; })},
      {"intents_per_uid", Copy([](auto& c) -> auto& { return c.engine.intents_per_uid; })},
      {"limits.requests", Copy([](auto& c) -> auto& { return c.engine.schedule.limits.requests; })},
      {"limits.requests_per_node",
       Copy([](auto& c) -> auto& { return c.engine.schedule.limits.requests_per_node; })},
      {"limits.connections",
       Copy([](auto& c) -> auto& { return c.engine.schedule.limits.connections; })},
      {"limits.dials_per_hash",
       Copy([](auto& c) -> auto& { return c.engine.schedule.limits.dials_per_hash; })},
      {"limits.connections_per_mirror",
       Copy([](auto& c) -> auto& { return c.engine.schedule.limits.connections_per_mirror; })},
      {"limits.download_rate", Copy([](auto& c) -> auto& { return c.rates.download; })},
      {"limits.upload_rate", Copy([](auto& c) -> auto& { return c.rates.upload; })},
      {"limits.schedule", Copy([](auto& c) -> auto& { return c.rates.schedule; })},
      {"serve.mode", Copy([](auto& c) -> auto& { return c.serve.mode; })},
      {"serve.nodes", Copy([](auto& c) -> auto& { return c.serve.listed; })},
      {"store.max_bytes", Copy([](auto& c) -> auto& { return c.keeper.max_bytes; })},
      {"store.lease_seconds", Copy([](auto& c) -> auto& { return c.keeper.lease; })},
      {"store.check_seconds", Copy([](auto& c) -> auto& { return c.keeper.check_interval; })},
  };
  return keys;
}

std::string ValueIn(const std::map<std::string, std::string>& written, const std::string& key) {
  const auto found = written.find(key);
  return found == written.end() ? std::string() : found->second;
}

// A list of ten thousand nodes is no line of a log.
std::string Shown(const std::string& value) {
  if (value.empty()) return "the default";
  if (value.size() <= kShownBytes) return value;
  return fmt::format("{}… ({} bytes)", value.substr(0, kShownBytes), value.size());
}

}  // namespace

std::string KeyChange::ToString() const {
  if (live) return fmt::format("{} is {} now, was {}", key, Shown(after), Shown(before));
  return fmt::format("{} is {} in the configuration and needs a restart; until then it is {}", key,
                     Shown(after), Shown(before));
}

std::vector<KeyChange> ChangesOf(const Config& running, const Config& read) {
  std::set<std::string> keys;
  for (const auto& [key, value] : running.written) keys.insert(key);
  for (const auto& [key, value] : read.written) keys.insert(key);
  std::vector<KeyChange> changes;
  for (const std::string& key : keys) {
    KeyChange change{key, ValueIn(running.written, key), ValueIn(read.written, key),
                     LiveKeys().count(key) != 0};
    if (change.before != change.after) changes.push_back(std::move(change));
  }
  return changes;
}

Config WithLiveKeys(Config running, const Config& read) {
  for (const auto& [key, take] : LiveKeys()) {
    take(read, running);
    const auto written = read.written.find(key);
    if (written == read.written.end()) {
      running.written.erase(key);
    } else {
      running.written[key] = written->second;
    }
  }
  return running;
}

}  // namespace blobd::daemon
