// Descriptor: an open file descriptor and its owner, for files that come from or go to another
// process.
//
// Thread:    one at a time.
// Ownership: closes what it holds.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <utility>

#include "base/bytes.h"
#include "base/status.h"

namespace blobd::store {

class Descriptor {
 public:
  Descriptor() = default;  // holds none
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    Reset(other.Release());
    return *this;
  }
  ~Descriptor() { Reset(-1); }

  int fd() const { return fd_; }  // -1: none
  bool is_open() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }  // it is the caller's to close now

 private:
  void Reset(int fd) {
    if (fd_ >= 0 && fd_ != fd) close(fd_);
    fd_ = fd;
  }
  int fd_ = -1;
};

// A file in memory that holds `content` for good: nobody can change it. Open for reading only.
StatusOr<Descriptor> SealedMemory(ByteView content);

// The size of a regular file that is open for reading. kInvalidArgument if it is anything else.
StatusOr<uint64_t> SizeOfReadable(const Descriptor& file);

// A complete blob, for another process to read. The descriptor is open for reading only
// (O_RDONLY, O_CLOEXEC). Nothing can be written through it: the bytes of a small blob are a sealed
// file in memory; those of a large one are the store's own file, of mode 0600 and in a directory of
// mode 0700, so that only the daemon's own uid (and root) could open it for writing again by way of
// /proc. Its offset is shared by all who get it: give each its own descriptor, and read at offsets.
struct BlobDescriptor {
  Descriptor file;
  uint64_t size = 0;
};

}  // namespace blobd::store
