#include "registry/sqlite_registry.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error_reason.h"
#include "loop/thread_name.h"
#include "registry/backup.h"
#include "registry/protected.h"

namespace blobd::registry {
namespace {

// A transaction of this many changes costs a few milliseconds besides its sync; a larger one would
// only make its callers wait longer.
constexpr size_t kGroupPlaces = 8192;
// Changes write a row, its sum and its indexes, and are synced; a look-up finds a row or does not.
constexpr size_t kLookUpsPerPlace = 4;

size_t PlacesOfLookUps(size_t count) { return 1 + count / kLookUpsPerPlace; }

}  // namespace

// Something called: run when its group is, perhaps again when the group's transaction failed,
// answered once.
class SqliteRegistry::Operation {
 public:
  Operation(bool writes, size_t places) : writes_(writes), places_(places) {}
  virtual ~Operation() = default;
  bool writes() const { return writes_; }
  size_t places() const { return places_; }

  virtual Status Run(RegistryDb& db) = 0;
  virtual void Fail(const Status& status) = 0;
  virtual bool failed() const = 0;
  // Hands the outcome to the caller. REQUIRES: Run or Fail was called, and what was written in the
  // group is durable
  virtual void Answer(Executor& answer_on) = 0;
  // Tells whoever was not to wait for that (Registry::CommitAndTell). REQUIRES: after Answer
  virtual void Tell() {}

 private:
  const bool writes_;
  const size_t places_;
};

template <typename Outcome>
class SqliteRegistry::Call final : public Operation {
 public:
  Call(bool writes, size_t places, UniqueFunction<Outcome(RegistryDb&)> work,
       UniqueFunction<void(Outcome)> done, Task at_once)
      : Operation(writes, places),
        work_(std::move(work)),
        done_(std::move(done)),
        at_once_(std::move(at_once)) {}

  Status Run(RegistryDb& db) override {
    outcome_.emplace(work_(db));
    return StatusOf(*outcome_);
  }
  void Fail(const Status& status) override { outcome_.emplace(status); }
  bool failed() const override { return outcome_.has_value() && !outcome_->ok(); }
  void Answer(Executor& answer_on) override {
    if (!outcome_->ok()) at_once_ = nullptr;
    answer_on.Post([done = std::move(done_), outcome = std::move(*outcome_)]() mutable {
      done(std::move(outcome));
    });
  }
  void Tell() override {
    if (at_once_) at_once_();
  }

 private:
  static Status StatusOf(const Status& status) { return status; }
  template <typename T>
  static Status StatusOf(const StatusOr<T>& outcome) {
    return outcome.status();
  }

  UniqueFunction<Outcome(RegistryDb&)> work_;
  UniqueFunction<void(Outcome)> done_;
  Task at_once_;
  std::optional<Outcome> outcome_;
};

// Keeps its place among the commits, and then leaves for the thread that reads.
class SqliteRegistry::HandOver final : public Operation {
 public:
  HandOver(loop::Loop& reader, Task task)
      : Operation(false, 0), reader_(reader), task_(std::move(task)) {}
  Status Run(RegistryDb&) override { return OkStatus(); }
  void Fail(const Status&) override {}
  bool failed() const override { return false; }
  void Answer(Executor&) override { reader_.Post(std::move(task_)); }

