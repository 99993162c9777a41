#include "daemon/log_sink.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/syslog.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "base/utf8.h"
#include "daemon/log_events.h"

namespace blobd::daemon {
namespace {

using engine::LogFields;
using engine::LogLevel;

LogLevel LevelOf(const std::string& name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "notice") return LogLevel::kNotice;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

int SyslogPriority(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return LOG_DEBUG;
    case LogLevel::kInfo:
      return LOG_INFO;
    case LogLevel::kNotice:
      return LOG_NOTICE;
    case LogLevel::kWarning:
      return LOG_WARNING;
    case LogLevel::kError:
      return LOG_ERR;
  }
  return LOG_INFO;
}

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
    case LogLevel::kNotice:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// systemd names the device and inode of the journal's stream; stderr may have been redirected
// since.
bool StderrIsTheJournal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  if (stream == nullptr || fstat(STDERR_FILENO, &info) != 0) return false;
  return fmt::format("{}:{}", info.st_dev, info.st_ino) == stream;
}

// A URL without its query, which may hold a signature.
std::string Shown(const ProviderId& provider) {
  const std::string text = ToString(provider);
  return text.substr(0, text.find('?'));
}

}  // namespace

class LogSink::Output {
 public:
  Output()
      : journal_(StderrIsTheJournal()),
        logger_("blobd", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %-7l %v");
    logger_.set_level(spdlog::level::debug);
    logger_.flush_on(spdlog::level::debug);
  }

  void Write(LogLevel level, const LogFields& fields, const std::string& message) {
    if (journal_) return ToJournal(level, fields, message);
    std::string line = message;
    if (fields.hash) line += " hash=" + fields.hash->ToHex();
    if (fields.intent) line += fmt::format(" intent={}", fields.intent->value);
    if (fields.transfer) line += fmt::format(" transfer={}", fields.transfer->value);
    if (fields.provider) line += " provider=" + Shown(*fields.provider);
    logger_.log(SpdlogLevel(level), line);
  }

 private:
  static void ToJournal(LogLevel level, const LogFields& fields, const std::string& message) {
    std::vector<std::string> entries = {"MESSAGE=" + message,
                                        fmt::format("PRIORITY={}", SyslogPriority(level)),
                                        "SYSLOG_IDENTIFIER=blobd"};
    if (fields.hash) entries.push_back("BLOBD_HASH=" + fields.hash->ToHex());
    if (fields.intent) entries.push_back(fmt::format("BLOBD_INTENT={}", fields.intent->value));
    if (fields.transfer)
      entries.push_back(fmt::format("BLOBD_TRANSFER={}", fields.transfer->value));
    if (fields.provider) {
      const bool node = std::holds_alternative<NodeId>(*fields.provider);
      entries.push_back((node ? "BLOBD_NODE=" : "BLOBD_MIRROR=") + Shown(*fields.provider));
    }
    if (fields.event) entries.push_back("MESSAGE_ID=" + std::string(MessageIdOf(*fields.event)));
    std::vector<iovec> vectors;
    for (std::string& entry : entries) vectors.push_back({entry.data(), entry.size()});
    sd_journal_sendv(vectors.data(), static_cast<int>(vectors.size()));
  }

  const bool journal_;
  spdlog::logger logger_;
};

LogSink::LogSink(const std::string& level)
    : lowest_(LevelOf(level)), output_(std::make_unique<Output>()) {}
LogSink::~LogSink() = default;

void LogSink::SetLevel(const std::string& level) { lowest_ = LevelOf(level); }

void LogSink::Write(LogLevel level, const LogFields& fields, std::string_view message) {
  // What a peer said may be in the message: it must not drive a terminal or forge a line.
  if (level >= lowest_) output_->Write(level, fields, EscapeForTerminal(message));
}

}  // namespace blobd::daemon
