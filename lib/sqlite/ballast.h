// Ballast: a file that takes room on the disk of the databases, to be thrown off when the disk is
// full. Without it a full disk cannot be dealt with: SQLite needs room in its log even to delete
// rows, and to checkpoint.
//
// Thread:    one at a time; every call may wait for the disk.
// Ownership: the file stays when this goes away.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace blobd::sqlite {

class Ballast {
 public:
  // `path`: a file of its own in the databases' directory.
  Ballast(std::string path, int64_t size) : path_(std::move(path)), size_(size) {}

  // Takes the room, if `spare` bytes are still free afterwards; mode 0600. Does nothing if the file
  // is there in its size. kResourceExhausted: there is not enough room (and the ballast is as it
  // was).
  Status Take(int64_t spare);
  // Gives the room back. Commits that failed for want of it can be tried again.
  Status Release();
  // Does so if it is there and less than `least` bytes are free; true if it was given back.
  StatusOr<bool> ReleaseIfFull(int64_t least);
  // Whether all of it is there.
  bool taken() const;

 private:
  const std::string path_;
  const int64_t size_;
};

}  // namespace blobd::sqlite
