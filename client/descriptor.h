// Descriptors, and opening files beneath a directory only, never through a symbolic link: names may
// come from strangers.
//
// Thread: any.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace blobd::client {

// The status of a system call on one of our own files: no space and quota are kResourceExhausted,
// an existing name kAlreadyExists, all else kInternal. Unlike ErrnoStatus it never looks like what
// a daemon says of itself: that it is not there, or has no such blob.
Status FileError(int error, std::string_view what);

// A descriptor that is closed when it goes away.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }  // -1: none
  // Leaves it to the caller, who closes it.
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// `path` may not leave `directory`, and no part of it may be a symbolic link.
StatusOr<Descriptor> OpenBeneath(int directory, const std::string& path, uint64_t flags,
                                 uint64_t mode);
// The same as a system call has it: -1, and errno says why. For whom it matters what is there; of a
// symbolic link O_PATH opens the link itself.
int TryOpenBeneath(int directory, const std::string& path, uint64_t flags, uint64_t mode);
StatusOr<Descriptor> OpenDirectory(const std::string& path);

}  // namespace blobd::client
