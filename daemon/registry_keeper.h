// RegistryKeeper: opens registry.db, makes copies of it while everything goes on, and has it
// recovered when it is damaged. While it is, the daemon serves what it holds and takes no intents.
//
// Thread:    the control loop. Open blocks on the disk; a recovery, and opening what it made,
// happen
//            on a thread of its own, and findings are forgotten on `strand`.
// Ownership: owns the registry; loop and log outlive it. Destroyed when `strand` runs nothing more.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "daemon/log_sink.h"
#include "loop/loop.h"
#include "registry/replaceable_registry.h"
#include "registry/sqlite_registry.h"
#include "rpc/maintenance.h"

namespace blobd::daemon {

class RegistryKeeper final : public rpc::Maintenance {
 public:
  RegistryKeeper(std::string path, loop::Loop& control, std::shared_ptr<Executor> strand,
                 LogSink& log);
  ~RegistryKeeper() override;

  // Opens the registry, or finds it damaged, which is logged and no error.
  Status Open();
  // The registry, whichever is behind it.
  registry::Registry& registry() { return front_; }
  // Not while it is damaged.
  bool is_there() const { return front_.is_there(); }
  // What goes on when a damaged registry has been recovered: the engine's Start.
  void OnRecovered(UniqueFunction<void(UniqueFunction<void(Status)> done)> restart) {
    restart_ = std::move(restart);
  }
  // The engine could not load it: from now on it is damaged.
  void Damaged(const Status& why);
  // The daemon is about to end: what is recovered from now on is used by the next one.
  void Close() { closing_ = true; }
  // A recovery cannot be cut short: the daemon ends after it.
  bool is_recovering() const { return recovering_; }

  // rpc::Maintenance
  void BackupRegistry(UniqueFunction<void(StatusOr<std::string>)> done) override;
  void RecoverRegistry(UniqueFunction<void(StatusOr<Recovery>)> done) override;
  std::vector<std::string> Warnings() const override;

 private:
  using Opened = std::unique_ptr<registry::SqliteRegistry>;
  void Use(Opened opened);
  void RemoveOldCopies() const;
  void Acknowledge(UniqueFunction<void(StatusOr<Recovery>)> done);
  StatusOr<Recovery> RecoverAndOpen();
  void OnDone(StatusOr<Recovery> recovery, UniqueFunction<void(StatusOr<Recovery>)> done);

  const std::string path_;
  loop::Loop& control_;
  const std::shared_ptr<Executor> strand_;
  LogSink& log_;
  registry::ReplaceableRegistry front_;
  UniqueFunction<void(UniqueFunction<void(Status)> done)> restart_;
  uint64_t copies_ = 0;
  // Why intents that were acknowledged may be missing, until the operator has acknowledged it.
  std::string finding_;
  bool recovering_ = false;
  bool closing_ = false;
  Opened recovered_;  // the recovery's thread's while that runs
  std::thread recovery_;
};

}  // namespace blobd::daemon
