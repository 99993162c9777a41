// Configuration: what the API asks of the daemon's configuration. The daemon implements it.
//
// Thread: called on the control loop; every `done` comes there, later or at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/task.h"

namespace blobd::rpc {

class Configuration {
 public:
  enum class Origin { kDefault, kFile, kEnvironment, kCommandLine };
  // All values are TOML. What may be a secret is hidden in them already.
  struct Value {
    std::string key;
    std::string value;
    std::string default_value;
    Origin origin = Origin::kDefault;
    std::string place;  // file, variable or option
    uint32_t line = 0;  // in a file
    bool is_live = false;
    std::optional<std::string> after_restart;
    bool is_secret = false;
  };
  struct Listing {
    std::vector<Value> values;  // in order of key
    std::vector<std::string> files;
  };

  enum class Result { kApplied, kNeedsRestart, kRefused };
  struct ReloadedKey {
    std::string key;
    std::string before;  // empty: it was not written
    std::string after;
    Result result = Result::kApplied;
    std::string reason;  // why it is refused
  };
  struct Report {
    std::vector<ReloadedKey> keys;  // in order of key
    std::vector<std::string> files;
    std::vector<std::string> warnings;
  };

  virtual ~Configuration() = default;
  // `prefix`: only a key that is that, or begins with that and a dot; empty: all.
  virtual Listing List(const std::string& prefix, bool changed_only) const = 0;
  // Reads it again. kFailedPrecondition: it cannot be used, and nothing changed; kUnavailable: the
  // daemon stops.
  virtual void Reload(bool dry_run, UniqueFunction<void(StatusOr<Report>)> done) = 0;
};

}  // namespace blobd::rpc
