#include "sqlite/files.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace blobd::sqlite {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  const int fd_;
};

Status CopyBytes(int from, int to) {
  if (ioctl(to, FICLONE, from) == 0) return OkStatus();
  std::array<uint8_t, 65536> buffer;
  for (;;) {
    const ssize_t got = read(from, buffer.data(), buffer.size());
    if (got == 0) return OkStatus();
    if (got < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, "read");
    }
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = write(to, buffer.data() + done, static_cast<size_t>(got - done));
      if (put < 0 && errno != EINTR) return ErrnoStatus(errno, "write");
      if (put > 0) done += put;
    }
  }
}

Status Remove(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return OkStatus();
  return ErrnoStatus(errno, fmt::format("unlink {}", path));
}

}  // namespace

StatusOr<std::string> ResolveDirectory(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::unique_ptr<char, decltype(&std::free)> resolved(realpath(directory.c_str(), nullptr),
                                                             std::free);
  if (resolved == nullptr) return ErrnoStatus(errno, fmt::format("directory of {}", path));
  return fmt::format("{}/{}", resolved.get(),
                     slash == std::string::npos ? path : path.substr(slash + 1));
}

StatusOr<int64_t> FileSize(const std::string& path) {
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0) {
    if (errno == ENOENT) return -1;
    return ErrnoStatus(errno, fmt::format("stat {}", path));
  }
  if (!S_ISREG(facts.st_mode)) return FailedPrecondition("{} is not a regular file", path);
  return static_cast<int64_t>(facts.st_size);
}

StatusOr<std::string> MakeEmptyFile(const std::string& path) {
  BLOBD_RETURN_IF_ERROR(RemoveDatabaseFiles(path));
  const int fd = open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return ErrnoStatus(errno, fmt::format("create {}", path));
  close(fd);
  return path;
}

Status CopyFile(const std::string& from, const std::string& to) {
  const Descriptor source(open(from.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat facts {};
  if (source.get() < 0 || fstat(source.get(), &facts) != 0) {
    return ErrnoStatus(errno, fmt::format("open {}", from));
  }
  if (!S_ISREG(facts.st_mode)) return FailedPrecondition("{} is not a regular file", from);
  BLOBD_RETURN_IF_ERROR(MakeEmptyFile(to).status());
  const Descriptor target(open(to.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
  if (target.get() < 0) return ErrnoStatus(errno, fmt::format("open {}", to));
  if (Status status = CopyBytes(source.get(), target.get()); !status.ok()) {
    return Annotate(status, fmt::format("copy {} to {}", from, to));
  }
  return fsync(target.get()) == 0 ? OkStatus() : ErrnoStatus(errno, fmt::format("fsync {}", to));
}

Status SyncFile(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0) return ErrnoStatus(errno, fmt::format("open {}", path));
  return fsync(file.get()) == 0 ? OkStatus() : ErrnoStatus(errno, fmt::format("fsync {}", path));
}

Status SyncDirectoryOf(const std::string& path) {
  const std::string directory = path.substr(0, path.rfind('/') + 1);
  const char* name = directory.empty() ? "." : directory.c_str();
  const Descriptor file(open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.get() < 0) return ErrnoStatus(errno, fmt::format("open {}", name));
  return fsync(file.get()) == 0 ? OkStatus() : ErrnoStatus(errno, fmt::format("fsync {}", name));
}

Status RenameDurably(const std::string& from, const std::string& to, bool new_only) {
  const unsigned flags = new_only ? RENAME_NOREPLACE : 0;
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) != 0) {
    return ErrnoStatus(errno, fmt::format("rename {} to {}", from, to));
  }
  return SyncDirectoryOf(to);
}

Status RemoveDatabaseFiles(const std::string& path) {
  BLOBD_RETURN_IF_ERROR(Remove(path));
  return RemoveLogFiles(path);
}

Status RemoveLogFiles(const std::string& path) {
  for (const char* suffix : {"-journal", "-wal", "-shm"}) {
    BLOBD_RETURN_IF_ERROR(Remove(path + suffix));
  }
  return OkStatus();
}

}  // namespace blobd::sqlite
