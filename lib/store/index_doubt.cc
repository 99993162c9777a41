// Index: what is not believed until it has been hashed again: blobs whose rows are damaged or were
// lost. They have a row that claims nothing (kReopened with no groups), so that loading it hashes
// what is there. Whoever asks for such a blob has it loaded at once; the others are loaded one
// after the other behind everything else.
#include <utility>

#include "store/index.h"

namespace blobd::store {

// At opening, when what is damaged is not counted as complete.
Status Index::MendRows(const std::vector<Hash>& hashes) {
  for (const Hash& hash : hashes) {
    BLOBD_RETURN_IF_ERROR(MendRow(hash));
    BLOBD_ASSIGN_OR_RETURN(const std::optional<BlobRow> row, db_.Find(hash));
    if (row && row->complete()) tally_.CountIn(row->size);
    doubtful_.push_back(hash);
  }
  return OkStatus();
}

// Whether it was private is not known any more, nor, of what has left nothing, whether it was
// complete.
Status Index::MendRow(const Hash& hash) {
  const WallTime now = options_.clock->WallNow();
  BLOBD_ASSIGN_OR_RETURN(std::optional<BlobRow> row,
                         RowFromWhatIsThere(file_system_, layout_, db_, hash, now));
  if (!row) {
    row.emplace();
    row->hash = hash;
    row->last_use = now;
    row->is_private = true;
    row->was_complete = true;
  }
  return db_.Durably([this, &row] { return db_.Put(*row); });
}

void Index::StartDoubting(std::vector<Hash> hashes, bool look_for_more) {
  doubtful_.insert(doubtful_.end(), hashes.begin(), hashes.end());
  if (look_for_more) {
    StatusOr<std::vector<std::string>> names = file_system_.List(layout_.blobs());
    if (names.ok()) unlooked_ = *std::move(names);
  }
  CountDoubtful();
  strand_->Post([self = shared_from_this()] { self->LookForFiles(); });
}

// One directory at a time, so that others have their turn.
void Index::LookForFiles() {
  if (unlooked_.empty()) return CheckNextDoubtful();
  // What cannot be looked at now is looked at when the store is opened next, or asked for.
  (void)ForEachBlobIn(file_system_, layout_, unlooked_.back(),
                      [this](const Hash& hash) { return DoubtFilesOf(hash); });
  unlooked_.pop_back();
  CountDoubtful();
  strand_->Post([self = shared_from_this()] { self->LookForFiles(); });
}

// The files of a blob in blobs/ whose row is lost, or is an older one from before they were moved
// there.
Status Index::DoubtFilesOf(const Hash& hash) {
  if (FindLive(hash) != nullptr || removals_.contains(hash)) return OkStatus();
  const StatusOr<std::optional<BlobRow>> row = db_.Find(hash);
  if (!row.ok()) return OkStatus();
  if (row->has_value() && (*row)->state != RowState::kPartial) return OkStatus();
  const Status partial = file_system_.Open(layout_.Partial(hash).data, OpenMode::kRead).status();
  if (row->has_value() && partial.code() != StatusCode::kNotFound) return OkStatus();
  BLOBD_ASSIGN_OR_RETURN(
      std::optional<BlobRow> there,
      RowFromWhatIsThere(file_system_, layout_, db_, hash, options_.clock->WallNow()));
  if (!there || there->state != RowState::kReopened) return OkStatus();
  if (row->has_value()) there->is_private = (*row)->is_private;
  doubtful_.push_back(hash);
  return db_.Put(*there);
}

void Index::CheckNextDoubtful() {
  if (doubtful_.empty()) return;
  Look(doubtful_.back(), [this](const StatusOr<Found>&) {
    doubtful_.pop_back();
    CountDoubtful();
    strand_->Post([self = shared_from_this()] { self->CheckNextDoubtful(); });
  });
}

}  // namespace blobd::store
