// IdMark: the highest ids ever handed out, in a small file of their own beside registry.db, written
// and synced before the database is. So ids are never given twice, even if the database lost its
// last commits (a damaged log), or was restored from a backup, or recovered.
//
// The file holds the mark twice, in blocks of 4 KiB, and writes them in turn: one torn or damaged
// block leaves the other, which is at most one block of ids older.
//
// Thread:    one at a time.
// Errors:    those of the system. After a sync that failed every Raise fails (kUnavailable): what
//            the file holds is not known any more.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace blobd::registry {

class IdMark {
 public:
  static constexpr size_t kSpaces = 3;  // by IdSpace
  using Ends = std::array<uint64_t, kSpaces>;

  enum class Origin { kRead, kMissing, kDamaged };

  // Reads the file; makes one with zeros if it is missing, and mends a damaged one.
  static StatusOr<IdMark> Open(const std::string& path);
  IdMark(IdMark&& other) noexcept;
  IdMark& operator=(IdMark&&) = delete;
  ~IdMark();

  // kDamaged: at least one of the two copies is, so `end` may be too low.
  Origin origin() const { return origin_; }
  // The first id of the space that was never handed out, as far as the file knows; 0: it knows of
  // none.
  uint64_t end(size_t space) const { return ends_[space]; }
  // Writes down, durably, that ids up to `end` are handed out. A lower one changes nothing.
  Status Raise(size_t space, uint64_t end);

 private:
  explicit IdMark(int fd) : fd_(fd) {}
  void Read();
  Status Write(uint64_t generation);

  int fd_;
  Ends ends_{};
  uint64_t generation_ = 0;
  Origin origin_ = Origin::kRead;
  bool broken_ = false;  // a sync failed
};

}  // namespace blobd::registry
