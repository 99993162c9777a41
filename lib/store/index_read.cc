// Index: answering questions and opening readers.
#include <utility>

#include "bao/tree.h"
#include "blake3/hasher.h"
#include "store/disk_reader.h"
#include "store/group_map.h"
#include "store/index.h"

namespace blobd::store {
namespace {

// Use is noted no finer than this, so that reading does not turn into writing.
constexpr Duration kLastUseGrain = minutes(1);

std::shared_ptr<File> DataOf(const SharedFiles& files) { return {files, files->data.get()}; }

}  // namespace

BlobInfo Index::InfoOf(const BlobRow& row) const {
  BlobInfo info;
  info.hash = row.hash;
  info.size_proven = row.size_proven;
  info.last_use = row.last_use;
  if (row.complete()) {
    info.state = BlobState::kComplete;
    info.size = row.size;
    info.groups = RangeSet(Range{0, bao::GroupCount(row.size)});
    info.verified_bytes = row.size;
  } else if (!row.groups.empty()) {
    info.state = BlobState::kPartial;
    info.size = row.size;
    info.groups = row.groups;
    info.verified_bytes = BytesOfGroups(row.groups, row.size, row.size_proven);
  }
  return info;
}

BlobInfo Index::InfoOf(const LiveBlob& live) const {
  if (live.phase == LiveBlob::Phase::kLoading) return InfoOf(live.row);
  BlobRow row = live.row;
  row.groups = live.groups;
  return InfoOf(row);
}

void Index::Lookup(const Hash& hash, Answer<StatusOr<BlobInfo>> then) {
  Look(hash, [this, hash, then = std::move(then)](StatusOr<Found> found) mutable {
    if (!found.ok()) return then(found.status());
    if (found->complete) return then(InfoOf(*found->complete));
    if (found->live == nullptr) {
      BlobInfo absent;
      absent.hash = hash;
      return then(std::move(absent));
    }
    if (found->live->phase == LiveBlob::Phase::kFinishing) {
      // In a moment it is complete; if that fails, what is verified is the answer.
      found->live->finish_waiters.push_back(
          [this, hash, then = std::move(then)](const Status&) mutable {
            Lookup(hash, std::move(then));
          });
      return;
    }
    then(InfoOf(*found->live));
  });
}

void Index::OpenReader(const Hash& hash, Answer<StatusOr<std::shared_ptr<BlobReader>>> then) {
  Look(hash, [this, hash, then = std::move(then)](StatusOr<Found> found) mutable {
    if (!found.ok()) return then(found.status());
    if (found->complete) return ReadComplete(*found->complete, std::move(then));
    if (found->live == nullptr || found->live->groups.empty()) {
      return then(NotFound("nothing of blob {} is here", hash.Short()));
    }
    ReadLive(found->live, std::move(then));
  });
}

void Index::ReadComplete(const BlobRow& row, Answer<StatusOr<std::shared_ptr<BlobReader>>> then) {
  const WallTime now = options_.clock->WallNow();
  if (now - row.last_use >= kLastUseGrain) (void)db_.SetLastUse(row.hash, now);
  BlobInfo info = InfoOf(row);
  if (row.state == RowState::kInRow) {
    StatusOr<std::optional<Bytes>> content = db_.Content(row.hash);
    if (!content.ok()) return then(content.status());
    if (!content->has_value() || (*content)->size() != row.size ||
        blake3::HashOf(**content) != row.hash) {
      return then(DataLoss("the bytes of blob {} in store.db are damaged", row.hash.Short()));
    }
    return then(std::shared_ptr<BlobReader>(
        std::make_shared<MemoryReader>(std::move(**content), std::move(info))));
  }
  auto open = [&file_system = file_system_, path = layout_.Complete(row.hash).data,
               info = std::move(info)]() -> StatusOr<std::shared_ptr<BlobReader>> {
    StatusOr<std::unique_ptr<File>> file = file_system.Open(path, OpenMode::kRead);
    if (file.status().code() == StatusCode::kNotFound) return DataLoss("{} is missing", path);
    BLOBD_RETURN_IF_ERROR(file.status());
    return std::shared_ptr<BlobReader>(std::make_shared<FileReader>(*std::move(file), info));
  };
  RunJob(nullptr, std::move(open), std::move(then));
}

void Index::ReadLive(const Live& live, Answer<StatusOr<std::shared_ptr<BlobReader>>> then) {
  BlobInfo info = InfoOf(*live);
  if (live->small) {
    return then(
        std::shared_ptr<BlobReader>(std::make_shared<MemoryReader>(*live->small, std::move(info))));
  }
  if (live->files != nullptr) {
    return then(std::shared_ptr<BlobReader>(
        std::make_shared<FileReader>(DataOf(live->files), std::move(info))));
  }
  auto open = [&file_system = file_system_, partial = layout_.Partial(live->hash),
               complete = layout_.Complete(live->hash),
               info = std::move(info)]() -> StatusOr<std::shared_ptr<BlobReader>> {
    BLOBD_ASSIGN_OR_RETURN(const SharedFiles files,
                           OpenMovingFiles(file_system, partial, complete));
    return std::shared_ptr<BlobReader>(std::make_shared<FileReader>(DataOf(files), info));
  };
  RunJob(live.get(), std::move(open), std::move(then));
}

void Index::List(const std::optional<Hash>& after, size_t limit,
                 Answer<StatusOr<std::vector<BlobInfo>>> then) {
  std::vector<BlobInfo> infos;
  std::optional<Hash> cursor = after;
  while (infos.size() < limit) {
    // Rows of blobs of which nothing is verified yet are passed over, so one query may not fill the
    // page.
    const StatusOr<std::vector<BlobRow>> rows = db_.List(cursor, limit - infos.size());
    if (!rows.ok()) return then(rows.status());
    if (rows->empty()) break;
    for (const BlobRow& row : *rows) {
      cursor = row.hash;
      const Live live = row.complete() ? nullptr : FindLive(row.hash);
      BlobInfo info = live != nullptr ? InfoOf(*live) : InfoOf(row);
      if (info.state != BlobState::kAbsent) infos.push_back(std::move(info));
    }
  }
  then(std::move(infos));
}

void Index::Stats(Answer<StatusOr<StoreStats>> then) {
  const StatusOr<std::vector<BlobRow>> rows = db_.ListPartial();
  if (!rows.ok()) return then(rows.status());
  StoreStats stats;
  stats.complete_blobs = totals_.blobs;
  stats.complete_bytes = totals_.bytes;
  for (const BlobRow& row : *rows) {
    const Live live = FindLive(row.hash);
    const BlobInfo info = live != nullptr ? InfoOf(*live) : InfoOf(row);
    if (info.state == BlobState::kAbsent) continue;
    ++stats.partial_blobs;
    stats.partial_bytes += info.verified_bytes;
  }
  then(stats);
}

}  // namespace blobd::store
