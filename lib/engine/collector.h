// Collector: one run of garbage collection. It gathers what is protected, walks over all blobs in
// the order of their use, and removes what its plan gives up, a batch at a time.
//
//   Start --> gathering --> the next page of blobs --> a batch of it is judged and removed --+
//                                    ^                                                      |
//                                    `------------------------------------------------------'
//
// A blob is judged in the turn of the control loop in which its removal is ordered, so whatever is
// wanted, tagged or leased before that turn is kept, and what is wanted later finds it gone in the
// store. While a list of hashes is arriving nobody knows what it names: the run waits for it, but
// for a minute in all. A provider may let a list trickle for ever, and what it names can be got
// again by whoever wants it.
//
// Thread:    the control loop.
// Ownership: held by the callbacks that it waits for. All of Deps outlive it.
// Errors:    as Gathering; kCancelled; what the store says.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "base/timers.h"
#include "engine/gathering.h"
#include "engine/gc_plan.h"

namespace blobd::engine {

struct GcRequest {
  bool dry_run = false;
  std::optional<uint64_t> to_bytes = {};  // nullopt: everything that nothing protects goes
  size_t max_listed = 0;                  // of those that go, and of those that stay
};

struct GcVerdict {
  store::BlobUse blob;
  Keeping keeping;
};

struct GcReport {
  uint64_t seen_blobs = 0;
  uint64_t removed_blobs = 0;
  uint64_t removed_bytes = 0;
  uint64_t kept_blobs = 0;
  uint64_t kept_bytes = 0;
  std::vector<GcVerdict> removed;  // listed, the oldest use first
  std::vector<GcVerdict> kept;
};

// Long work of the keeper under way.
class KeeperJob {
 public:
  virtual ~KeeperJob() = default;
  // It ends soon, with kCancelled; what is done stays done. Control loop.
  virtual void Cancel() = 0;
};

class Collector final : public KeeperJob, public std::enable_shared_from_this<Collector> {
 public:
  struct Deps {
    Executor& control;
    Timers& timers;
    store::BlobStore& store;
    std::shared_ptr<Gathering> gathering;
    // Blobs that are being taken in just now: not to be removed.
    std::function<bool(const store::BlobUse&)> is_being_added;
  };

  // `progress` may be empty; it is called after each batch.
  Collector(Deps deps, GcRequest request, std::function<void(const GcReport&)> progress,
            UniqueFunction<void(const Status&, GcReport)> done);

  void Start();
  void Cancel() override { cancelled_ = true; }

 private:
  void OnGathered(const Status& status);
  void NextPage();
  void OnPage(StatusOr<std::vector<store::BlobUse>> page);
  void NextBatch();
  void JudgeBatch();
  void Remove(const store::BlobUse& blob, Keeping keeping);
  void OnRemoved(const store::BlobUse& blob, const Status& status);
  void OnBatchDone();
  void Keep(const store::BlobUse& blob, Keeping keeping);
  void End(const Status& status);

  const Deps deps_;
  const GcRequest request_;
  std::function<void(const GcReport&)> progress_;
  UniqueFunction<void(const Status&, GcReport)> done_;
  GcReport report_;
  std::optional<GcPlan> plan_;
  std::optional<store::UseCursor> cursor_;
  std::vector<store::BlobUse> page_;
  size_t next_ = 0;      // in page_
  size_t removals_ = 0;  // ordered, not answered
  Status failure_;
  Duration waited_{0};
  bool cancelled_ = false;
};

}  // namespace blobd::engine
