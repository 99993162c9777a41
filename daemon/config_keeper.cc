#include "daemon/config_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error_reason.h"
#include "daemon/config_view.h"

namespace blobd::daemon {
namespace {

using engine::LogLevel;

rpc::Configuration::Result ToResult(KeyChange::Result result) {
  switch (result) {
    case KeyChange::Result::kApplied:
      return rpc::Configuration::Result::kApplied;
    case KeyChange::Result::kNeedsRestart:
      return rpc::Configuration::Result::kNeedsRestart;
    case KeyChange::Result::kRefused:
      return rpc::Configuration::Result::kRefused;
  }
  return rpc::Configuration::Result::kRefused;
}

Status Stopping() {
  return ErrorFor(Reason::kDraining, "the daemon is stopping: the next start reads it again");
}

}  // namespace

ConfigKeeper::ConfigKeeper(Deps deps, const Config& config)
    : deps_(std::move(deps)), running_(config), read_(config) {}

void ConfigKeeper::Stop() {
  stopped_ = true;
  for (std::vector<Asked>* each : {&asked_, &waiting_}) {
    for (Asked& asked : std::exchange(*each, {}))
      if (asked.done) asked.done(Stopping());
  }
}

ConfigKeeper::Listing ConfigKeeper::List(const std::string& prefix, bool changed_only) const {
  return ViewOf(running_, read_, prefix, changed_only);
}

void ConfigKeeper::Reload(bool dry_run, UniqueFunction<void(StatusOr<Report>)> done) {
  if (stopped_) {
    if (done) done(Stopping());
    return;
  }
  if (!dry_run) deps_.supervision.Reloading();
  waiting_.push_back({dry_run, std::move(done)});
  if (!is_reading_) Read();
}

void ConfigKeeper::Read() {
  is_reading_ = true;
  asked_ = std::exchange(waiting_, {});
  deps_.reader->Post([this] {
    deps_.control.Post([this, read = deps_.read()]() mutable { OnRead(std::move(read)); });
  });
}

void ConfigKeeper::OnRead(StatusOr<Config> read) {
  is_reading_ = false;
  if (stopped_) return;
  std::vector<Asked> asked = std::exchange(asked_, {});
  const bool is_real =
      std::any_of(asked.begin(), asked.end(), [](const Asked& each) { return !each.dry_run; });
  StatusOr<Report> report = Report();
  if (read.ok()) {
    report = ReportOn(*read);
    if (is_real) Take(*read);
  } else {
    report = ErrorFor(Reason::kConfigUnusable, "{}", Message(read.status()));
    if (is_real) {
      deps_.log.Write(LogLevel::kError, "the configuration is not taken, and nothing changes: " +
                                            Message(read.status()));
    }
  }
  for (Asked& each : asked)
    if (each.done) each.done(report);
  const bool more = std::any_of(waiting_.begin(), waiting_.end(),
                                [](const Asked& each) { return !each.dry_run; });
  if (is_real && !more) deps_.supervision.Reloaded();
  if (!waiting_.empty() && !is_reading_ && !stopped_) Read();
}

ConfigKeeper::Report ConfigKeeper::ReportOn(const Config& read) const {
  Report report;
  report.files = read.files;
  report.warnings = read.warnings;
  for (KeyChange& change : ChangesOf(running_, read, deps_.why_refused)) {
    report.keys.push_back({std::move(change.key), std::move(change.before), std::move(change.after),
                           ToResult(change.result), std::move(change.reason)});
  }
  return report;
}

void ConfigKeeper::Take(const Config& read) {
  for (const std::string& warning : read.warnings) deps_.log.Write(LogLevel::kWarning, warning);
  const std::vector<KeyChange> changes = ChangesOf(running_, read, deps_.why_refused);
  running_ = WithLiveKeys(std::move(running_), read, changes);
  read_ = read;
  deps_.put_in_force();
  for (const KeyChange& change : changes) {
    const bool is_taken = change.result == KeyChange::Result::kApplied;
    deps_.log.Write(is_taken ? LogLevel::kNotice : LogLevel::kWarning, change.ToString());
  }
  deps_.log.Write(
      LogLevel::kNotice, engine::LogEvent::kReloaded,
      fmt::format("the configuration was read again; keys that changed: {}", changes.size()));
}

}  // namespace blobd::daemon
