// An SQLite VFS that is the default one, but asks before every write and sync what to answer.
// Used by tests only.
#pragma once

#include <sqlite3.h>

#include <functional>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace blobd::sqlite {

class FailingVfs {
 public:
  enum class Call { kWrite, kSync, kTruncate };
  // SQLITE_OK lets the call through; anything else is its answer, and nothing is done. `is_log`: of
  // the write-ahead log. Called on the thread that uses the database.
  using Decide = std::function<int(Call call, bool is_log)>;

  explicit FailingVfs(Decide decide) : decide_(std::move(decide)) {
    real_ = sqlite3_vfs_find(nullptr);
    vfs_ = *real_;
    vfs_.zName = kName;
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
    vfs_.pAppData = this;
    vfs_.xOpen = [](sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
      FailingVfs& self = *static_cast<FailingVfs*>(vfs->pAppData);
      const int code = self.real_->xOpen(self.real_, name, Real(file), flags, out);
      new (file) File{{nullptr}, &self, (flags & SQLITE_OPEN_WAL) != 0};
      if (Real(file)->pMethods != nullptr) file->pMethods = &Methods();
      return code;
    };
    // The others take the real one's private data from it.
    vfs_.xDelete = [](sqlite3_vfs* vfs, const char* name, int sync) {
      sqlite3_vfs* real = static_cast<FailingVfs*>(vfs->pAppData)->real_;
      return real->xDelete(real, name, sync);
    };
    vfs_.xAccess = [](sqlite3_vfs* vfs, const char* name, int flags, int* out) {
      sqlite3_vfs* real = static_cast<FailingVfs*>(vfs->pAppData)->real_;
      return real->xAccess(real, name, flags, out);
    };
    vfs_.xFullPathname = [](sqlite3_vfs* vfs, const char* name, int size, char* out) {
      sqlite3_vfs* real = static_cast<FailingVfs*>(vfs->pAppData)->real_;
      return real->xFullPathname(real, name, size, out);
    };
    sqlite3_vfs_register(&vfs_, 0);
  }
  ~FailingVfs() { sqlite3_vfs_unregister(&vfs_); }
  FailingVfs(const FailingVfs&) = delete;
  FailingVfs& operator=(const FailingVfs&) = delete;

  static constexpr const char* kName = "failing";

 private:
  struct File : sqlite3_file {
    FailingVfs* vfs;
    bool is_log;
  };
  static sqlite3_file* Real(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(static_cast<File*>(file) + 1);
  }
  static const sqlite3_io_methods& Of(sqlite3_file* file) { return *Real(file)->pMethods; }
  static int Ask(sqlite3_file* file, Call call) {
    const File& ours = *static_cast<File*>(file);
    return ours.vfs->decide_(call, ours.is_log);
  }

  static const sqlite3_io_methods& Methods() {
    static const sqlite3_io_methods methods = {
        3,
        [](sqlite3_file* f) { return Of(f).xClose(Real(f)); },
        [](sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
          return Of(f).xRead(Real(f), to, size, at);
        },
        [](sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
          const int code = Ask(f, Call::kWrite);
          return code != SQLITE_OK ? code : Of(f).xWrite(Real(f), from, size, at);
        },
        [](sqlite3_file* f, sqlite3_int64 size) {
          const int code = Ask(f, Call::kTruncate);
          return code != SQLITE_OK ? code : Of(f).xTruncate(Real(f), size);
        },
        [](sqlite3_file* f, int flags) {
          const int code = Ask(f, Call::kSync);
          return code != SQLITE_OK ? code : Of(f).xSync(Real(f), flags);
        },
        [](sqlite3_file* f, sqlite3_int64* size) { return Of(f).xFileSize(Real(f), size); },
        [](sqlite3_file* f, int lock) { return Of(f).xLock(Real(f), lock); },
        [](sqlite3_file* f, int lock) { return Of(f).xUnlock(Real(f), lock); },
        [](sqlite3_file* f, int* out) { return Of(f).xCheckReservedLock(Real(f), out); },
        [](sqlite3_file* f, int op, void* arg) { return Of(f).xFileControl(Real(f), op, arg); },
        [](sqlite3_file* f) { return Of(f).xSectorSize(Real(f)); },
        [](sqlite3_file* f) { return Of(f).xDeviceCharacteristics(Real(f)); },
        [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
          return Of(f).xShmMap(Real(f), page, size, extend, out);
        },
        [](sqlite3_file* f, int at, int n, int flags) {
          return Of(f).xShmLock(Real(f), at, n, flags);
        },
        [](sqlite3_file* f) { Of(f).xShmBarrier(Real(f)); },
        [](sqlite3_file* f, int remove) { return Of(f).xShmUnmap(Real(f), remove); },
        [](sqlite3_file* f, sqlite3_int64 at, int size, void** out) {
          return Of(f).xFetch(Real(f), at, size, out);
        },
        [](sqlite3_file* f, sqlite3_int64 at, void* page) {
          return Of(f).xUnfetch(Real(f), at, page);
        },
    };
    return methods;
  }

  const Decide decide_;
  sqlite3_vfs* real_ = nullptr;
  sqlite3_vfs vfs_{};
};

}  // namespace blobd::sqlite
