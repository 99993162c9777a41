// StorePlayer: uses the real store as the daemon does, a drawn step at a time: downloads group by
// group, small blobs, imports, withdrawals, privacy, flushes. It keeps the promises it was given
// (BlobModel), over any number of lives, and checks them.
//
// Thread: one.
#pragma once

#include <memory>
#include <vector>

#include "bench.h"
#include "blob_model.h"
#include "disk_files.h"
#include "store/disk_store.h"
#include "store/layout.h"

namespace blobd::faults {

class StorePlayer {
 public:
  StorePlayer(Bench& bench, const std::string& directory, const std::string& vfs);
  ~StorePlayer();

  // Begins a life. False if it did not come up: the disk went or failed.
  bool Open();
  // Between lives: the header of store.db goes bad, so that the next one makes it anew.
  void RotDatabase();
  // Checks what this life claims. `lost_power`: what ended the one before.
  void Check(bool lost_power, bool had_fault);
  // Something of what a daemon does.
  void Step();
  // Everything begun is ended well, and the store is closed.
  void Close();
  // The process is gone.
  void Die();
  // Gets everything there is to get. REQUIRES: no faults
  void FinishAll();

 private:
  struct Download;
  struct Importing;

  BlobModel& Draw() { return models_[bench_.rng.Below(models_.size())]; }
  // The answer to a call, unless the life is over when it comes.
  template <typename Outcome, typename Then>
  UniqueFunction<void(Outcome)> Answer(Then then) {
    return [this, then = std::move(then)](Outcome outcome) mutable {
      if (!bench_.is_over()) then(std::move(outcome));
    };
  }
  // A store that keeps a reserve refuses before the disk does, and until it has looked again.
  bool failures_are_right() const { return bench_.disk.had_fault() || bench_.disk.had_limit(); }
  void Expect(const BlobModel& model, const Status& status, const char* what);

  void Look(BlobModel& model);
  void StartDownload(BlobModel& model);
  void StepDownload(Download& download);
  void WriteGroups(Download& download);
  void Publish(Download& download);
  void FinishDownload(const std::shared_ptr<Download>& download);
  void EndDownload(const Download* download);
  void PutSmall(BlobModel& model);
  void StartImport(BlobModel& model);
  void StepImport();
  void Rot(BlobModel& model);
  void Withdraw(BlobModel& model);
  void Remove(BlobModel& model);
  void SetPrivate(BlobModel& model);
  void Flush();
  void Read(BlobModel& model);
  void CheckFiles(const BlobModel& model);

  class SimulatedClock;

  Bench& bench_;
  const std::string directory_;
  const store::Layout layout_;
  DiskFiles files_;
  std::unique_ptr<SimulatedClock> clock_;
  store::DiskStore::Options options_;
  std::vector<BlobModel> models_;
  bool gives_up_ = true;           // downloads are left unfinished now and then
  uint64_t carried_groups_ = 0;    // that earlier lives of the process left unsynced
  uint64_t published_groups_ = 0;  // since everything posted had been done

  // Of this life.
  std::unique_ptr<loop::WorkerPool> workers_;
  std::unique_ptr<store::DiskStore> store_;
  std::shared_ptr<Turns::Queue> answers_;
  std::vector<std::shared_ptr<Download>> downloads_;
  std::unique_ptr<Importing> importing_;
};

}  // namespace blobd::faults
