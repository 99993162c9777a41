// Descriptors, and opening files beneath a directory only, never through a symbolic link: names may
// come from strangers.
//
// Thread: any.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>

#include "base/status.h"

namespace blobd::client {

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

 private:
  int fd_;
};

// `path` may not leave `directory`, and no part of it may be a symbolic link.
StatusOr<Descriptor> OpenBeneath(int directory, const std::string& path, uint64_t flags,
                                 uint64_t mode);
StatusOr<Descriptor> OpenDirectory(const std::string& path);

}  // namespace blobd::client
