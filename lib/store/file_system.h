// FileSystem: the seam between the store and the disk. RealFileSystem is the machine's; tests put
// one in between that loses, tears, delays or refuses writes. It has what the store needs and no
// more. (store.db has its own seam: an SQLite VFS.)
//
// Thread: any, also one File from several threads at once: every access says its offset.
// Units:  bytes.
// Errors: as ErrnoStatus maps them: kResourceExhausted when the disk is full, kNotFound,
//         kAlreadyExists, kPermissionDenied when the file system is read-only. Opening what is no
//         regular file is kFailedPrecondition: the last component of a path is never followed if it
//         is a symbolic link.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/range_set.h"
#include "base/status.h"
#include "store/descriptor.h"

namespace blobd::store {

// What a read of `path` that failed with the errno `error` comes to. A bad sector is damage like
// any other: what lies there is not there, and comes anew from whoever has it.
Status ReadFailed(int error, std::string_view path);

class File {
 public:
  virtual ~File() = default;
  // Reads into `out` from `offset`; fewer bytes than asked for only at the end of the file.
  // Errors: DATA_LOSS (BLOB_DAMAGED): the disk cannot read them any more, as ReadFailed says
  virtual StatusOr<size_t> ReadAt(uint64_t offset, MutableBytes out) = 0;
  // Writes the parts one behind the other from `offset`. After an error any of their bytes may have
  // been written.
  virtual Status WriteAt(uint64_t offset, std::span<const ByteView> parts) = 0;
  // Returns when data and size survive power loss. After an error nothing is known of what was
  // written before.
  virtual Status Sync() = 0;
  virtual StatusOr<uint64_t> Size() = 0;
  virtual Status Truncate(uint64_t size) = 0;
  // The next range at or behind `from` that may hold data; nullopt when there are only holes. A
  // file system that does not know its holes gives the whole file.
  virtual StatusOr<std::optional<Range>> NextExtent(uint64_t from) = 0;
  // Makes this empty file share all bytes that the file `source` has now (FICLONE); what either
  // writes later the other does not see. False, and nothing changed: the file system cannot.
  virtual StatusOr<bool> CloneFrom(int source) = 0;
  // Copies at most `size` bytes at `offset` of the file `source` to the same place here. Returns
  // how many; 0 at the end of the source. kAborted: the source cannot be read. After an error any
  // of the bytes may have been written.
  virtual StatusOr<uint64_t> CopyFrom(int source, uint64_t offset, uint64_t size) = 0;
  // Gives these whole blocks back to the file system: they read as zeros from now on, wherever on
  // the disk they were, and the size of the file stays. The last one may reach beyond its end.
  // False, and nothing changed: the file system cannot.
  virtual StatusOr<bool> Discard(Range bytes) = 0;
  // Begins to write these bytes to the disk, so that Sync has less to wait for. Promises nothing.
  virtual void StartWriteBack(Range bytes) = 0;
};

// Of the file system that holds a directory.
struct DiskSpace {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;  // for us; root may have more
  bool is_read_only = false;
};

enum class OpenMode {
  kRead,
  kReadWrite,
  kCreate,     // read and write; made if missing
  kCreateNew,  // read and write; kAlreadyExists if it is there
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Status Unlink(const std::string& path) = 0;
  // Makes the directory, or accepts the one that is there. True if it was made.
  virtual StatusOr<bool> MakeDirectory(const std::string& path) = 0;
  virtual StatusOr<std::vector<std::string>> List(const std::string& directory) = 0;
  // Returns when names made, changed and removed in it survive power loss.
  virtual Status SyncDirectory(const std::string& path) = 0;
  // A descriptor of a regular file, open for reading, to be given away.
  virtual StatusOr<Descriptor> OpenDescriptor(const std::string& path) = 0;
  virtual StatusOr<DiskSpace> Space(const std::string& directory) = 0;
};

class RealFileSystem final : public FileSystem {
 public:
  StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Unlink(const std::string& path) override;
  StatusOr<bool> MakeDirectory(const std::string& path) override;
  StatusOr<std::vector<std::string>> List(const std::string& directory) override;
  Status SyncDirectory(const std::string& path) override;
  StatusOr<Descriptor> OpenDescriptor(const std::string& path) override;
  StatusOr<DiskSpace> Space(const std::string& directory) override;
};

}  // namespace blobd::store
