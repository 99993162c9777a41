// Disk: a disk in memory, with one notion for blobs and databases of what has got to it. Stores
// reach it through DiskFiles (store::FileSystem), databases through DiskVfs (SQLite), and what
// opening a database does beside SQLite through the functions in posix.cc.
//
// What is synced stays. Of what is not, power loss keeps any part: each sector has one of the
// contents that it had in the cache since its last sync, whatever other sectors have; each change
// of a name happened, or not. A rename is one change of both its names. Names in a directory whose
// own name is lost are lost. README.md says what is left out.
//
// Thread: one.
// Errors: every call returns 0 or an errno.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "inode.h"
#include "log.h"

namespace blobd::faults {

enum class Operation : uint8_t { kRead, kWrite, kSync, kName, kSyncNames };
inline constexpr size_t kOperations = 5;

// Planted faults of the disk itself, by which the checkers are checked.
enum class Plant : uint8_t {
  kNone,
  kFileSyncDoesNothing,      // of the store's files
  kDatabaseSyncDoesNothing,  // of SQLite's files
  kNameSyncDoesNothing,
  kKillLosesCache,
  kWriteFlipsBits,    // now and then, in the store's files
  kFailedSyncIsSaid,  // as success
};

class Disk {
 public:
  struct Options {
    Inode::Ending ending;
    bool names_in_order = true;  // the names that persist are the first ones changed
    // What could not be written stays in the cache, as if it had been, when the process ends.
    bool stale_pages_outlive_process = false;
    Plant plant = Plant::kNone;
  };
  enum class Open : uint8_t { kExisting, kCreate, kCreateNew };
  // The calls that match, from number `first` up to before `end`, fail.
  struct Fault {
    std::set<Operation> operations;
    int error = 0;
    uint64_t first = 0;
    uint64_t end = 0;
  };
  using File = std::shared_ptr<Inode>;

  static constexpr const char* kRoot = "/simulated";         // every path starts so
  static constexpr const char* kState = "/simulated/state";  // is there from the beginning

  Disk(const Options& options, Rng& rng, Log& log);

  int OpenFile(const std::string& path, Open how, File* file);
  int Read(const File& file, uint64_t offset, MutableBytes out, size_t* count);
  int Write(const File& file, uint64_t offset, ByteView data);
  int Truncate(const File& file, uint64_t size);
  int Sync(const File& file);
  int Rename(const std::string& from, const std::string& to);
  int Unlink(const std::string& path);
  int MakeDirectory(const std::string& path);  // EEXIST if it is there
  int SyncDirectory(const std::string& path);
  std::vector<std::string> List(const std::string& directory) const;
  bool IsDirectory(const std::string& path) const;
  File Find(const std::string& path) const;  // null if there is no such file

  // The process, or the power, goes before the n-th operation from now that changes something, but
  // the first. Everything fails from then on, until Restart.
  void EndAfter(uint64_t changes) { changes_left_ = changes; }
  void EndNow() { is_down_ = true; }
  bool is_down() const { return is_down_; }
  void Restart(bool lose_power);

  void Plan(Fault fault);
  void Heal();
  // Whether a fault was met since Restart.
  bool had_fault() const { return had_fault_; }
  uint64_t failed_syncs() const { return failed_syncs_; }
  // Bytes that fit; writes beyond fail with ENOSPC.
  void SetCapacity(uint64_t bytes) {
    capacity_ = bytes;
    had_limit_ = true;
  }
  uint64_t used() const;
  uint64_t capacity() const { return capacity_; }
  // In this life.
  bool had_limit() const { return had_limit_; }
  Plant plant() const { return options_.plant; }
  uint64_t changes() const { return changes_; }

 private:
  struct NameChange {
    enum class Kind : uint8_t { kMake, kRename, kUnlink, kMakeDirectory };
    Kind kind;
    std::string from;  // the only name but for renames
    std::string to;
    File file;
  };
  using Names = std::map<std::string, File>;  // a directory is a name without a file

  int Begin(Operation operation, const std::string& what);
  bool Touches(const NameChange& change, const std::string& directory) const;
  static void Apply(const NameChange& change, Names& names);
  // Applies the chosen changes, with those before them that share a name; drops them from
  // `name_changes_`.
  void Settle(std::vector<bool> chosen);
  void DropUnreachable();

  const Options options_;
  Rng& rng_;
  Log& log_;
  Names names_;
  Names durable_names_;
  std::vector<NameChange> name_changes_;  // not synced, in order
  uint64_t changes_left_ = ~uint64_t{0};
  uint64_t changes_ = 0;
  uint64_t capacity_ = ~uint64_t{0};
  bool had_limit_ = false;
  bool is_down_ = false;
  bool had_fault_ = false;
  uint64_t failed_syncs_ = 0;
  Fault fault_;
  uint64_t matching_ = 0;
};

}  // namespace blobd::faults
