// Opening store.db, and making it anew from the files and from what can be read of the damaged one.
//
// A damaged store.db (or an empty one, or a log without its database) is moved aside as
// store.db.damaged-N with its log, and never changed again. The new one is made beside its place,
// with all that was found, and renamed there; after a crash that is done again from the same one
// (move_aside.h). Without any, what was moved aside earlier is not believed: blobs have been
// removed and hidden since. The new rows claim nothing: every blob is hashed again before it is
// believed (RowState::kReopened with no groups). A blob of which it is not known whether it was
// private is private from now on.
//
// Thread: one; waits for the disk.
// Errors: kFailedPrecondition: another program's database, or a newer blobd's; it is left alone.
#pragma once

#include <optional>
#include <string>

#include "store/file_system.h"
#include "store/layout.h"
#include "store/store_db.h"

namespace blobd::store {

struct OpenedDb {
  StoreDb db;
  Survey survey;
  std::string note;  // for people: what was damaged, and where it is kept. Empty if nothing was
  // The last life did not close it: what its log held may be less than what was committed.
  bool had_log = false;
  // Transactions at the end of that log are lost. The power may have gone before they were synced,
  // or the log was damaged.
  bool log_in_doubt = false;
  bool is_rebuilt = false;
};

StatusOr<OpenedDb> OpenOrRebuildDb(FileSystem& file_system, const Layout& layout,
                                   const std::string& vfs, WallTime now);

// The row of a blob of which nothing is known but what is found under its name: files, or a small
// blob's bytes. nullopt: nothing is there.
StatusOr<std::optional<BlobRow>> RowFromWhatIsThere(FileSystem& file_system, const Layout& layout,
                                                    StoreDb& db, const Hash& hash, WallTime now);

// Calls `take` for the hash of every blob that has files in the directory `name` of blobs/.
Status ForEachBlobIn(FileSystem& file_system, const Layout& layout, const std::string& name,
                     UniqueFunction<Status(const Hash& hash)> take);

}  // namespace blobd::store
