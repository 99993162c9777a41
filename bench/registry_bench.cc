// What a durable commit costs, alone and with many callers waiting, and how fast a million intents
// are loaded. The yardstick is the same transaction in SQLite without anything around it.
//
// The files lie in TMPDIR, which should be on the disk that is meant.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>

#include "base/check.h"
#include "base/rng.h"
#include "registry/rows.h"
#include "registry/schema.h"
#include "registry/sqlite_registry.h"
#include "temporary_directory.h"

namespace blobd::registry {
namespace {

using Directory = bench::TemporaryDirectory;

// Runs answers on the thread of the benchmark.
class Inbox final : public Executor {
 public:
  void Post(Task task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    arrived_.notify_one();
  }
  void RunSome() {
    std::unique_lock lock(mutex_);
    while (tasks_.empty()) arrived_.wait(lock);
    std::deque<Task> tasks = std::exchange(tasks_, {});
    lock.unlock();
    for (Task& task : tasks) task();
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Task> tasks_;
};

class Intents {
 public:
  IntentRow Next() {
    IntentRow intent;
    intent.id.value = ++last_;
    for (size_t i = 0; i < 32; i += 8) {
      const uint64_t word = rng_.Next();
      std::memcpy(intent.kind.hash.bytes.data() + i, &word, 8);
    }
    intent.owner_uid = 1000;
    intent.label = "a label";
    intent.idempotency_key = fmt::format("key-{}", last_);
    intent.created.unix_ms = 1'700'000'000'000;
    return intent;
  }

 private:
  uint64_t last_ = 0;
  Rng rng_{1};
};

void BareTransaction(benchmark::State& state) {
  const Directory directory;
  auto database = *sqlite::OpenDatabase(directory.File("bare.db"), RegistrySchema(), {});
  sqlite::Statement insert = *database.Prepare(kIntentsTable.Insert("INSERT"));
  Intents intents;
  for (auto _ : state) {
    sqlite::Transaction transaction = *sqlite::Transaction::Begin(database);
    BLOBD_CHECK(BindIntent(intents.Next(), insert).ok());
    BLOBD_CHECK(insert.Run().ok());
    BLOBD_CHECK(transaction.Commit().ok());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BareTransaction)->UseRealTime();

// `callers` commits wait at any time, each with `batch` intents.
void Commits(benchmark::State& state) {
  const auto callers = static_cast<size_t>(state.range(0));
  const auto batch = static_cast<size_t>(state.range(1));
  const Directory directory;
  Inbox inbox;
  auto registry = *SqliteRegistry::Open(directory.File("registry.db"), inbox, {});
  Intents intents;
  size_t waiting = 0;
  for (auto _ : state) {
    std::vector<Change> changes;
    for (size_t i = 0; i < batch; ++i) changes.push_back(PutIntent{intents.Next()});
    ++waiting;
    registry->Commit(std::move(changes), [&waiting](const Status& status) {
      BLOBD_CHECK(status.ok());
      --waiting;
    });
    while (waiting >= callers) inbox.RunSome();
  }
  while (waiting > 0) inbox.RunSome();
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(batch));
}
BENCHMARK(Commits)
    ->ArgNames({"callers", "batch"})
    ->Args({1, 1})
    ->Args({8, 1})
    ->Args({64, 1})
    ->Args({1, 1000})
    ->UseRealTime();

// Ends of transfers, with a history that is full.
void Transfers(benchmark::State& state) {
  const Directory directory;
  Inbox inbox;
  auto registry = *SqliteRegistry::Open(directory.File("registry.db"), inbox, {});
  uint64_t id = 0;
  size_t waiting = 0;
  const auto commit = [&] {
    TransferRow transfer;
    transfer.id.value = ++id;
    transfer.provider = NodeId{{static_cast<uint8_t>(id)}};
    transfer.kind.hash.bytes[0] = static_cast<uint8_t>(id);
    transfer.verified_bytes = 1;
    ++waiting;
    registry->Commit({PutTransfer{transfer}}, [&waiting](const Status& status) {
      BLOBD_CHECK(status.ok());
      --waiting;
    });
    while (waiting >= 64) inbox.RunSome();
  };
  while (id < 10000) commit();
  for (auto _ : state) commit();
  while (waiting > 0) inbox.RunSome();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Transfers)->UseRealTime();

void FillMillion(const std::string& path, int64_t count) {
  RegistryDb db = *RegistryDb::Open(path, {});
  Intents intents;
  for (int64_t done = 0; done < count; done += 10000) {
    std::vector<Change> changes;
    for (int i = 0; i < 10000; ++i) {
      const IntentRow intent = intents.Next();
      changes.push_back(PutIntent{intent});
      changes.push_back(PutProvider{{intent.kind.hash, NodeId{{1}}}});
    }
    sqlite::Transaction transaction = *sqlite::Transaction::Begin(db.database());
    BLOBD_CHECK(db.Apply(changes).ok());
    BLOBD_CHECK(transaction.Commit().ok());
  }
}

// Opening a registry of a million intents and as many providers, and loading it in pages that are
// dropped, as they are when the engine has taken what it needs.
void OpenAndLoad(benchmark::State& state) {
  const Directory directory;
  const std::string path = directory.File("registry.db");
  FillMillion(path, state.range(0));
  double open_seconds = 0;
  size_t rows = 0;
  for (auto _ : state) {
    const Instant start = SystemClock().Now();
    RegistryDb db = *RegistryDb::Open(path, {});
    open_seconds += std::chrono::duration<double>(SystemClock().Now() - start).count();
    for (std::optional<LoadCursor> next = LoadCursor{}; next;) {
      const LoadedPage page = *db.LoadPage(*next, 10000);
      rows += page.rows.unfinished.size();
      next = page.next;
    }
  }
  BLOBD_CHECK(rows == static_cast<size_t>(state.range(0) * state.iterations()));
  state.SetItemsProcessed(static_cast<int64_t>(rows));
  state.counters["open_s"] = open_seconds / static_cast<double>(state.iterations());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  state.counters["peak_rss_mib"] = static_cast<double>(usage.ru_maxrss) / 1024;
}
BENCHMARK(OpenAndLoad)->Arg(1000000)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();

void ListProtectedRows(benchmark::State& state) {
  const Directory directory;
  const std::string path = directory.File("registry.db");
  FillMillion(path, state.range(0));
  Inbox inbox;
  auto registry = *SqliteRegistry::Open(path, inbox, {});
  for (auto _ : state) {
    bool done = false;
    registry->ListProtected({}, {}, [&](StatusOr<std::vector<ProtectedRow>> rows) {
      BLOBD_CHECK(rows.ok() && rows->size() == static_cast<size_t>(state.range(0)));
      done = true;
    });
    while (!done) inbox.RunSome();
  }
}
BENCHMARK(ListProtectedRows)
    ->Arg(1000000)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace blobd::registry

BENCHMARK_MAIN();
