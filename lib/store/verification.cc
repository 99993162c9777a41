#include "store/verification.h"

#include <algorithm>
#include <utility>

#include "bao/tree.h"
#include "store/group_map.h"
#include "store/recovery.h"

namespace blobd::store {
namespace {

// 16 MiB: some tens of milliseconds on a disk that seeks.
constexpr uint64_t kSliceGroups = 1024;

// The first groups of `groups`, at most a slice of them.
RangeSet FirstSlice(const RangeSet& groups) {
  RangeSet slice;
  uint64_t room = kSliceGroups;
  for (const Range& range : groups.ranges()) {
    if (room == 0) break;
    const uint64_t count = std::min(range.size(), room);
    slice.Insert({range.begin, range.begin + count});
    room -= count;
  }
  return slice;
}

}  // namespace

Verification::Verification(std::shared_ptr<Index> index, const Hash& hash,
                           std::shared_ptr<JobState> job, Answer answer)
    : index_(std::move(index)),
      hash_(hash),
      job_(std::move(job)),
      strand_(index_->MakeStrand()),
      answer_(std::move(answer)) {}

void Verification::Start() {
  index_->OpenClaimed(hash_, [self = shared_from_this()](StatusOr<Claimed> claimed) {
    self->OnOpened(std::move(claimed));
  });
}

void Verification::OnOpened(StatusOr<Claimed> claimed) {
  if (!claimed.ok()) return answer_(claimed.status());
  claimed_ = *std::move(claimed);
  if (claimed_.is_small) {
    const StatusCode code = claimed_.small.code();
    if (code != StatusCode::kOk && code != StatusCode::kDataLoss) return answer_(claimed_.small);
    verified_.checked_bytes = claimed_.size;
    if (code == StatusCode::kDataLoss) verified_.rotten = claimed_.groups;
    return Withdraw();
  }
  if (claimed_.files == nullptr || claimed_.size == 0) {
    verified_.rotten = claimed_.groups;
    return Withdraw();
  }
  left_ = claimed_.groups;
  strand_->Post([self = shared_from_this()] { self->CheckSlice(); });
}

void Verification::CheckSlice() {
  if (job_->cancelled()) return answer_(Cancelled("verifying was cancelled"));
  const RangeSet slice = FirstSlice(left_);
  if (slice.empty()) {
    index_->strand().Post([self = shared_from_this()] { self->Withdraw(); });
    return;
  }
  const StatusOr<RangeSet> fitting =
      FittingGroups(hash_, claimed_.size, slice, *claimed_.files->data, *claimed_.files->outboard);
  if (!fitting.ok()) return answer_(fitting.status());
  RangeSet rotten = slice;
  rotten.RemoveAll(*fitting);
  verified_.rotten.InsertAll(rotten);
  verified_.checked_bytes += BytesOfGroups(slice, claimed_.size, true);
  left_.RemoveAll(slice);
  job_->Tell(verified_.checked_bytes);
  strand_->Post([self = shared_from_this()] { self->CheckSlice(); });
}

// On the index strand. What was read may be mended, or gone, by now: only what does not fit then is
// taken back.
void Verification::Withdraw() {
  if (verified_.rotten.empty()) return answer_(std::move(verified_));
  claimed_.files = nullptr;
  index_->Withdraw(hash_, verified_.rotten, [self = shared_from_this()](const Status& status) {
    if (!status.ok()) return self->answer_(status);
    self->AnswerWithWhatIsMissing();
  });
}

// A rotten outboard was mended if the data was right.
void Verification::AnswerWithWhatIsMissing() {
  index_->Lookup(hash_, [self = shared_from_this()](const StatusOr<BlobInfo>& info) {
    if (!info.ok()) return self->answer_(info.status());
    self->verified_.rotten.RemoveAll(info->groups);
    self->answer_(std::move(self->verified_));
  });
}

}  // namespace blobd::store
