// Reload: what changes when the configuration is read again while the daemon runs.
//
// Values; any thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/config.h"

namespace blobd::daemon {

struct KeyChange {
  enum class Result { kApplied, kNeedsRestart, kRefused };

  std::string key;
  // As it was written, and is now; empty: it is not. What may be a secret is hidden.
  std::string before;
  std::string after;
  Result result = Result::kApplied;
  std::string reason;  // why it is refused

  // For the log and for people.
  std::string ToString() const;
};

// Why a live key cannot be as `read` says, though it is written so; empty: it can.
using WhyRefused = std::function<std::string(const std::string& key, const Config& read)>;

// What a reload makes of what is written differently, in the order of the keys.
std::vector<KeyChange> ChangesOf(const Config& running, const Config& read,
                                 const WhyRefused& why_refused);

// `running` with what a running daemon takes of `read`; `changes` are those between the two. What
// is refused is said again by the next reload.
Config WithLiveKeys(Config running, const Config& read, const std::vector<KeyChange>& changes);

}  // namespace blobd::daemon
