// DiskVfs: the simulated disk as an SQLite VFS. It syncs what SQLite's own for Unix syncs, and
// makes the same promises about the disk: writing some bytes of a sector never harms the others.
// Locks and shared memory are those of one process, and end with it.
//
// While it lives it is SQLite's default, so that SQLite's random numbers are drawn from the seed.
//
// Thread:    one.
// Ownership: the disk outlives it. Connections end before it does.
#pragma once

#include <sqlite3.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "disk.h"

namespace blobd::faults {

class DiskVfs {
 public:
  DiskVfs(Disk& disk, Rng& rng);
  ~DiskVfs();
  DiskVfs(const DiskVfs&) = delete;
  DiskVfs& operator=(const DiskVfs&) = delete;

  static constexpr const char* kName = "simulated";
  // How long a log may become before it is copied into its database, for connections made from now
  // on.
  void SetCheckpointPages(int pages);
  Disk& disk() { return disk_; }
  // Whether a database is open.
  bool has_connections() const;

 private:
  friend struct VfsFile;
  // What connections to one database share.
  struct Shared {
    static constexpr size_t kSlots = SQLITE_SHM_NLOCK;
    size_t readers = 0;  // locks of the database file
    const void* reserved = nullptr;
    const void* exclusive = nullptr;
    std::vector<std::unique_ptr<std::vector<uint8_t>>> regions;
    std::array<size_t, kSlots> shared_slots{};
    std::array<const void*, kSlots> exclusive_slots{};
  };

  int Open(const char* name, sqlite3_file* file, int flags, int* out);

  Disk& disk_;
  Rng& rng_;
  sqlite3_vfs vfs_{};
  // By path, while connections use it.
  std::map<std::string, std::weak_ptr<Shared>> shared_;
};

}  // namespace blobd::faults
