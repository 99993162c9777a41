#include "disk_vfs.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace blobd::faults {

struct VfsFile : sqlite3_file {
  DiskVfs* vfs = nullptr;
  Disk::File file;
  std::shared_ptr<DiskVfs::Shared> shared;
  bool is_temporary = false;
  bool name_is_unsynced = false;  // SQLite's own syncs the directory with the first sync
  int lock = SQLITE_LOCK_NONE;
  std::array<int, DiskVfs::Shared::kSlots> slots{};  // 0, SQLITE_SHM_SHARED or _EXCLUSIVE

  Disk& disk() const { return vfs->disk(); }
};

namespace {

int checkpoint_pages = 1000;

VfsFile& Of(sqlite3_file* file) { return *static_cast<VfsFile*>(file); }
DiskVfs& Of(sqlite3_vfs* vfs) { return *static_cast<DiskVfs*>(vfs->pAppData); }

int WriteCode(int error) {
  if (error == 0) return SQLITE_OK;
  return error == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

int Unlock(sqlite3_file* base, int level) {
  VfsFile& file = Of(base);
  if (file.lock <= level || file.shared == nullptr) return SQLITE_OK;
  if (file.shared->exclusive == &file) file.shared->exclusive = nullptr;
  if (file.shared->reserved == &file) file.shared->reserved = nullptr;
  if (level == SQLITE_LOCK_NONE) --file.shared->readers;
  file.lock = level;
  return SQLITE_OK;
}

int Lock(sqlite3_file* base, int level) {
  VfsFile& file = Of(base);
  if (file.lock >= level || file.shared == nullptr) return SQLITE_OK;
  auto& shared = *file.shared;
  const bool others_write = shared.exclusive != nullptr && shared.exclusive != &file;
  if (others_write) return SQLITE_BUSY;
  if (file.lock == SQLITE_LOCK_NONE) {
    ++shared.readers;
    file.lock = SQLITE_LOCK_SHARED;
  }
  if (level == SQLITE_LOCK_SHARED) return SQLITE_OK;
  if (shared.reserved != nullptr && shared.reserved != &file) return SQLITE_BUSY;
  shared.reserved = &file;
  file.lock = SQLITE_LOCK_RESERVED;
  if (level == SQLITE_LOCK_RESERVED) return SQLITE_OK;
  if (shared.readers > 1) return SQLITE_BUSY;
  shared.exclusive = &file;
  file.lock = SQLITE_LOCK_EXCLUSIVE;
  return SQLITE_OK;
}

int Close(sqlite3_file* base) {
  Unlock(base, SQLITE_LOCK_NONE);
  Of(base).~VfsFile();
  return SQLITE_OK;
}

int Read(sqlite3_file* base, void* to, int size, sqlite3_int64 at) {
  VfsFile& file = Of(base);
  const MutableBytes out(static_cast<uint8_t*>(to), static_cast<size_t>(size));
  size_t count = 0;
  const int error = file.disk().Read(file.file, static_cast<uint64_t>(at), out, &count);
  if (error != 0) return SQLITE_IOERR_READ;
  if (count == out.size()) return SQLITE_OK;
  std::memset(out.data() + count, 0, out.size() - count);
  return SQLITE_IOERR_SHORT_READ;
}

int Write(sqlite3_file* base, const void* from, int size, sqlite3_int64 at) {
  VfsFile& file = Of(base);
  const ByteView bytes(static_cast<const uint8_t*>(from), static_cast<size_t>(size));
  return WriteCode(file.disk().Write(file.file, static_cast<uint64_t>(at), bytes));
}

int Truncate(sqlite3_file* base, sqlite3_int64 size) {
  VfsFile& file = Of(base);
  const int error = file.disk().Truncate(file.file, static_cast<uint64_t>(size));
  return error == 0 ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

int Sync(sqlite3_file* base, int /*flags*/) {
  VfsFile& file = Of(base);
  if (file.is_temporary) return SQLITE_OK;
  if (file.disk().plant() == Plant::kDatabaseSyncDoesNothing) return SQLITE_OK;
  if (file.disk().Sync(file.file) != 0) return SQLITE_IOERR_FSYNC;
  if (std::exchange(file.name_is_unsynced, false)) {
    const std::string& name = file.file->name();
    // As SQLite's own does, without looking whether it worked.
    (void)file.disk().SyncDirectory(name.substr(0, name.rfind('/')));
  }
  return SQLITE_OK;
}

int FileSize(sqlite3_file* base, sqlite3_int64* size) {
  VfsFile& file = Of(base);
  if (file.disk().is_down()) return SQLITE_IOERR_FSTAT;
  *size = static_cast<sqlite3_int64>(file.file->size());
  return SQLITE_OK;
}

int CheckReservedLock(sqlite3_file* base, int* out) {
  VfsFile& file = Of(base);
  *out = file.shared != nullptr && file.shared->reserved != nullptr ? 1 : 0;
  return SQLITE_OK;
}

int ShmMap(sqlite3_file* base, int page, int size, int extend, void volatile** out) {
  auto& regions = Of(base).shared->regions;
  const auto wanted = static_cast<size_t>(page);
  *out = nullptr;
  if (wanted >= regions.size() && extend == 0) return SQLITE_OK;
  while (wanted >= regions.size())
    regions.push_back(std::make_unique<std::vector<uint8_t>>(static_cast<size_t>(size)));
  *out = regions[wanted]->data();
  return SQLITE_OK;
}

int ShmLock(sqlite3_file* base, int at, int count, int flags) {
  VfsFile& file = Of(base);
  auto& shared = *file.shared;
  const bool locks = (flags & SQLITE_SHM_LOCK) != 0;
  const int kind = flags & (SQLITE_SHM_SHARED | SQLITE_SHM_EXCLUSIVE);
  const auto first = static_cast<size_t>(at);
  const size_t end = first + static_cast<size_t>(count);
  for (size_t i = first; locks && i < end; ++i) {
    if (shared.exclusive_slots[i] != nullptr && shared.exclusive_slots[i] != &file)
      return SQLITE_BUSY;
    const size_t others = shared.shared_slots[i] - (file.slots[i] == SQLITE_SHM_SHARED ? 1 : 0);
    if (kind == SQLITE_SHM_EXCLUSIVE && others > 0) return SQLITE_BUSY;
  }
  for (size_t i = first; i < end; ++i) {
    if (file.slots[i] == SQLITE_SHM_SHARED) --shared.shared_slots[i];
    if (file.slots[i] == SQLITE_SHM_EXCLUSIVE) shared.exclusive_slots[i] = nullptr;
    file.slots[i] = locks ? kind : 0;
    if (file.slots[i] == SQLITE_SHM_SHARED) ++shared.shared_slots[i];
    if (file.slots[i] == SQLITE_SHM_EXCLUSIVE) shared.exclusive_slots[i] = &file;
  }
  return SQLITE_OK;
}

int ShmUnmap(sqlite3_file* base, int /*remove*/) {
  VfsFile& file = Of(base);
  for (int i = 0; i < SQLITE_SHM_NLOCK; ++i) {
    if (file.slots[static_cast<size_t>(i)] != 0)
      ShmLock(base, i, 1, SQLITE_SHM_UNLOCK | file.slots[static_cast<size_t>(i)]);
  }
  return SQLITE_OK;
}

const sqlite3_io_methods kMethods = {
    2,
    Close,
    Read,
    Write,
    Truncate,
    Sync,
    FileSize,
    Lock,
    Unlock,
    CheckReservedLock,
    [](sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; },
    [](sqlite3_file*) { return 4096; },
    [](sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; },
    ShmMap,
    ShmLock,
    [](sqlite3_file*) { std::atomic_thread_fence(std::memory_order_seq_cst); },
    ShmUnmap,
    nullptr,
    nullptr};

int SetCheckpoint(sqlite3* db, char** /*error*/, const sqlite3_api_routines* /*api*/) {
  return sqlite3_wal_autocheckpoint(db, checkpoint_pages);
}

int FullPathname(sqlite3_vfs* /*vfs*/, const char* name, int size, char* out) {
  if (std::strlen(name) >= static_cast<size_t>(size)) return SQLITE_CANTOPEN;
  std::strcpy(out, name);
  return SQLITE_OK;
}

int Delete(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  Disk& disk = Of(vfs).disk();
  const std::string path = name;
  const int error = disk.Unlink(path);
  if (error == ENOENT) return SQLITE_IOERR_DELETE_NOENT;
  if (error != 0) return SQLITE_IOERR_DELETE;
  if ((sync_directory & 1) == 0) return SQLITE_OK;
  return disk.SyncDirectory(path.substr(0, path.rfind('/'))) == 0 ? SQLITE_OK
                                                                  : SQLITE_IOERR_DIR_FSYNC;
}

int Access(sqlite3_vfs* vfs, const char* name, int /*flags*/, int* out) {
  const Disk::File file = Of(vfs).disk().Find(name);
  // SQLite's own takes an empty file for none.
  *out = file != nullptr && file->size() > 0 ? 1 : 0;
  return SQLITE_OK;
}

}  // namespace

DiskVfs::DiskVfs(Disk& disk, Rng& rng) : disk_(disk), rng_(rng) {
  vfs_.iVersion = 2;
  vfs_.szOsFile = static_cast<int>(sizeof(VfsFile));
  vfs_.mxPathname = 512;
  vfs_.zName = kName;
  vfs_.pAppData = this;
  vfs_.xOpen = [](sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
    return Of(vfs).Open(name, file, flags, out);
  };
  vfs_.xDelete = Delete;
  vfs_.xAccess = Access;
  vfs_.xFullPathname = FullPathname;
  vfs_.xRandomness = [](sqlite3_vfs* vfs, int size, char* out) {
    for (int i = 0; i < size; ++i) out[i] = static_cast<char>(Of(vfs).rng_.Next());
    return size;
  };
  vfs_.xSleep = [](sqlite3_vfs*, int micros) { return micros; };
  vfs_.xCurrentTime = [](sqlite3_vfs*, double* out) {
    *out = 2461000.5;
    return SQLITE_OK;
  };
  vfs_.xGetLastError = [](sqlite3_vfs*, int, char*) { return 0; };
  vfs_.xCurrentTimeInt64 = [](sqlite3_vfs*, sqlite3_int64* out) {
    *out = 2461000LL * 86'400'000;
    return SQLITE_OK;
  };
  sqlite3_vfs_register(&vfs_, 1);
  sqlite3_randomness(0, nullptr);  // it seeds itself anew
  SetCheckpointPages(1000);
  sqlite3_auto_extension(reinterpret_cast<void (*)()>(&SetCheckpoint));
}

DiskVfs::~DiskVfs() {
  sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(&SetCheckpoint));
  sqlite3_vfs_unregister(&vfs_);
}

bool DiskVfs::has_connections() const {
  for (const auto& [path, shared] : shared_) {
    if (!shared.expired()) return true;
  }
  return false;
}

void DiskVfs::SetCheckpointPages(int pages) { checkpoint_pages = pages; }

int DiskVfs::Open(const char* name, sqlite3_file* file, int flags, int* out) {
  auto* opened = new (file) VfsFile;
  opened->pMethods = nullptr;
  opened->vfs = this;
  if (out != nullptr) *out = flags;
  opened->is_temporary = name == nullptr || (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  int error = 0;
  if (opened->is_temporary) {
    opened->file = std::make_shared<Inode>("temporary");
  } else {
    const bool creates = (flags & SQLITE_OPEN_CREATE) != 0;
    error =
        disk_.OpenFile(name, creates ? Disk::Open::kCreate : Disk::Open::kExisting, &opened->file);
    constexpr int kLogs = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
    opened->name_is_unsynced = creates && (flags & kLogs) != 0;
  }
  if (error != 0) {
    opened->~VfsFile();
    return SQLITE_CANTOPEN;
  }
  if ((flags & SQLITE_OPEN_MAIN_DB) != 0) {
    std::weak_ptr<Shared>& shared = shared_[name];
    opened->shared = shared.lock();
    if (opened->shared == nullptr) opened->shared = std::make_shared<Shared>();
    shared = opened->shared;
  }
  opened->pMethods = &kMethods;
  return SQLITE_OK;
}

}  // namespace blobd::faults
