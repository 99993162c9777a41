// What opening a database does beside SQLite (lib/sqlite/files.cc, lib/registry/id_mark.cc): looks,
// makes, reads, writes, renames, removes and syncs by functions of the C library. The linker gives
// those calls to posix.cc, which serves paths of the simulated disk, and hands everything else on
// (--wrap in CMakeLists.txt).
#pragma once

#include "disk.h"

namespace blobd::faults {

// Calls with paths under Disk::kRoot go to `disk`; null: to none.
void ServePosix(Disk* disk);

}  // namespace blobd::faults
