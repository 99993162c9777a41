// EventLog: where the engine writes what is worth a line. The daemon formats and delivers it
// (journal or stderr).
//
// Thread: the control loop.
#pragma once

#include <optional>
#include <string_view>

#include "base/hash.h"
#include "base/ids.h"
#include "base/provider.h"

namespace blobd::engine {

enum class LogLevel { kDebug, kInfo, kNotice, kWarning, kError };

// What an operator, or a program, filters on: lines of one kind, however they are worded.
enum class LogEvent {
  kReady,
  kStopping,
  kReloaded,
  kIntentDone,
  kIntentEnded,  // without success
  kProviderBanned,
  kBanLifted,
  kLongWait,
  kDiskTrouble,
  kDiskWell,
  kRotten,  // content on the disk does not fit its hash any more
  kRegistryDamaged,
  kRegistryRecovered,
};

// The structured fields of one line; empty ones are left out.
struct LogFields {
  std::optional<Hash> hash = {};
  std::optional<IntentId> intent = {};
  std::optional<TransferId> transfer = {};
  std::optional<ProviderId> provider = {};
  std::optional<LogEvent> event = {};
};

class EventLog {
 public:
  virtual ~EventLog() = default;
  virtual void Write(LogLevel level, const LogFields& fields, std::string_view message) = 0;
};

}  // namespace blobd::engine
