// LogSink: delivers the engine's lines, to the journal with structured fields when systemd listens,
// else to stderr.
//
// Thread: any (the log library locks).
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "engine/event_log.h"

namespace blobd::daemon {

class LogSink final : public engine::EventLog {
 public:
  // `level`: debug, info, notice, warning or error; lines below it are left out.
  explicit LogSink(const std::string& level);
  ~LogSink() override;

  void SetLevel(const std::string& level);
  void Write(engine::LogLevel level, const engine::LogFields& fields,
             std::string_view message) override;
  // A line without fields.
  void Write(engine::LogLevel level, std::string_view message) {
    Write(level, engine::LogFields(), message);
  }
  // One without other fields than what kind of line it is.
  void Write(engine::LogLevel level, engine::LogEvent event, std::string_view message) {
    Write(level, {.event = event}, message);
  }

 private:
  class Output;
  std::atomic<engine::LogLevel> lowest_;
  std::unique_ptr<Output> output_;
};

}  // namespace blobd::daemon
