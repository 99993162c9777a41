// Reload: what changes when the configuration is read again while the daemon runs.
//
// Values; any thread.
#pragma once

#include <string>
#include <vector>

#include "daemon/config.h"

namespace blobd::daemon {

struct KeyChange {
  std::string key;
  std::string before;  // as it was written; empty: it was not
  std::string after;
  bool live = false;  // a running daemon takes it; the others need a restart

  // For the log and for people.
  std::string ToString() const;
};

// In the order of the keys.
std::vector<KeyChange> ChangesOf(const Config& running, const Config& read);

// `running` with what a running daemon takes of `read`.
Config WithLiveKeys(Config running, const Config& read);

}  // namespace blobd::daemon
