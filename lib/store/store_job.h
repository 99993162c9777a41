// The two ends of long work: whoever asked for it may cancel it, and hears how far it is.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "store/blob_store.h"
#include "store/watches.h"

namespace blobd::store {

// Thread: any.
class JobState {
 public:
  // `progress` may be empty; `call_on` outlives the job, or is kept alive by `progress`.
  JobState(Executor& call_on, UniqueFunction<void(uint64_t)> progress) {
    if (!progress) return;
    progress_ = std::make_shared<Progress>(
        call_on,
        [progress = std::move(progress)](const uint64_t& bytes) mutable { progress(bytes); });
  }
  void Cancel() {
    cancelled_ = true;
    if (progress_ != nullptr) progress_->End();
  }
  bool cancelled() const { return cancelled_; }
  // One thread at a time.
  void Tell(uint64_t bytes) {
    if (progress_ != nullptr) progress_->Tell(std::make_shared<const uint64_t>(bytes));
  }

 private:
  std::atomic<bool> cancelled_ = false;
  std::shared_ptr<Progress> progress_;
};

class JobHandle final : public StoreJob {
 public:
  explicit JobHandle(std::shared_ptr<JobState> state) : state_(std::move(state)) {}
  ~JobHandle() override { state_->Cancel(); }
  JobHandle(const JobHandle&) = delete;
  JobHandle& operator=(const JobHandle&) = delete;

 private:
  const std::shared_ptr<JobState> state_;
};

}  // namespace blobd::store
