#include "client/descriptor.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <cerrno>

#include "base/utf8.h"

namespace blobd::client {

Status FileError(int error, std::string_view what) {
  Status status = ErrnoStatus(error, what);
  const bool is_kept = status.code() == StatusCode::kResourceExhausted ||
                       status.code() == StatusCode::kAlreadyExists;
  return is_kept ? status : Internal("{}", Message(status));
}

int TryOpenBeneath(int directory, const std::string& path, uint64_t flags, uint64_t mode) {
  open_how how{};
  how.flags = flags | O_CLOEXEC | O_NOFOLLOW;
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how));
}

StatusOr<Descriptor> OpenBeneath(int directory, const std::string& path, uint64_t flags,
                                 uint64_t mode) {
  const int fd = TryOpenBeneath(directory, path, flags, mode);
  if (fd < 0) return FileError(errno, "open " + EscapeForTerminal(path));
  return Descriptor(fd);
}

StatusOr<Descriptor> OpenDirectory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError(errno, "open " + EscapeForTerminal(path));
  return Descriptor(fd);
}

}  // namespace blobd::client
