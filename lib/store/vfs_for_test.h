// An SQLite VFS that is the default one, but tells of every call that changes or syncs a file.
// Used by tests only.
#pragma once

#include <sqlite3.h>

#include <functional>
#include <new>
#include <utility>

namespace blobd::store {

class WatchedVfs {
 public:
  // `before` is called on the thread that uses the database. REQUIRES: one at a time
  explicit WatchedVfs(std::function<void()> before) : before_(std::move(before)) {
    real_ = sqlite3_vfs_find(nullptr);
    vfs_ = *real_;
    vfs_.zName = kName;
    vfs_.szOsFile = static_cast<int>(sizeof(WatchedFile)) + real_->szOsFile;
    vfs_.pAppData = this;
    vfs_.xOpen = [](sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
      WatchedVfs& self = *static_cast<WatchedVfs*>(vfs->pAppData);
      const int code = self.real_->xOpen(self.real_, name, Real(file), flags, out);
      new (file) WatchedFile{{nullptr}, &self, (flags & SQLITE_OPEN_WAL) != 0};
      if (Real(file)->pMethods != nullptr) file->pMethods = &Methods();
      return code;
    };
    // The others take the real one's private data from it.
    vfs_.xDelete = [](sqlite3_vfs* vfs, const char* name, int sync) {
      WatchedVfs& self = *static_cast<WatchedVfs*>(vfs->pAppData);
      self.before_();
      return self.real_->xDelete(self.real_, name, sync);
    };
    vfs_.xAccess = [](sqlite3_vfs* vfs, const char* name, int flags, int* out) {
      sqlite3_vfs* real = static_cast<WatchedVfs*>(vfs->pAppData)->real_;
      return real->xAccess(real, name, flags, out);
    };
    vfs_.xFullPathname = [](sqlite3_vfs* vfs, const char* name, int size, char* out) {
      sqlite3_vfs* real = static_cast<WatchedVfs*>(vfs->pAppData)->real_;
      return real->xFullPathname(real, name, size, out);
    };
    sqlite3_vfs_register(&vfs_, 0);
  }
  ~WatchedVfs() { sqlite3_vfs_unregister(&vfs_); }
  WatchedVfs(const WatchedVfs&) = delete;
  WatchedVfs& operator=(const WatchedVfs&) = delete;

  static constexpr const char* kName = "watched";
  // Since the beginning. The log is on the disk up to its last write if the second is larger.
  int last_log_write() const { return last_log_write_; }
  int last_log_sync() const { return last_log_sync_; }

 private:
  struct WatchedFile : sqlite3_file {
    WatchedVfs* vfs;
    bool is_log;
  };
  static sqlite3_file* Real(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(static_cast<WatchedFile*>(file) + 1);
  }
  static const sqlite3_io_methods& MethodsOf(sqlite3_file* file) { return *Real(file)->pMethods; }
  static WatchedVfs& Tell(sqlite3_file* file) {
    WatchedVfs& vfs = *static_cast<WatchedFile*>(file)->vfs;
    vfs.before_();
    ++vfs.calls_;
    return vfs;
  }

  static const sqlite3_io_methods& Methods() {
    static const sqlite3_io_methods methods = {
        3,
        [](sqlite3_file* f) { return MethodsOf(f).xClose(Real(f)); },
        [](sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
          return MethodsOf(f).xRead(Real(f), to, size, at);
        },
        [](sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
          WatchedVfs& vfs = Tell(f);
          if (static_cast<WatchedFile*>(f)->is_log) vfs.last_log_write_ = vfs.calls_;
          return MethodsOf(f).xWrite(Real(f), from, size, at);
        },
        [](sqlite3_file* f, sqlite3_int64 size) {
          Tell(f);
          return MethodsOf(f).xTruncate(Real(f), size);
        },
        [](sqlite3_file* f, int flags) {
          WatchedVfs& vfs = Tell(f);
          if (static_cast<WatchedFile*>(f)->is_log) vfs.last_log_sync_ = vfs.calls_;
          return MethodsOf(f).xSync(Real(f), flags);
        },
        [](sqlite3_file* f, sqlite3_int64* size) { return MethodsOf(f).xFileSize(Real(f), size); },
        [](sqlite3_file* f, int lock) { return MethodsOf(f).xLock(Real(f), lock); },
        [](sqlite3_file* f, int lock) { return MethodsOf(f).xUnlock(Real(f), lock); },
        [](sqlite3_file* f, int* out) { return MethodsOf(f).xCheckReservedLock(Real(f), out); },
        [](sqlite3_file* f, int op, void* arg) {
          return MethodsOf(f).xFileControl(Real(f), op, arg);
        },
        [](sqlite3_file* f) { return MethodsOf(f).xSectorSize(Real(f)); },
        [](sqlite3_file* f) { return MethodsOf(f).xDeviceCharacteristics(Real(f)); },
        [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
          return MethodsOf(f).xShmMap(Real(f), page, size, extend, out);
        },
        [](sqlite3_file* f, int at, int n, int flags) {
          return MethodsOf(f).xShmLock(Real(f), at, n, flags);
        },
        [](sqlite3_file* f) { MethodsOf(f).xShmBarrier(Real(f)); },
        [](sqlite3_file* f, int remove) { return MethodsOf(f).xShmUnmap(Real(f), remove); },
        [](sqlite3_file* f, sqlite3_int64 at, int size, void** out) {
          return MethodsOf(f).xFetch(Real(f), at, size, out);
        },
        [](sqlite3_file* f, sqlite3_int64 at, void* page) {
          return MethodsOf(f).xUnfetch(Real(f), at, page);
        },
    };
    return methods;
  }

  const std::function<void()> before_;
  sqlite3_vfs* real_ = nullptr;
  sqlite3_vfs vfs_{};
  int calls_ = 0;
  int last_log_write_ = 0;
  int last_log_sync_ = 0;
};

}  // namespace blobd::store
