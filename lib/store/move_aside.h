// A damaged store.db is moved aside as store.db.damaged-N with its log, and a new one is made from
// it. These are the steps, each safe to stop after:
//
//   1. the empty file store.db.rebuilding-N is made: from now on N is under way
//   2. store.db and its log are moved to store.db.damaged-N
//   3. the new database is filled under a name of its own
//   4. it takes the place of store.db.rebuilding-N
//   5. that is renamed to store.db: done, and nothing is under way any more
//
// So a store.db beside the file of a rebuild is always the damaged one. And a store.db.damaged-N is
// believed only while N is under way: what it says of blobs that are there is out of date later.
//
// Thread: one; waits for the disk. All that is said to be done survives power loss.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "store/file_system.h"
#include "store/layout.h"

namespace blobd::store {

std::string DamagedPath(const Layout& layout, uint32_t number);

// The rebuild that an earlier life began and did not end. nullopt: there is none.
StatusOr<std::optional<uint32_t>> RebuildUnderWay(FileSystem& file_system, const Layout& layout);
// Step 1. Returns N: that of no store.db.damaged-N.
StatusOr<uint32_t> BeginRebuild(FileSystem& file_system, const Layout& layout);
// Step 2, or what is left of it.
Status MoveAside(FileSystem& file_system, const Layout& layout, uint32_t number);
// Steps 4 and 5. `fresh` is the new database, closed and without a log.
Status EndRebuild(FileSystem& file_system, const Layout& layout, uint32_t number,
                  const std::string& fresh);
// Somebody has put another store.db in the place of the one that was moved: that is the one now.
Status AbandonRebuild(FileSystem& file_system, const Layout& layout, uint32_t number);

}  // namespace blobd::store
