// Loading finds out what there is of a blob that is not complete: opens its files, and looks for
// groups that fit the hash and that its row does not claim. It works in slices, so that others have
// their turn at the workers; and one that needs more than a few waits for its turn among its like.
//
// Thread:    made and started on the index strand, and `then` is called there; works on the blob's
//            own.
// Ownership: kept alive by its own tasks, and keeps the index alive; while it waits, the index
// keeps
//            it.
#pragma once

#include <cstdint>
#include <memory>

#include "base/range_set.h"
#include "base/status.h"
#include "base/task.h"
#include "store/blob_row.h"
#include "store/disk_files.h"
#include "store/recovery.h"

namespace blobd::store {

class Index;

struct Loaded {
  SharedFiles files;  // null: the blob has none, nothing of it is left
  RangeSet known;     // what the row claims and the files can hold
  RecoveredGroups found;
  bool is_moving = false;  // see LiveBlob::may_be_moved
  bool has_data = false;
};

class Loading : public std::enable_shared_from_this<Loading> {
 public:
  using Answer = UniqueFunction<void(StatusOr<Loaded>)>;

  Loading(std::shared_ptr<Index> index, BlobRow row, std::shared_ptr<Executor> strand, Answer then);
  void Start();

 private:
  Status Open();
  Status FindSlice();
  StatusOr<RangeSet> NextSlice();
  // Does `step` on the blob's strand, and ends with its error if it has one.
  void Do(Status (Loading::*step)());
  void DoInTurn(Status (Loading::*step)());
  Status MakeWhole();
  bool has_all() const;
  void End(StatusOr<Loaded> loaded);

  std::shared_ptr<Index> index_;  // null while it waits for its turn
  const BlobRow row_;
  const std::shared_ptr<Executor> strand_;
  Answer then_;
  // Nothing is believed of it (RowState::kReopened with no groups), but all of it was synced once.
  const bool is_doubtful_;
  Loaded loaded_;
  uint64_t next_group_ = 0;  // to be looked at
  uint64_t slices_ = 0;
  bool has_turn_ = false;
};

}  // namespace blobd::store
