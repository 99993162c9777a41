#include "daemon/reload.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "daemon/config_keys.h"

namespace blobd::daemon {
namespace {

constexpr size_t kShownBytes = 200;

std::string ValueIn(const Config& config, const std::string& key) {
  const auto found = config.written.find(key);
  return found == config.written.end() ? std::string() : found->second.value;
}

// A list of ten thousand nodes is no line of a log.
std::string Cut(const std::string& value) {
  if (value.empty()) return "the default";
  if (value.size() <= kShownBytes) return value;
  return fmt::format("{}… ({} bytes)", value.substr(0, kShownBytes), value.size());
}

bool IsLive(const std::string& key) {
  const ConfigKey* known = FindKey(key);
  return known != nullptr && known->is_live;
}

}  // namespace

std::string KeyChange::ToString() const {
  switch (result) {
    case Result::kApplied:
      return fmt::format("{} is {} now, was {}", key, Cut(after), Cut(before));
    case Result::kNeedsRestart:
      return fmt::format("{} is {} in the configuration and needs a restart; until then it is {}",
                         key, Cut(after), Cut(before));
    case Result::kRefused:
      return fmt::format("{} is {} in the configuration and cannot be taken: {}", key, Cut(after),
                         reason);
  }
  return key;
}

std::vector<KeyChange> ChangesOf(const Config& running, const Config& read,
                                 const WhyRefused& why_refused) {
  std::set<std::string> keys;
  for (const auto& [key, value] : running.written) keys.insert(key);
  for (const auto& [key, value] : read.written) keys.insert(key);
  std::vector<KeyChange> changes;
  for (const std::string& key : keys) {
    const std::string before = ValueIn(running, key);
    const std::string after = ValueIn(read, key);
    if (before == after) continue;
    KeyChange change{key, Shown(key, before), Shown(key, after), KeyChange::Result::kApplied, ""};
    if (!IsLive(key)) {
      change.result = KeyChange::Result::kNeedsRestart;
    } else if (change.reason = why_refused(key, read); !change.reason.empty()) {
      change.result = KeyChange::Result::kRefused;
    }
    changes.push_back(std::move(change));
  }
  return changes;
}

Config WithLiveKeys(Config running, const Config& read, const std::vector<KeyChange>& changes) {
  std::set<std::string> refused;
  for (const KeyChange& change : changes)
    if (change.result == KeyChange::Result::kRefused) refused.insert(change.key);
  const auto is_taken = [&](const std::string& key) {
    return IsLive(key) && !refused.contains(key);
  };
  for (const auto& [key, known] : AllKeys()) {
    // Also what is refused: it is in force once what stands before it is taken back.
    if (known.is_live) known.copy(read, &running);
    if (is_taken(key)) running.written.erase(key);
  }
  for (const auto& [key, written] : read.written) {
    // Of the others, where they stand may be another place than before.
    if (is_taken(key) || ValueIn(running, key) == written.value) running.written[key] = written;
  }
  running.files = read.files;
  return running;
}

}  // namespace blobd::daemon
