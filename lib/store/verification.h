// Verification: reads and hashes all that is claimed of one blob, slice by slice on a strand of its
// own, so that other work has its turn between two slices, and withdraws what does not fit.
//
// Thread:    Start on the index strand; the rest on its own strand and there again.
// Ownership: kept alive by its own tasks.
#pragma once

#include <memory>

#include "store/index.h"
#include "store/store_job.h"

namespace blobd::store {

class Verification : public std::enable_shared_from_this<Verification> {
 public:
  using Answer = UniqueFunction<void(StatusOr<Verified>)>;

  Verification(std::shared_ptr<Index> index, const Hash& hash, std::shared_ptr<JobState> job,
               Answer answer);
  void Start();

 private:
  void OnOpened(StatusOr<Claimed> claimed);
  void CheckSlice();
  void Withdraw();
  void AnswerWithWhatIsMissing();

  const std::shared_ptr<Index> index_;
  const Hash hash_;
  const std::shared_ptr<JobState> job_;
  const std::shared_ptr<Executor> strand_;
  Answer answer_;
  Claimed claimed_;
  RangeSet left_;  // of the claimed groups, those not yet read
  Verified verified_;
};

}  // namespace blobd::store
