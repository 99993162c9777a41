#include "sqlite/ballast.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

#include "sqlite/files.h"

namespace blobd::sqlite {
namespace {

// What the file system still gives to an ordinary user, in bytes.
StatusOr<int64_t> FreeBytes(const std::string& path) {
  struct statvfs facts {};
  const std::string directory = path.substr(0, path.rfind('/') + 1);
  if (statvfs(directory.empty() ? "." : directory.c_str(), &facts) != 0) {
    return ErrnoStatus(errno, fmt::format("room of {}", directory));
  }
  int64_t bytes = 0;
  const bool overflows = __builtin_mul_overflow(facts.f_bavail, facts.f_frsize, &bytes);
  return overflows ? std::numeric_limits<int64_t>::max() : bytes;
}

}  // namespace

Status Ballast::Take(int64_t spare) {
  if (taken()) return OkStatus();
  BLOBD_RETURN_IF_ERROR(Release());  // of another size, or a part
  BLOBD_ASSIGN_OR_RETURN(const int64_t free, FreeBytes(path_));
  if (free < size_ || free - size_ < spare) {
    return ResourceExhausted("no room for the ballast {}: {} bytes are free", path_, free);
  }
  const int fd = open(path_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return ErrnoStatus(errno, fmt::format("create {}", path_));
  int error = posix_fallocate(fd, 0, size_);
  if (error == 0 && fsync(fd) != 0) error = errno;
  close(fd);
  if (error == 0) return OkStatus();
  (void)Release();
  return ErrnoStatus(error, fmt::format("take room for {}", path_));
}

Status Ballast::Release() {
  if (unlink(path_.c_str()) == 0 || errno == ENOENT) return OkStatus();
  return ErrnoStatus(errno, fmt::format("remove {}", path_));
}

StatusOr<bool> Ballast::ReleaseIfFull(int64_t least) {
  struct stat facts {};
  if (lstat(path_.c_str(), &facts) != 0) return false;
  BLOBD_ASSIGN_OR_RETURN(const int64_t free, FreeBytes(path_));
  if (free >= least) return false;
  BLOBD_RETURN_IF_ERROR(Release());
  return true;
}

bool Ballast::taken() const {
  struct stat facts {};
  return lstat(path_.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size == size_ &&
         int64_t{facts.st_blocks} * 512 >= size_;
}

}  // namespace blobd::sqlite
