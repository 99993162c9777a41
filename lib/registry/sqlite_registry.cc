#include "registry/sqlite_registry.h"

#include <optional>
#include <utility>

namespace blobd::registry {
namespace {

// A transaction of this many changes costs a few milliseconds besides its sync; a larger one would
// only make its callers wait longer.
constexpr size_t kGroupCost = 8192;

}  // namespace

// Something called: run when its group is, perhaps again when the group's transaction failed,
// answered once.
class SqliteRegistry::Operation {
 public:
  Operation(bool writes, size_t cost) : writes_(writes), cost_(cost) {}
  virtual ~Operation() = default;
  bool writes() const { return writes_; }
  size_t cost() const { return cost_; }

  virtual Status Run(RegistryDb& db) = 0;
  virtual void Fail(const Status& status) = 0;
  virtual bool failed() const = 0;
  // The task that hands the outcome to the caller. REQUIRES: Run or Fail was called
  virtual Task Answer() = 0;

 private:
  const bool writes_;
  const size_t cost_;
};

template <typename Outcome>
class SqliteRegistry::Call final : public Operation {
 public:
  Call(bool writes, size_t cost, UniqueFunction<Outcome(RegistryDb&)> work,
       UniqueFunction<void(Outcome)> done)
      : Operation(writes, cost), work_(std::move(work)), done_(std::move(done)) {}

  Status Run(RegistryDb& db) override {
    outcome_.emplace(work_(db));
    return StatusOf(*outcome_);
  }
  void Fail(const Status& status) override { outcome_.emplace(status); }
  bool failed() const override { return outcome_.has_value() && !outcome_->ok(); }
  Task Answer() override {
    return [done = std::move(done_), outcome = std::move(*outcome_)]() mutable {
      done(std::move(outcome));
    };
  }

 private:
  static Status StatusOf(const Status& status) { return status; }
  template <typename T>
  static Status StatusOf(const StatusOr<T>& outcome) {
    return outcome.status();
  }

  UniqueFunction<Outcome(RegistryDb&)> work_;
  UniqueFunction<void(Outcome)> done_;
  std::optional<Outcome> outcome_;
};

StatusOr<std::unique_ptr<SqliteRegistry>> SqliteRegistry::Open(const std::string& path,
                                                               Executor& answer_on,
                                                               Options options) {
  BLOBD_ASSIGN_OR_RETURN(RegistryDb db, RegistryDb::Open(path, options.vfs));
  BLOBD_ASSIGN_OR_RETURN(std::unique_ptr<loop::Loop> loop, loop::Loop::Create());
  return std::unique_ptr<SqliteRegistry>(
      new SqliteRegistry(std::move(db), std::move(loop), answer_on, std::move(options)));
}

SqliteRegistry::SqliteRegistry(RegistryDb db, std::unique_ptr<loop::Loop> loop, Executor& answer_on,
                               Options options)
    : answer_on_(answer_on),
      options_(std::move(options)),
      db_(std::move(db)),
      loop_(std::move(loop)) {
  loop_->SetTurnEnd([this] { RunWaiting(); });
  thread_ = std::thread([this] { loop_->Run(); });
}

SqliteRegistry::~SqliteRegistry() {
  loop_->Stop();
  thread_.join();
}

template <typename Outcome, typename Work>
void SqliteRegistry::Enqueue(bool writes, size_t cost, Work work,
                             UniqueFunction<void(Outcome)> done) {
  if (waiting_cost_.fetch_add(cost) + cost > options_.max_waiting) {
    waiting_cost_.fetch_sub(cost);
    answer_on_.Post([done = std::move(done)]() mutable {
      done(ResourceExhausted("too many changes wait for the registry's disk"));
    });
    return;
  }
  auto call = std::make_unique<Call<Outcome>>(writes, cost, std::move(work), std::move(done));
  loop_->Post([this, call = std::move(call)]() mutable { waiting_.push_back(std::move(call)); });
}

void SqliteRegistry::Load(UniqueFunction<void(StatusOr<Snapshot>)> done) {
  Enqueue<StatusOr<Snapshot>>(
      false, 1, [](RegistryDb& db) { return db.Load(); }, std::move(done));
}

void SqliteRegistry::Commit(std::vector<Change> changes, UniqueFunction<void(Status)> done) {
  const size_t cost = std::max<size_t>(1, changes.size());
  Enqueue<Status>(
      true, cost, [changes = std::move(changes)](RegistryDb& db) { return db.Apply(changes); },
      std::move(done));
}

void SqliteRegistry::ReserveIds(IdSpace space, uint64_t count,
                                UniqueFunction<void(StatusOr<IdBlock>)> done) {
  Enqueue<StatusOr<IdBlock>>(
      true, 1, [space, count](RegistryDb& db) { return db.ReserveIds(space, count); },
      std::move(done));
}

void SqliteRegistry::GetIntent(IntentId id,
                               UniqueFunction<void(StatusOr<std::optional<IntentRow>>)> done) {
  Enqueue<StatusOr<std::optional<IntentRow>>>(
      false, 1, [id](RegistryDb& db) { return db.GetIntent(id); }, std::move(done));
}

void SqliteRegistry::FindIntentByKey(
    uint32_t owner_uid, const std::string& key,
    UniqueFunction<void(StatusOr<std::optional<IntentRow>>)> done) {
  Enqueue<StatusOr<std::optional<IntentRow>>>(
      false, 1, [owner_uid, key](RegistryDb& db) { return db.FindIntentByKey(owner_uid, key); },
      std::move(done));
}

void SqliteRegistry::ListIntents(const IntentFilter& filter, IntentId after, size_t limit,
                                 UniqueFunction<void(StatusOr<std::vector<IntentRow>>)> done) {
  Enqueue<StatusOr<std::vector<IntentRow>>>(
      false, 1,
      [filter, after, limit](RegistryDb& db) { return db.ListIntents(filter, after, limit); },
      std::move(done));
}

void SqliteRegistry::RunWaiting() {
  std::vector<std::unique_ptr<Operation>> group;
  size_t cost = 0;
  for (std::unique_ptr<Operation>& operation : std::exchange(waiting_, {})) {
    cost += operation->cost();
    group.push_back(std::move(operation));
    if (cost < kGroupCost) continue;
    RunGroup(std::exchange(group, {}));
    cost = 0;
  }
  if (!group.empty()) RunGroup(std::move(group));
}

void SqliteRegistry::RunGroup(std::vector<std::unique_ptr<Operation>> group) {
  bool writes = false;
  for (const auto& operation : group) writes = writes || operation->writes();
  const Status written = writes ? WriteGroup(group) : OkStatus();
  size_t cost = 0;
  for (const auto& operation : group) {
    if (operation->writes()) {
      if (!written.ok() && !operation->failed()) operation->Fail(written);
    } else if (!writes || !written.ok()) {
      // Also what ran inside the failed transaction: it may have seen what is undone now.
      (void)operation->Run(db_);
    }
    cost += operation->cost();
  }
  waiting_cost_.fetch_sub(cost);
  for (const auto& operation : group) answer_on_.Post(operation->Answer());
}

Status SqliteRegistry::WriteGroup(const std::vector<std::unique_ptr<Operation>>& group) {
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
