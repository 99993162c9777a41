// ConfigKeeper: has the configuration that is in force, reads it again when SIGHUP or a caller asks
// for that, and says what became of each key: to the caller and in the log.
//
// What is read began after it was asked for. So who asks while it is being read waits, and then it
// is read once more for all who wait. A drain makes no difference: what can change, does. Once the
// daemon is stopping nothing is read any more.
//
// Thread:    the control loop; files are read on `reader`.
// Ownership: what Deps names outlives it. Destroyed when `reader` runs nothing more.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "daemon/config.h"
#include "daemon/log_sink.h"
#include "daemon/reload.h"
#include "daemon/supervision.h"
#include "rpc/configuration.h"

namespace blobd::daemon {

class ConfigKeeper final : public rpc::Configuration {
 public:
  struct Deps {
    Executor& control;
    std::shared_ptr<Executor> reader;
    // Reads the configuration, on `reader`.
    std::function<StatusOr<Config>()> read;
    LogSink& log;
    Supervision& supervision;
    // What is in force has changed: the parts of the daemon are to have it.
    std::function<void()> put_in_force;
    WhyRefused why_refused;
  };

  // `config`: as it was read at the start.
  ConfigKeeper(Deps deps, const Config& config);

  const Config& running() const { return running_; }
  // Nothing is read any more, and whoever waits is told so.
  void Stop();

  // rpc::Configuration; an empty `done` is SIGHUP's.
  Listing List(const std::string& prefix, bool changed_only) const override;
  void Reload(bool dry_run, UniqueFunction<void(StatusOr<Report>)> done) override;

 private:
  struct Asked {
    bool dry_run = false;
    UniqueFunction<void(StatusOr<Report>)> done;
  };

  void Read();
  void OnRead(StatusOr<Config> read);
  Report ReportOn(const Config& read) const;
  void Take(const Config& read);

  const Deps deps_;
  Config running_;  // in force
  Config read_;     // as it was read last
  bool stopped_ = false;
  bool is_reading_ = false;
  std::vector<Asked> asked_;    // what is being read is for these
  std::vector<Asked> waiting_;  // they came meanwhile
};

}  // namespace blobd::daemon
