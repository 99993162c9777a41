// LiveBlob: what the index knows in memory of a blob that is not complete and was used in this life
// of the process.
//
//                                          .--------- failed ----------.
//                                          v                           |
//   (row, first use) --> kLoading --> kOpen --all groups verified--> kFinishing --durable--> kGone
//   (no row) ---------------------------^  `--nothing verified, no writer--> kGone
//   (complete, groups withdrawn) -------'
//
// Thread: the index strand only, but for `hash`, `generation`, `promise` and
// `guard`.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "bao/tree.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/range_set.h"
#include "base/task.h"
#include "base/time.h"
#include "store/disk_files.h"
#include "store/disk_gate.h"
#include "store/group_guard.h"
#include "store/store_db.h"

namespace blobd::store {

struct LiveBlob;

// What is known of a hash: at most one of the two. Neither: the blob is absent.
struct Found {
  std::optional<BlobRow> complete;
  std::shared_ptr<LiveBlob> live;
  // Of an absent blob: BlobRow says the same of what is not there.
  bool is_private = false;  // it was, and is again when it comes back
  bool was_complete = false;
};

// What a writer has written since it last said so.
struct Published {
  SharedFiles files;  // null: nothing was written to files
  RangeSet groups;
  std::optional<Bytes> small;  // instead of files: all of a blob that is one short group
  std::optional<uint64_t> claimed_size;
  std::optional<uint64_t> proven_size;
  uint64_t generation = 0;   // of the blob when the writer was opened
  uint64_t withdrawals = 0;  // the same
};

struct LiveBlob {
  enum class Phase { kLoading, kOpen, kFinishing, kGone };

  explicit LiveBlob(const Hash& blob) : hash(blob) { row.hash = blob; }

  const Hash hash;
  Phase phase = Phase::kOpen;
  BlobRow row;  // as store.db has it if in_db; row.groups is what would survive power loss
  bool in_db = false;
  RangeSet groups;   // verified and readable
  RangeSet dirty;    // of these, neither in row.groups nor in syncing
  RangeSet syncing;  // of these, being synced or recorded
  Instant dirty_since;
  std::optional<Bytes> small;  // all of a blob that goes into a row
  // Its files may be in blobs/ already, because all groups were recorded once. Otherwise what is
  // there under its name is not ours, and is removed before all groups are recorded.
  bool may_be_moved = false;
  bool names_synced = false;  // the names of its files in partial/ survive power loss
  bool is_syncing_ahead = false;
  // Its files hold data of which nothing was found, under a size that may be wrong: they are kept
  // for a claim of another size.
  bool unrecovered = false;
  // Counts what took groups back. What was written before may be lost and is no longer believed.
  std::atomic<uint64_t> generation = 0;
  // Counts withdrawals of groups, and which groups those were. A writer opened before one of them
  // may have written such a group before it went bad, and cannot publish it any more.
  uint64_t withdrawals = 0;
  RangeSet withdrawn;
  Status last_failure;  // of syncing or finishing, until groups are verified anew
  SharedFiles files;    // set while there are writers or groups to be synced; may be null if small
  // They hold bytes without proof, of which a log tells: they are kept although nothing is
  // verified.
  bool keeps_unproven = false;
  // They go with the last writer, unless somebody opens another before.
  bool unproven_is_unwanted = false;
  size_t writers = 0;
  Promise promise;                   // of room on the disk, to its writers
  GroupGuard guard;                  // against unproven bytes
  std::shared_ptr<Executor> strand;  // for what waits for the disk; made when first needed

  // Published while it is kFinishing: it counts if the blob is not completed after all.
  std::vector<Published> late;

  // Each waiter is called once.
  std::vector<UniqueFunction<void(StatusOr<Found>)>> load_waiters;  // only while kLoading
  std::vector<UniqueFunction<void(Status)>> finish_waiters;         // only while kFinishing
  std::vector<UniqueFunction<void(Status)>> sync_waiters;           // of the sync that runs
  std::vector<UniqueFunction<void(Status)>> next_sync_waiters;      // of the one after it
};

// As far as is known of all writers: what is verified, and all behind a proven end, is nobody's to
// write without proof.
inline RangeSet TakenIn(const LiveBlob& live) {
  RangeSet taken = live.groups;
  if (live.row.size_proven) taken.Insert({bao::GroupCount(live.row.size), RangeSet::kOpenEnd});
  return taken;
}

}  // namespace blobd::store
