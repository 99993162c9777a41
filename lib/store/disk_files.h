// The open files of one blob that is too large for a row, shared by all who read and write it.
#pragma once

#include <memory>

#include "store/file_system.h"
#include "store/layout.h"

namespace blobd::store {

// Immutable once made; the files themselves may be used from any thread.
struct DiskFiles {
  std::unique_ptr<File> data;
  std::unique_ptr<File> outboard;  // null only for reading a blob whose outboard is missing
};
using SharedFiles = std::shared_ptr<const DiskFiles>;

StatusOr<SharedFiles> OpenFiles(FileSystem& file_system, const FilePair& paths, OpenMode mode);

// Opens for reading and writing the files of a blob all of which was verified once: while it moves
// from `partial` to `complete`, each of them is in one place or the other. What is in the second
// place got there whole, and is preferred.
StatusOr<SharedFiles> OpenMovingFiles(FileSystem& file_system, const FilePair& partial,
                                      const FilePair& complete);

// Opens for reading and writing the files of a blob that is not complete, where they are.
StatusOr<SharedFiles> OpenLiveFiles(FileSystem& file_system, const Layout& layout, const Hash& hash,
                                    bool may_be_moved);

// Opens the files of a complete blob for reading. Without its outboard, data can still be read;
// without its data it is kNotFound.
StatusOr<SharedFiles> OpenCompleteFiles(FileSystem& file_system, const FilePair& paths);

// Unlinks both; that one is not there is no error.
Status RemoveFiles(FileSystem& file_system, const FilePair& paths);

// Unlinks both, durably: what is at the names of a complete blob and did not get there from here.
Status ClearTarget(FileSystem& file_system, const Layout& layout, const Hash& hash);

// Makes an empty outboard for a blob in blobs/ that has none: its pairs can be computed.
Status MakeOutboardFile(FileSystem& file_system, const Layout& layout, const Hash& hash);

// Syncs both.
Status SyncFiles(const DiskFiles& files);

}  // namespace blobd::store
