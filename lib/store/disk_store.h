// DiskStore: the store in a directory (layout.h says what is where).
//
// Thread:    see blob_store.h. The work is done on strands of the worker pool.
// Ownership: pool and file system outlive the store, and the pool is destroyed before the file
//            system. Destroying the store drops nothing that was published; what was not yet synced
//            survives the end of the process but not power loss: call Flush before. Answers that
//            are due when the pool ends are never given.
// Bound:     after power loss at most Options::unsynced_bytes, or unsynced_time of verified work
//            per blob, is fetched again. The time is looked at when groups are published, and at
//            every Tick. What a writer wrote without proof is synced behind it, each half of
//            unsynced_bytes, so that little is left when it verifies; if that fails, it is as when
//            any other sync fails.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/units.h"
#include "loop/worker_pool.h"
#include "store/blob_store.h"
#include "store/file_system.h"
#include "store/unproven_logs.h"

namespace blobd::store {

class Index;

class DiskStore final : public BlobStore, public UnprovenLogs {
 public:
  struct Options {
    // A sync starts at half of either, since more comes in while it runs.
    uint64_t unsynced_bytes = 256 * kMiB;  // in all blobs together
    Duration unsynced_time = seconds(5);
    uint64_t waiting_small_bytes =
        64 * kMiB;         // of PutSmall; more is refused with kResourceExhausted
    std::string vfs = {};  // of store.db, see sqlite::OpenOptions
    // Left free on the file system: the smaller of the two.
    uint64_t reserve_bytes = kGiB;
    uint64_t reserve_percent = 5;
    const Clock* clock = &SystemClock();
    // Called on any thread, and may not wait: something will be due by the clock, so Tick is to be
    // called once, kTick later. Null: whoever owns the store calls it all the time.
    std::function<void()> tick_soon = {};
  };

  // Opens the store in `state_dir`, which exists, or creates it there. Blocks on the disk. Refuses
  // a store.db that is foreign or newer (kFailedPrecondition). One that is damaged or empty, or
  // missing while there are blobs, is moved aside and made anew (rebuild.h); opening_note says so.
  static StatusOr<std::unique_ptr<DiskStore>> Open(const std::string& state_dir,
                                                   loop::WorkerPool& workers,
                                                   FileSystem& file_system, Options options);
  ~DiskStore() override;

  void Lookup(const Hash& hash, Executor& answer_on,
              UniqueFunction<void(StatusOr<BlobInfo>)> done) override;
  void LookupMany(std::vector<Hash> hashes, Executor& answer_on,
                  UniqueFunction<void(std::vector<LookedUp>)> some) override;
  void OpenWriter(const Hash& hash, Executor& answer_on,
                  UniqueFunction<void(StatusOr<std::shared_ptr<BlobWriter>>)> done) override;
  void OpenReader(const Hash& hash, Executor& answer_on,
                  UniqueFunction<void(StatusOr<std::shared_ptr<BlobReader>>)> done) override;
  void PutSmall(const Hash& hash, Bytes content, Executor& answer_on,
                UniqueFunction<void(Status)> done) override;
  void StartImport(Executor& answer_on,
                   UniqueFunction<void(StatusOr<std::unique_ptr<Import>>)> done) override;
  void List(std::optional<Hash> after, size_t limit, Executor& answer_on,
            UniqueFunction<void(StatusOr<std::vector<BlobInfo>>)> done) override;
  void Stats(Executor& answer_on, UniqueFunction<void(StatusOr<StoreStats>)> done) override;
  StoreCounts Counts() const override;
  void Withdraw(const Hash& hash, const RangeSet& groups, Executor& answer_on,
                UniqueFunction<void(Status)> done) override;
  std::unique_ptr<BlobWatch> Watch(const Hash& hash, Executor& answer_on,
                                   UniqueFunction<void(const BlobInfo&)> changed) override;
  void SetPrivate(const Hash& hash, bool is_private, Executor& answer_on,
                  UniqueFunction<void(Status)> done) override;
  void Flush(Executor& answer_on, UniqueFunction<void(Status)> done) override;
  void OpenDescriptor(const Hash& hash, Executor& answer_on,
                      UniqueFunction<void(StatusOr<BlobDescriptor>)> done) override;
  std::unique_ptr<StoreJob> ImportDescriptor(
      Descriptor source, const ImportOptions& options, Executor& answer_on,
      UniqueFunction<void(uint64_t)> progress,
      UniqueFunction<void(StatusOr<Import::Result>)> done) override;
  void ListByUse(std::optional<UseCursor> after, size_t limit, Executor& answer_on,
                 UniqueFunction<void(StatusOr<std::vector<BlobUse>>)> done) override;
  void Remove(const Hash& hash, Executor& answer_on,
              UniqueFunction<void(StatusOr<uint64_t>)> done) override;
  std::unique_ptr<StoreJob> Verify(const Hash& hash, Executor& answer_on,
                                   UniqueFunction<void(uint64_t)> progress,
                                   UniqueFunction<void(StatusOr<Verified>)> done) override;
  std::unique_ptr<DiskWatch> WatchDisk(Executor& answer_on,
                                       UniqueFunction<void(const DiskState&)> changed) override;

  StatusOr<std::unique_ptr<File>> OpenUnprovenLog(const Hash& hash, bool create) override;
  void ForgetUnproven(const Hash& hash) override;

  // What is due by the clock: syncs of stalled writers, and a look at a disk that was full or
  // read-only. Whoever owns the store calls it when Options::tick_soon says so; it costs nothing if
  // nothing is due. Any thread.
  static constexpr Duration kTick = milliseconds(500);
  void Tick();
  // What opening found damaged, and what was done about it, for the log; empty if nothing.
  const std::string& opening_note() const;

 private:
  explicit DiskStore(std::shared_ptr<Index> index, Options options);

  const std::shared_ptr<Index> index_;
  const Options options_;
  const std::shared_ptr<std::atomic<uint64_t>> waiting_small_bytes_;
};

}  // namespace blobd::store
