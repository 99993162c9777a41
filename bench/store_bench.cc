// What it costs to put small blobs into the store: so many wait at any time, as they do while a
// collection of them is got or added. The yardstick is the same rows in SQLite, in transactions of
// as many, without anything around it.
//
// The files lie in TMPDIR, which should be on the disk that is meant.
#include <benchmark/benchmark.h>

#include <condition_variable>
#include <cstring>
#include <mutex>

#include "base/check.h"
#include "base/rng.h"
#include "loop/worker_pool.h"
#include "store/disk_store.h"
#include "store/store_db.h"
#include "temporary_directory.h"

namespace blobd::store {
namespace {

using Directory = bench::TemporaryDirectory;

constexpr size_t kSize = 4096;

Hash RandomHash(Rng& rng) {
  Hash hash;
  for (size_t i = 0; i < hash.bytes.size(); i += 8) {
    const uint64_t word = rng.Next();
    std::memcpy(hash.bytes.data() + i, &word, 8);
  }
  return hash;
}

// The store believes whoever puts a blob that it fits its hash.
void PutSmall(benchmark::State& state) {
  const auto most = static_cast<size_t>(state.range(0));
  const Directory directory;
  loop::WorkerPool workers(2);
  const auto file_system = std::make_unique<RealFileSystem>();
  auto store = *DiskStore::Open(directory.path(), workers, *file_system, {});
  const auto strand = workers.MakeStrand();
  std::mutex mutex;
  std::condition_variable changed;
  size_t waiting = 0;
  Rng rng{1};
  const Bytes content(kSize, 7);
  for (auto _ : state) {
    {
      std::unique_lock lock(mutex);
      while (waiting >= most) changed.wait(lock);
      ++waiting;
    }
    store->PutSmall(RandomHash(rng), content, *strand, [&](const Status& status) {
      BLOBD_CHECK(status.ok());
      const std::lock_guard lock(mutex);
      if (--waiting == most / 2 || waiting == 0) changed.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  while (waiting > 0) changed.wait(lock);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(PutSmall)->Arg(1)->Arg(32)->Arg(256)->Arg(2048)->Iterations(20000)->UseRealTime();

void BareRows(benchmark::State& state) {
  const auto most = static_cast<size_t>(state.range(0));
  const Directory directory;
  auto db = *StoreDb::Open(directory.path() + "/store.db", {}, false);
  Rng rng{1};
  int64_t rows = 0;
  const Bytes content(kSize, 7);
  for (auto _ : state) {
    const Status status = db.Durably([&]() -> Status {
      for (size_t i = 0; i < most; ++i) {
        BlobRow row;
        row.hash = RandomHash(rng);
        row.state = RowState::kInRow;
        row.size = kSize;
        row.size_proven = true;
        row.last_use.unix_ms = 1'700'000'000'000 + rows++ / 8;
        BLOBD_RETURN_IF_ERROR(db.PutContent(row.hash, content));
        BLOBD_RETURN_IF_ERROR(db.Put(row));
      }
      return OkStatus();
    });
    BLOBD_CHECK(status.ok());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(most));
}
BENCHMARK(BareRows)->Arg(32)->Iterations(625)->UseRealTime();
BENCHMARK(BareRows)->Arg(256)->Iterations(78)->UseRealTime();
BENCHMARK(BareRows)->Arg(1024)->Iterations(20)->UseRealTime();
BENCHMARK(BareRows)->Arg(4096)->Iterations(5)->UseRealTime();

}  // namespace
}  // namespace blobd::store

BENCHMARK_MAIN();
