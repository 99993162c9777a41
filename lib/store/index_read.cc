// Index: answering questions, opening readers, telling watchers.
#include <utility>

#include "bao/tree.h"
#include "base/error_reason.h"
#include "blake3/hasher.h"
#include "store/disk_reader.h"
#include "store/group_map.h"
#include "store/index.h"

namespace blobd::store {
namespace {

// Use is noted no finer than this, so that reading does not turn into writing.
constexpr Duration kLastUseGrain = hours(1);
// So many are counted of a file, which makes it cheap enough to be done in place.
constexpr size_t kMostExtents = 4096;

StatusOr<std::shared_ptr<BlobReader>> MakeReader(StatusOr<SharedFiles> files, BlobInfo info) {
  if (files.status().code() == StatusCode::kNotFound)
    return ErrorFor(Reason::kBlobDamaged, "the files of blob {} are missing", info.hash.Short());
  BLOBD_RETURN_IF_ERROR(files.status());
  return std::shared_ptr<BlobReader>(
      std::make_shared<FileReader>(*std::move(files), std::move(info)));
}

}  // namespace

uint64_t Index::DiskBytes(const BlobInfo& info) {
  return info.verified_bytes + bao::OutboardSize(info.verified_bytes);
}

BlobInfo Index::InfoOf(const BlobRow& row) const {
  BlobInfo info;
  info.hash = row.hash;
  info.size_proven = row.size_proven;
  info.last_use = row.last_use;
  info.is_private = row.is_private;
  info.was_complete = !row.complete() && row.was_complete;
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

// Of a blob of which nothing is verified: bytes that came without proof, or that the last life
// left. They are there to be removed, and for nothing else.
uint64_t Index::UnprovenBytes(const BlobRow& row) {
  const Live live = FindLive(row.hash);
  const bool may_have = live != nullptr
                            ? live->groups.empty() && (live->keeps_unproven || live->unrecovered)
                            : row.state == RowState::kPartial && row.groups.empty() && row.size > 0;
  if (!may_have) return 0;
  const auto file = file_system_.Open(layout_.Partial(row.hash).data, OpenMode::kRead);
  if (!file.ok()) return 0;
  uint64_t bytes = 0;
  uint64_t at = 0;
  for (size_t i = 0; i < kMostExtents; ++i) {
    const StatusOr<std::optional<Range>> extent = (*file)->NextExtent(at);
    if (!extent.ok() || !*extent || (*extent)->end <= at) break;
    bytes += (*extent)->size();
    at = (*extent)->end;
  }
  return bytes;
}

void Index::Lookup(const Hash& hash, Answer<StatusOr<BlobInfo>> then) {
  Look(hash, [this, hash, then = std::move(then)](StatusOr<Found> found) mutable {
    AnswerLookup(hash, std::move(found), std::move(then));
  });
}

void Index::LookupMany(const std::vector<Hash>& hashes,
                       const std::function<void(size_t, StatusOr<BlobInfo>)>& then) {
  std::vector<StatusOr<std::optional<BlobRow>>> rows = db_.FindMany(hashes);
  for (size_t i = 0; i < hashes.size(); ++i) {
    LookAt(hashes[i], &rows[i], [this, hash = hashes[i], i, then](StatusOr<Found> found) {
      AnswerLookup(hash, std::move(found),
                   [i, then](StatusOr<BlobInfo> info) { then(i, std::move(info)); });
    });
  }
}

void Index::AnswerLookup(const Hash& hash, StatusOr<Found> found, Answer<StatusOr<BlobInfo>> then) {
  if (!found.ok()) return then(found.status());
  if (found->complete) return then(InfoOf(*found->complete));
  if (found->live == nullptr) {
    BlobInfo absent;
    absent.hash = hash;
    absent.is_private = found->is_private;
    absent.was_complete = found->was_complete;
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
}

void Index::OpenReader(const Hash& hash, Answer<StatusOr<std::shared_ptr<BlobReader>>> then) {
  Look(hash, [this, hash, then = std::move(then)](StatusOr<Found> found) mutable {
    if (!found.ok()) return then(found.status());
    if (found->complete) {
      Touch(*found->complete, true);
      return ReadComplete(*found->complete, std::move(then));
    }
    if (found->live == nullptr || found->live->groups.empty()) {
      return then(ErrorFor(Reason::kUnknownBlob, "nothing of blob {} is here", hash.Short()));
    }
    Touch(found->live->row, found->live->in_db);
    ReadLive(found->live, std::move(then));
  });
}

void Index::ReadComplete(const BlobRow& row, Answer<StatusOr<std::shared_ptr<BlobReader>>> then) {
  BlobInfo info = InfoOf(row);
  if (row.state == RowState::kInRow) {
    StatusOr<Bytes> content = SmallContent(row);
    if (!content.ok()) return then(content.status());
    return then(std::shared_ptr<BlobReader>(
        std::make_shared<MemoryReader>(*std::move(content), std::move(info))));
  }
  auto open = [&file_system = file_system_, paths = layout_.Complete(row.hash),
               info = std::move(info)]() mutable {
    return MakeReader(OpenCompleteFiles(file_system, paths), std::move(info));
  };
  RunJob(nullptr, std::move(open), std::move(then));
}

// Somebody uses the blob.
void Index::Touch(BlobRow& row, bool in_db) {
  const WallTime now = options_.clock->WallNow();
  // A clock that was set back makes no blob seem used in the future for ever.
  if (now - row.last_use < kLastUseGrain && now >= row.last_use) return;
  row.last_use = now;
  if (in_db) (void)db_.SetLastUse(row.hash, now);
}

// The bytes of a small blob, checked.
StatusOr<Bytes> Index::SmallContent(const BlobRow& row) {
  BLOBD_ASSIGN_OR_RETURN(std::optional<Bytes> content, db_.Content(row.hash));
  if (!content || content->size() != row.size || blake3::HashOf(*content) != row.hash)
    return ErrorFor(Reason::kBlobDamaged, "the bytes of blob {} in store.db are damaged",
                    row.hash.Short());
  return *std::move(content);
}

void Index::ReadLive(const Live& live, Answer<StatusOr<std::shared_ptr<BlobReader>>> then) {
  BlobInfo info = InfoOf(*live);
  if (live->small) {
    return then(
        std::shared_ptr<BlobReader>(std::make_shared<MemoryReader>(*live->small, std::move(info))));
  }
  auto opened = [info = std::move(info),
                 then = std::move(then)](StatusOr<SharedFiles> files) mutable {
    then(MakeReader(std::move(files), std::move(info)));
  };
  WithFiles(live, std::move(opened));
}

void Index::AddWatch(std::shared_ptr<Watcher> watcher) {
  if (watcher->ended()) return;
  const Hash hash = watcher->hash();
  watches_.Add(watcher);
  Lookup(hash, [hash, watcher = std::move(watcher)](StatusOr<BlobInfo> info) {
    BlobInfo absent;
    absent.hash = hash;
    // What cannot be looked up can be neither read nor served.
    watcher->Tell(std::make_shared<const BlobInfo>(info.ok() ? *std::move(info) : absent));
  });
}

// Something about the blob's groups has changed.
void Index::Tell(const LiveBlob& live) {
  CountPartial(live);
  if (watches_.IsWatched(live.hash)) watches_.Tell(InfoOf(live));
}

// One that is not in memory. Of some nothing is verified, but there are bytes that may be.
void Index::CountPartial(const BlobRow& row) {
  std::optional<uint64_t> bytes;
  if (!row.groups.empty()) {
    bytes = BytesOfGroups(row.groups, row.size, row.size_proven);
  } else if (row.state == RowState::kPartial && row.size > 0) {
    bytes = 0;
  }
  tally_.SetPartial(row.hash, bytes);
}

void Index::CountPartial(const LiveBlob& live) {
  std::optional<uint64_t> bytes;
  if (!live.groups.empty()) {
    bytes = BytesOfGroups(live.groups, live.row.size, live.row.size_proven);
  } else if (live.keeps_unproven || live.unrecovered) {
    bytes = 0;
  }
  tally_.SetPartial(live.hash, bytes);
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

void Index::ListByUse(const std::optional<UseCursor>& after, size_t limit,
                      Answer<StatusOr<std::vector<BlobUse>>> then) {
  std::vector<BlobUse> uses;
  std::optional<UseCursor> cursor = after;
  while (uses.size() < limit) {
    const StatusOr<std::vector<BlobRow>> rows = db_.ListByUse(cursor, limit - uses.size());
    if (!rows.ok()) return then(rows.status());
    if (rows->empty()) break;
    for (const BlobRow& row : *rows) {
      cursor = UseCursor{row.last_use, row.hash};
      const Live live = row.complete() ? nullptr : FindLive(row.hash);
      const BlobInfo info = live != nullptr ? InfoOf(*live) : InfoOf(row);
      const bool is_absent = info.state == BlobState::kAbsent;
      const uint64_t disk_bytes = is_absent ? UnprovenBytes(row) : DiskBytes(info);
      if (is_absent && disk_bytes == 0) continue;
      const bool is_pinned =
          live != nullptr && (live->writers > 0 || live->phase == LiveBlob::Phase::kFinishing);
      uses.push_back({row.hash, is_absent ? BlobState::kPartial : info.state, info.size,
                      info.size_proven, disk_bytes, is_pinned, info.is_private, row.last_use});
    }
  }
  then(std::move(uses));
}

// What lies on the disk of blobs of which nothing is verified.
StatusOr<uint64_t> Index::UnverifiedBytes() {
  uint64_t bytes = 0;
  for (const Hash& hash : tally_.unverified()) {
    if (const Live live = FindLive(hash); live != nullptr) {
      bytes += UnprovenBytes(live->row);
      continue;
    }
    BLOBD_ASSIGN_OR_RETURN(const std::optional<BlobRow> row, db_.Find(hash));
    if (row) bytes += UnprovenBytes(*row);
  }
  return bytes;
}

void Index::Stats(Answer<StatusOr<StoreStats>> then) {
  const StatusOr<uint64_t> unverified = UnverifiedBytes();
  if (!unverified.ok()) return then(unverified.status());
  StoreStats stats;
  gate_.LookAgain();
  stats.disk = gate_.state();
  stats.doubtful_blobs = doubtful_.size() + unlooked_.size();
  const StoreCounts counts = tally_.Counts();
  stats.complete_blobs = counts.complete_blobs;
  stats.complete_bytes = counts.complete_bytes;
  stats.partial_blobs = counts.partial_blobs;
  stats.partial_bytes = counts.partial_bytes + *unverified;
  if (failed_syncs_ > 0) {
    stats.trouble = fmt::format(
        "store.db could not be synced ({} times since the start): check the disk", failed_syncs_);
    if (!can_record_) stats.trouble += "; nothing new is recorded until it can be written again";
  }
  then(stats);
}

}  // namespace blobd::store
