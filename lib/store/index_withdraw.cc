// Index: taking back what no longer fits its hash. The groups in doubt are read on a worker, and
// outboards made right that are all that is wrong; what is taken back goes in one step of the index
// strand, first from store.db and then from memory, so that nobody sees or records anything in
// between.
#include <utility>

#include "bao/tree.h"
#include "store/index.h"

namespace blobd::store {

// One at a time for each blob, and the next reads anew: nobody else takes groups from a complete
// blob, so what was read stays true until it is acted on.
void Index::Withdraw(const Hash& hash, const RangeSet& groups, Answer<Status> then) {
  const auto [it, is_first] = withdrawals_.try_emplace(hash);
  it->second.groups.InsertAll(groups);
  it->second.waiters.push_back(std::move(then));
  if (is_first) NextWithdrawal(hash);
}

void Index::NextWithdrawal(const Hash& hash) {
  const auto it = withdrawals_.find(hash);
  if (it->second.waiters.empty()) {
    withdrawals_.erase(it);
    return;
  }
  Withdrawal next = std::exchange(it->second, {});
  auto done = [this, hash, waiters = std::move(next.waiters)](const Status& status) mutable {
    for (auto& then : waiters) then(status);
    NextWithdrawal(hash);
  };
  WithdrawNow(hash, std::move(next.groups), std::move(done));
}

void Index::WithdrawNow(const Hash& hash, RangeSet groups, Answer<Status> then) {
  Look(hash, [this, hash, groups = std::move(groups),
              then = std::move(then)](StatusOr<Found> found) mutable {
    if (!found.ok()) return then(found.status());
    if (found->complete && found->complete->state == RowState::kInRow)
      return then(WithdrawSmall(*found->complete, groups));
    if (found->complete)
      return WithdrawComplete(*found->complete, std::move(groups), std::move(then));
    const Live& live = found->live;
    if (live == nullptr) return then(OkStatus());
    if (live->phase == LiveBlob::Phase::kOpen)
      return WithdrawPartial(live, std::move(groups), std::move(then));
    live->finish_waiters.push_back(
        [this, hash, groups = std::move(groups), then = std::move(then)](const Status&) mutable {
          WithdrawNow(hash, std::move(groups), std::move(then));
        });
  });
}

Status Index::WithdrawSmall(const BlobRow& row, const RangeSet& groups) {
  if (!groups.Contains(0)) return OkStatus();
  const Status content = SmallContent(row).status();
  if (content.code() != StatusCode::kDataLoss) return content;
  BlobRow rotten = row;
  rotten.was_complete = true;
  const Status removed = db_.Durably([this, &rotten]() -> Status {
    BLOBD_RETURN_IF_ERROR(db_.RemoveContent(rotten.hash));
    return Forget(rotten);
  });
  BLOBD_RETURN_IF_ERROR(removed);
  tally_.CountOut(row.size);
  TellAbsent(rotten);
  return OkStatus();
}

// `files` are all there is of the blob on the disk, and `whole` the groups that are said to be in
// them.
StatusOr<Index::Rot> Index::FindRot(const StatusOr<SharedFiles>& files, const Hash& hash,
                                    uint64_t size, RangeSet groups, const RangeSet& whole) {
  if (files.status().code() == StatusCode::kNotFound) return Rot{RangeSet::All(), true};
  BLOBD_RETURN_IF_ERROR(files.status());
  if (size == 0) return Rot{std::move(groups)};
  File& data = *(*files)->data;
  File& outboard = *(*files)->outboard;
  BLOBD_ASSIGN_OR_RETURN(const RangeSet fitting, FittingGroups(hash, size, groups, data, outboard));
  groups.RemoveAll(fitting);
  if (groups.empty()) return Rot();
  BLOBD_ASSIGN_OR_RETURN(const RangeSet mended,
                         MendGroups(hash, size, groups, whole, data, outboard));
  groups.RemoveAll(mended);
  return Rot{std::move(groups)};
}

void Index::WithdrawComplete(const BlobRow& row, RangeSet groups, Answer<Status> then) {
  groups = groups.Intersection(Range{0, bao::GroupCount(row.size)});
  if (groups.empty()) return then(OkStatus());
  withdrawals_.at(row.hash).was_removed = false;
  auto check = [&file_system = file_system_, layout = layout_, hash = row.hash, size = row.size,
                groups = std::move(groups)]() -> StatusOr<Rot> {
    BLOBD_RETURN_IF_ERROR(MakeOutboardFile(file_system, layout, hash));
    return FindRot(OpenFiles(file_system, layout.Complete(hash), OpenMode::kReadWrite), hash, size,
                   groups, RangeSet::All());
  };
  RunJob(nullptr, std::move(check),
         [this, hash = row.hash, then = std::move(then)](StatusOr<Rot> rot) mutable {
           if (!rot.ok()) return then(rot.status());
           if (rot->groups.empty()) return then(OkStatus());
           StatusOr<std::optional<BlobRow>> now = db_.Find(hash);
           if (!now.ok()) return then(now.status());
           const bool is_as_checked = *now && (*now)->state == RowState::kInFiles &&
                                      FindLive(hash) == nullptr &&
                                      !withdrawals_.at(hash).was_removed;
           // Removed, reopened or hidden meanwhile: what is left of it is looked at anew.
           if (!is_as_checked) return WithdrawNow(hash, std::move(rot->groups), std::move(then));
           then(Reopen(**std::move(now), *rot));
         });
}

// Makes a complete blob partial. `row` is what the database says of it now.
Status Index::Reopen(BlobRow row, const Rot& rot) {
  row.state = RowState::kReopened;
  row.was_complete = true;
  row.groups = RangeSet(Range{0, bao::GroupCount(row.size)});
  row.groups.RemoveAll(rot.groups);
  BLOBD_RETURN_IF_ERROR(db_.Durably([this, &row] { return db_.Put(row); }));
  tally_.CountOut(row.size);
  const Live live = AddLive(row.hash, {});
  live->groups = row.groups;
  live->row = std::move(row);
  live->in_db = true;
  live->may_be_moved = true;
  Tell(*live);
  MaybeIdle(live);
  return OkStatus();
}

void Index::WithdrawPartial(const Live& live, RangeSet groups, Answer<Status> then) {
  groups = groups.Intersection(live->groups);
  if (groups.empty()) return then(OkStatus());
  WithFiles(live, [this, live, groups = std::move(groups),
                   then = std::move(then)](StatusOr<SharedFiles> files) mutable {
    auto check = [files = std::move(files), hash = live->hash, size = live->row.size, groups,
                  whole = live->groups] { return FindRot(files, hash, size, groups, whole); };
    auto checked = [this, live, groups = std::move(groups),
                    then = std::move(then)](StatusOr<Rot> rot) mutable {
      if (!rot.ok()) return then(rot.status());
      TakeBack(live, *std::move(rot), std::move(groups), std::move(then));
    };
    // Not on the blob's strand: its syncs need not wait for this.
    RunJob(nullptr, std::move(check), std::move(checked));
  });
}

void Index::TakeBack(const Live& live, Rot rot, RangeSet groups, Answer<Status> then) {
  // Completed or about to be, perhaps by an import with files of its own; or no longer missing.
  const bool is_outdated =
      live->phase != LiveBlob::Phase::kOpen || (rot.files_missing && live->files != nullptr);
  if (is_outdated) return WithdrawNow(live->hash, std::move(groups), std::move(then));
  // What is being synced would be recorded after us.
  if (!live->syncing.empty()) {
    live->sync_waiters.push_back([this, live, rot = std::move(rot), groups = std::move(groups),
                                  then = std::move(then)](const Status&) mutable {
      TakeBack(live, std::move(rot), std::move(groups), std::move(then));
    });
    return;
  }
  then(TakeBackNow(live, rot));
}

Status Index::TakeBackNow(const Live& live, const Rot& rot) {
  const RangeSet rotten = live->groups.Intersection(rot.groups);
  if (rotten.empty()) return OkStatus();
  BlobRow row = live->row;
  row.groups.RemoveAll(rotten);
  if (live->may_be_moved) {
    row.state = RowState::kReopened;
    row.was_complete = true;
  }
  if (rot.files_missing) row.state = RowState::kPartial;
  BLOBD_RETURN_IF_ERROR(db_.Durably([this, &row] { return db_.Put(row); }));
  live->row = std::move(row);
  live->in_db = true;
  live->groups.RemoveAll(rotten);
  dirty_bytes_ -= live->dirty.Intersection(rotten).Count() * kGroupSize;
  live->dirty.RemoveAll(rotten);
  ++live->withdrawals;
  live->withdrawn.InsertAll(rotten);
  live->guard.Release(rotten);
  if (rot.files_missing) {
    ++live->generation;  // whoever has such files open writes to nowhere
    live->may_be_moved = false;
    live->names_synced = false;
  }
  Tell(*live);
  Settle(live);
  return OkStatus();
}

}  // namespace blobd::store
