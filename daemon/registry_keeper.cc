#include "daemon/registry_keeper.h"

#include <dirent.h>
#include <unistd.h>

#include <utility>

#include "base/error_reason.h"
#include "loop/thread_name.h"
#include "registry/recover.h"

namespace blobd::daemon {
namespace {

using engine::LogLevel;

// Copies that nobody fetched carry this behind the registry's name.
constexpr std::string_view kCopyMark = ".backup-";

rpc::Maintenance::Recovery ToRecovery(const registry::RecoveryReport& report) {
  rpc::Maintenance::Recovery recovery;
  for (const registry::RecoveryReport::TableResult& table : report.tables) {
    recovery.tables.push_back({table.table, table.saved, table.damaged});
  }
  recovery.notes = report.Lines();
  recovery.damaged_file = report.kept_as;
  return recovery;
}

}  // namespace

RegistryKeeper::RegistryKeeper(std::string path, loop::Loop& control,
                               std::shared_ptr<Executor> strand, LogSink& log)
    : path_(std::move(path)),
      control_(control),
      strand_(std::move(strand)),
      log_(log),
      front_(control) {}

RegistryKeeper::~RegistryKeeper() {
  if (recovery_.joinable()) recovery_.join();
}

Status RegistryKeeper::Open() {
  RemoveOldCopies();
  StatusOr<Opened> opened = registry::SqliteRegistry::Open(path_, control_, {});
  if (opened.ok()) {
    Use(*std::move(opened));
    return OkStatus();
  }
  if (opened.status().code() != StatusCode::kDataLoss) return opened.status();
  Damaged(opened.status());
  return OkStatus();
}

void RegistryKeeper::Use(Opened opened) {
  finding_ = opened->findings().may_be_incomplete() ? opened->findings().text : std::string();
  if (!opened->findings().text.empty()) log_.Write(LogLevel::kError, opened->findings().text);
  front_.Put(std::move(opened));
}

void RegistryKeeper::Damaged(const Status& why) {
  front_.Take(why);
  log_.Write(LogLevel::kError, engine::LogEvent::kRegistryDamaged,
             "no intents are taken and none is worked on, but what is in the store is served: " +
                 Message(registry::RegistryDamaged(why)));
}

void RegistryKeeper::RemoveOldCopies() const {
  const size_t slash = path_.rfind('/');
  const std::string directory = path_.substr(0, slash);
  const std::string prefix = path_.substr(slash + 1) + std::string(kCopyMark);
  DIR* opened = opendir(directory.c_str());
  if (opened == nullptr) return;
  while (const dirent* entry = readdir(opened)) {
    const std::string name = entry->d_name;
    if (name.starts_with(prefix)) unlink((directory + "/" + name).c_str());
  }
  closedir(opened);
}

std::vector<std::string> RegistryKeeper::Warnings() const {
  if (finding_.empty()) return {};
  return {finding_ + "; nothing is collected until \"blobctl registry recover\" acknowledges this"};
}

void RegistryKeeper::BackupRegistry(UniqueFunction<void(StatusOr<std::string>)> done) {
  const std::string copy = path_ + std::string(kCopyMark) + std::to_string(++copies_);
  front_.Backup(copy, [copy, done = std::move(done)](const Status& status) mutable {
    if (!status.ok()) return done(status);
    done(copy);
  });
}

void RegistryKeeper::RecoverRegistry(UniqueFunction<void(StatusOr<Recovery>)> done) {
  if (front_.is_there()) {
    if (!finding_.empty()) return Acknowledge(std::move(done));
    return done(ErrorFor(Reason::kRegistryNotDamaged, "the registry is not damaged"));
  }
  if (recovering_)
    return done(
        WithReason(Reason::kAlreadyRunning, FailedPrecondition("it is being recovered already")));
  recovering_ = true;
  if (recovery_.joinable()) recovery_.join();  // an earlier one that failed: it has ended
  log_.Write(LogLevel::kNotice, "recovering the registry");
  recovery_ = loop::NamedThread("recovery", [this, done = std::move(done)]() mutable {
    control_.Post([this, recovery = RecoverAndOpen(), done = std::move(done)]() mutable {
      OnDone(std::move(recovery), std::move(done));
    });
  });
}

// What opening found was no damage that stops anything, and now the operator has seen it.
void RegistryKeeper::Acknowledge(UniqueFunction<void(StatusOr<Recovery>)> done) {
  strand_->Post([this, done = std::move(done)]() mutable {
    control_.Post([this, status = sqlite::ForgetFindings(path_), done = std::move(done)]() mutable {
      if (!status.ok()) return done(status);
      Recovery recovery;
      // Asked for twice, it is acknowledged once.
      if (!finding_.empty()) recovery.notes.push_back(std::exchange(finding_, {}));
      done(std::move(recovery));
    });
  });
}

// On a thread of its own: to read all of a registry takes its time, also when it is well.
StatusOr<rpc::Maintenance::Recovery> RegistryKeeper::RecoverAndOpen() {
  BLOBD_ASSIGN_OR_RETURN(const registry::RecoveryReport report,
                         registry::RecoverRegistry(path_, SystemClock().WallNow()));
  BLOBD_ASSIGN_OR_RETURN(recovered_, registry::SqliteRegistry::Open(path_, control_, {}));
  return ToRecovery(report);
}

void RegistryKeeper::OnDone(StatusOr<Recovery> recovery,
                            UniqueFunction<void(StatusOr<Recovery>)> done) {
  recovering_ = false;
  if (!recovery.ok()) {
    log_.Write(LogLevel::kError, "the registry was not recovered: " + Message(recovery.status()));
    return done(recovery.status());
  }
  if (closing_) {
    log_.Write(LogLevel::kNotice, engine::LogEvent::kRegistryRecovered,
               "the registry is recovered, for the next start; the damaged file is kept as " +
                   recovery->damaged_file);
    return done(std::move(recovery));
  }
  Use(std::move(recovered_));
  restart_([this, recovery = std::move(recovery),
            done = std::move(done)](const Status& status) mutable {
    // One that was interrupted by the end of the process says nothing of the registry.
    if (!status.ok() && !closing_) Damaged(status);
    if (!status.ok()) return done(status);
    log_.Write(LogLevel::kNotice, engine::LogEvent::kRegistryRecovered,
               "the registry is recovered; the damaged file is kept as " + recovery->damaged_file);
    done(std::move(recovery));
  });
}

}  // namespace blobd::daemon
