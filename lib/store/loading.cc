#include "store/loading.h"

#include <algorithm>
#include <utility>

#include "bao/tree.h"
#include "store/index.h"

namespace blobd::store {
namespace {

constexpr uint64_t kSliceGroups = 1024;  // 16 MiB
// What the last life had not recorded when it ended is less than this, most of the time.
constexpr uint64_t kFreeSlices = 4;

}  // namespace

Loading::Loading(std::shared_ptr<Index> index, BlobRow row, std::shared_ptr<Executor> strand,
                 Answer then)
    : index_(std::move(index)),
      row_(std::move(row)),
      strand_(std::move(strand)),
      then_(std::move(then)),
      is_doubtful_(row_.state == RowState::kReopened && row_.groups.empty()) {}

void Loading::Start() { Do(&Loading::Open); }

void Loading::Do(Status (Loading::*step)()) {
  strand_->Post([self = shared_from_this(), step] {
    if (Status status = (self.get()->*step)(); !status.ok()) self->End(std::move(status));
  });
}

void Loading::DoInTurn(Status (Loading::*step)()) {
  if (has_turn_) return Do(step);
  index_->strand().Post([self = shared_from_this(), step] {
    // The index keeps what waits there, which must not keep the index.
    Index* const index = self->index_.get();
    const std::shared_ptr<Index> alive = std::exchange(self->index_, nullptr);
    index->long_loads().Ask([self, step, index] {
      self->index_ = index->shared_from_this();
      self->has_turn_ = true;
      self->Do(step);
    });
  });
}

Status Loading::Open() {
  FileSystem& file_system = index_->file_system();
  const Range all{0, bao::GroupCount(row_.size)};
  loaded_.is_moving =
      (row_.size_proven && row_.groups.ContainsAll(all)) || row_.state == RowState::kReopened;
  if (is_doubtful_)
    BLOBD_RETURN_IF_ERROR(MakeOutboardFile(file_system, index_->layout(), row_.hash));
  StatusOr<SharedFiles> files =
      OpenLiveFiles(file_system, index_->layout(), row_.hash, loaded_.is_moving);
  if (files.status().code() == StatusCode::kNotFound) {
    End(std::move(loaded_));
    return OkStatus();
  }
  BLOBD_RETURN_IF_ERROR(files.status());
  loaded_.files = *std::move(files);
  loaded_.known = row_.groups;
  BLOBD_ASSIGN_OR_RETURN(const uint64_t file_size, loaded_.files->data->Size());
  loaded_.has_data = file_size > 0;
  if (!row_.groups.empty()) {
    uint64_t needed = row_.groups.ranges().back().end * kGroupSize;
    if (row_.size_proven) needed = std::min(needed, row_.size);
    // Somebody cut the file: nothing the row claims is believed without looking.
    if (file_size < needed) loaded_.known = RangeSet();
  }
  if (row_.size > 0) return FindSlice();
  End(std::move(loaded_));
  return OkStatus();
}

Status Loading::FindSlice() {
  const uint64_t count = bao::GroupCount(row_.size);
  if (next_group_ == count) {
    loaded_.found.has_last = loaded_.found.groups.Contains(count - 1);
    if (is_doubtful_ && !has_all()) {
      DoInTurn(&Loading::MakeWhole);
    } else {
      End(std::move(loaded_));
    }
    return OkStatus();
  }
  BLOBD_ASSIGN_OR_RETURN(const RangeSet slice, NextSlice());
  if (!slice.empty()) {
    // Only what was not synced for certain need be written again.
    const auto look = is_doubtful_ ? FittingGroups : WriteAgain;
    BLOBD_ASSIGN_OR_RETURN(
        const RangeSet fitting,
        look(row_.hash, row_.size, slice, *loaded_.files->data, *loaded_.files->outboard));
    loaded_.found.groups.InsertAll(fitting);
    ++slices_;
  }
  if (slices_ < kFreeSlices) {
    Do(&Loading::FindSlice);
  } else {
    DoInTurn(&Loading::FindSlice);
  }
  return OkStatus();
}

// The next groups that hold data and are not known; perhaps none.
StatusOr<RangeSet> Loading::NextSlice() {
  const uint64_t count = bao::GroupCount(row_.size);
  RangeSet slice;
  uint64_t room = kSliceGroups;
  while (next_group_ < count && room > 0) {
    BLOBD_ASSIGN_OR_RETURN(const std::optional<Range> extent,
                           loaded_.files->data->NextExtent(next_group_ * kGroupSize));
    if (!extent || extent->begin >= row_.size) {
      next_group_ = count;
      break;
    }
    const uint64_t first = std::max(next_group_, extent->begin / kGroupSize);
    const uint64_t last = (std::min(extent->end, row_.size) - 1) / kGroupSize;
    next_group_ = std::min(std::max(last, first) + 1, first + room);
    room -= next_group_ - first;
    slice.Insert({first, next_group_});
  }
  slice.RemoveAll(loaded_.known);
  return slice;
}

bool Loading::has_all() const {
  return loaded_.found.groups.ContainsAll({0, bao::GroupCount(row_.size)});
}

// All of the data may be there although its outboard is not.
Status Loading::MakeWhole() {
  BLOBD_ASSIGN_OR_RETURN(
      const bool is_whole,
      MendOutboard(row_.hash, row_.size, *loaded_.files->data, *loaded_.files->outboard));
  if (is_whole) loaded_.found = {RangeSet(Range{0, bao::GroupCount(row_.size)}), true};
  End(std::move(loaded_));
  return OkStatus();
}

void Loading::End(StatusOr<Loaded> loaded) {
  index_->strand().Post([self = shared_from_this(), loaded = std::move(loaded)]() mutable {
    if (self->has_turn_) self->index_->long_loads().End();
    self->then_(std::move(loaded));
  });
}

}  // namespace blobd::store