 private:
  loop::Loop& reader_;
  Task task_;
};

StatusOr<std::unique_ptr<SqliteRegistry>> SqliteRegistry::Open(const std::string& path,
                                                               Executor& answer_on,
                                                               Options options) {
  RegistryDb::Options db_options;
  db_options.vfs = options.vfs;
  db_options.boot_id = options.boot_id;
  db_options.transfers_kept = options.transfers_kept;
  db_options.ended_intents_kept = options.ended_intents_kept;
  db_options.tags_per_owner = options.tags_per_owner;
  BLOBD_ASSIGN_OR_RETURN(RegistryDb db, RegistryDb::Open(path, db_options));
  BLOBD_ASSIGN_OR_RETURN(std::unique_ptr<loop::Loop> loop, loop::Loop::Create());
  BLOBD_ASSIGN_OR_RETURN(std::unique_ptr<loop::Loop> reader_loop, loop::Loop::Create());
  return std::unique_ptr<SqliteRegistry>(new SqliteRegistry(
      path, std::move(db), std::move(loop), std::move(reader_loop), answer_on, std::move(options)));
}

SqliteRegistry::SqliteRegistry(std::string path, RegistryDb db, std::unique_ptr<loop::Loop> loop,
                               std::unique_ptr<loop::Loop> reader_loop, Executor& answer_on,
                               Options options)
    : answer_on_(answer_on),
      options_(std::move(options)),
      path_(std::move(path)),
      findings_(db.findings()),
      db_(std::move(db)),
      loop_(std::move(loop)),
      reader_loop_(std::move(reader_loop)) {
  loop_->SetTurnEnd([this] { RunWaiting(); });
  reader_thread_ = loop::NamedThread("registry-reader", [this] { reader_loop_->Run(); });
  thread_ = loop::NamedThread("registry", [this] { loop_->Run(); });
}

SqliteRegistry::~SqliteRegistry() {
  loop_->Stop();
  thread_.join();
  reader_loop_->Stop();
  reader_thread_.join();
}

template <typename Outcome>
bool SqliteRegistry::TakePlaces(bool writes, size_t places, UniqueFunction<void(Outcome)>& done) {
  std::atomic<size_t>& taken = writes ? places_of_changes_ : places_of_queries_;
  if (taken.fetch_add(places) + places <= options_.max_waiting) return true;
  taken.fetch_sub(places);
  answer_on_.Post([done = std::move(done)]() mutable {
    done(WithReason(Reason::kTooManyCommands,
                    ResourceExhausted("too many changes wait for the registry's disk")));
  });
  return false;
}

template <typename Outcome, typename Work>
void SqliteRegistry::Enqueue(bool writes, size_t places, Work work,
                             UniqueFunction<void(Outcome)> done, Task at_once) {
  if (!TakePlaces(writes, places, done)) return;
  auto call = std::make_unique<Call<Outcome>>(writes, places, std::move(work), std::move(done),
                                              std::move(at_once));
  loop_->Post([this, call = std::move(call)]() mutable { waiting_.push_back(std::move(call)); });
}

template <typename T, typename Work>
void SqliteRegistry::Query(Work work, Done<T> done, size_t places) {
  Enqueue<StatusOr<T>>(false, places, std::move(work), std::move(done));
}

template <typename Outcome, typename Work>
void SqliteRegistry::OnReader(Work work, UniqueFunction<void(Outcome)> done) {
  if (!TakePlaces(false, 1, done)) return;
  Task task = [this, work = std::move(work), done = std::move(done)]() mutable {
    Outcome outcome = [&]() -> Outcome {
      BLOBD_ASSIGN_OR_RETURN(sqlite::Database reader, sqlite::OpenReader(path_, options_.vfs));
      return work(reader);
    }();
    places_of_queries_.fetch_sub(1);
    answer_on_.Post([done = std::move(done), outcome = std::move(outcome)]() mutable {
      done(std::move(outcome));
    });
  };
  auto hand_over = std::make_unique<HandOver>(*reader_loop_, std::move(task));
  loop_->Post([this, hand_over = std::move(hand_over)]() mutable {
    waiting_.push_back(std::move(hand_over));
  });
}

void SqliteRegistry::Load(Done<Snapshot> done) {
  Query<Snapshot>([](RegistryDb& db) { return db.Load(); }, std::move(done));
}

void SqliteRegistry::LoadPage(const LoadCursor& from, size_t limit, Done<LoadedPage> done) {
  Query<LoadedPage>([from, limit](RegistryDb& db) { return db.LoadPage(from, limit); },
                    std::move(done));
}

void SqliteRegistry::CommitAndTell(std::vector<Change> changes, Task at_once,
                                   UniqueFunction<void(Status)> done) {
  const size_t places = std::max<size_t>(1, changes.size());
  Enqueue<Status>(
      true, places, [changes = std::move(changes)](RegistryDb& db) { return db.Apply(changes); },
      std::move(done), std::move(at_once));
}

void SqliteRegistry::ReserveIds(IdSpace space, uint64_t count, Done<IdBlock> done) {
  Enqueue<StatusOr<IdBlock>>(
      true, 1, [space, count](RegistryDb& db) { return db.ReserveIds(space, count); },
      std::move(done));
}

void SqliteRegistry::GetIntent(IntentId id, Done<std::optional<IntentRow>> done) {
  Query<std::optional<IntentRow>>([id](RegistryDb& db) { return db.GetIntent(id); },
                                  std::move(done));
}

void SqliteRegistry::KnownIntents(std::vector<IntentId> ids, Done<std::vector<IntentId>> done) {
  const size_t places = PlacesOfLookUps(ids.size());
  Query<std::vector<IntentId>>(
      [ids = std::move(ids)](RegistryDb& db) { return db.KnownIntents(ids); }, std::move(done),
      places);
}

void SqliteRegistry::FindIntentsByKeys(uint32_t owner_uid, std::vector<std::string> keys,
                                       Done<std::vector<IntentRow>> done) {
  const size_t places = PlacesOfLookUps(keys.size());
  Query<std::vector<IntentRow>>(
      [owner_uid, keys = std::move(keys)](RegistryDb& db) {
        return db.FindIntentsByKeys(owner_uid, keys);
      },
      std::move(done), places);
}

void SqliteRegistry::ListIntents(const IntentFilter& filter, IntentId after, size_t limit,
                                 Done<std::vector<IntentRow>> done) {
  Query<std::vector<IntentRow>>(
      [filter, after, limit](RegistryDb& db) { return db.ListIntents(filter, after, limit); },
      std::move(done));
}

void SqliteRegistry::FailuresOf(IntentId intent, Done<std::vector<FailureRow>> done) {
  Query<std::vector<FailureRow>>([intent](RegistryDb& db) { return db.FailuresOf(intent); },
                                 std::move(done));
}

void SqliteRegistry::FindTag(const std::string& name, Done<std::optional<TagRow>> done) {
  Query<std::optional<TagRow>>([name](RegistryDb& db) { return db.FindTag(name); },
                               std::move(done));
}

void SqliteRegistry::ListTags(const TagFilter& filter, const std::string& after, size_t limit,
                              Done<std::vector<TagRow>> done) {
  Query<std::vector<TagRow>>(
      [filter, after, limit](RegistryDb& db) { return db.ListTags(filter, after, limit); },
      std::move(done));
}

void SqliteRegistry::ListLeases(Done<std::vector<LeaseRow>> done) {
  Query<std::vector<LeaseRow>>([](RegistryDb& db) { return db.ListLeases(); }, std::move(done));
}

void SqliteRegistry::ListTransfers(const TransferFilter& filter, TransferId after, size_t limit,
                                   Done<std::vector<TransferRow>> done) {
  Query<std::vector<TransferRow>>(
      [filter, after, limit](RegistryDb& db) { return db.ListTransfers(filter, after, limit); },
      std::move(done));
}

void SqliteRegistry::ProvidersSeen(const Hash& hash, size_t limit,
                                   Done<std::vector<ProviderId>> done) {
  Query<std::vector<ProviderId>>(
      [hash, limit](RegistryDb& db) { return db.ProvidersSeen(hash, limit); }, std::move(done));
}

void SqliteRegistry::TotalsOf(const ProviderId& provider,
                              Done<std::optional<ProviderTotals>> done) {
  Query<std::optional<ProviderTotals>>([provider](RegistryDb& db) { return db.TotalsOf(provider); },
                                       std::move(done));
}

void SqliteRegistry::AddressesOf(const NodeId& node, Done<std::vector<RemoteAddressRow>> done) {
  Query<std::vector<RemoteAddressRow>>([node](RegistryDb& db) { return db.AddressesOf(node); },
                                       std::move(done));
}

void SqliteRegistry::ListProtected(WallTime now, WallTime finished_after,
                                   Done<std::vector<ProtectedRow>> done) {
  OnReader<StatusOr<std::vector<ProtectedRow>>>(
      [now, finished_after](sqlite::Database& reader) {
        return ReadProtected(reader, now, finished_after);
      },
      std::move(done));
}

void SqliteRegistry::Backup(const std::string& path, UniqueFunction<void(Status)> done) {
  OnReader<Status>([path](sqlite::Database& reader) { return BackUpRegistry(reader, path); },
                   std::move(done));
}

void SqliteRegistry::RunWaiting() {
  Group group;
  size_t places = 0;
  for (std::unique_ptr<Operation>& operation : std::exchange(waiting_, {})) {
    places += operation->places();
    group.push_back(std::move(operation));
    if (places < kGroupPlaces) continue;
    RunGroup(std::exchange(group, {}));
    places = 0;
  }
  if (!group.empty()) RunGroup(group);
}

void SqliteRegistry::RunGroup(const Group& group) {
  bool writes = false;
  for (const auto& operation : group) writes = writes || operation->writes();
  const Status written = writes ? WriteGroup(group) : OkStatus();
  size_t changes = 0;
  size_t queries = 0;
  for (const auto& operation : group) {
    (operation->writes() ? changes : queries) += operation->places();
    if (operation->writes()) {
      if (!written.ok() && !operation->failed()) operation->Fail(written);
    } else if (!writes || !written.ok()) {
      // Also what ran inside the failed transaction: it may have seen what is undone now.
      (void)operation->Run(db_);
    }
  }
  places_of_changes_.fetch_sub(changes);
  places_of_queries_.fetch_sub(queries);
  for (const auto& operation : group) operation->Answer(answer_on_);
  for (const auto& operation : group) operation->Tell();
}

// Hardly ever one fails: only then each is worth a savepoint, and all are run again.
Status SqliteRegistry::WriteGroup(const Group& group) {
  BLOBD_ASSIGN_OR_RETURN(const bool all_succeeded, WriteAllOrNone(group));
  return all_succeeded ? OkStatus() : WriteEach(group);
}

// False, and nothing is written: one of them failed.
StatusOr<bool> SqliteRegistry::WriteAllOrNone(const Group& group) {
  BLOBD_ASSIGN_OR_RETURN(sqlite::Transaction transaction,
                         sqlite::Transaction::Begin(db_.database()));
  for (const auto& operation : group) {
    if (!operation->Run(db_).ok()) return false;
  }
  BLOBD_RETURN_IF_ERROR(transaction.Commit());
  return true;
}

Status SqliteRegistry::WriteEach(const Group& group) {
  sqlite::Database& database = db_.database();
  BLOBD_ASSIGN_OR_RETURN(sqlite::Transaction transaction, sqlite::Transaction::Begin(database));
  for (const auto& operation : group) {
    BLOBD_ASSIGN_OR_RETURN(sqlite::Savepoint savepoint, sqlite::Savepoint::Begin(database));
    const Status status = operation->Run(db_);
    // A full disk undoes the whole transaction, not only this step.
    if (!database.in_transaction())
      return status.ok() ? Aborted("the transaction was rolled back") : status;
    if (status.ok()) BLOBD_RETURN_IF_ERROR(savepoint.Release());
  }
  return transaction.Commit();
}

}  // namespace blobd::registry
