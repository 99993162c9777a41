#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error_reason.h"
#include "store/file_system.h"

namespace blobd::store {
namespace {

constexpr size_t kPartsPerCall = 64;
constexpr size_t kCopyBuffer = 256 << 10;  // where the kernel cannot copy by itself

// False if `value` is no offset of a file.
bool IsOffset(uint64_t value) {
  return value <= static_cast<uint64_t>(std::numeric_limits<off_t>::max());
}

class RealFile final : public File {
 public:
  RealFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~RealFile() override { close(fd_); }
  RealFile(const RealFile&) = delete;
  RealFile& operator=(const RealFile&) = delete;

  StatusOr<size_t> ReadAt(uint64_t offset, MutableBytes out) override {
    if (!IsOffset(offset) || !IsOffset(offset + out.size()))
      return OutOfRange("read {} at {}", path_, offset);
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t count =
          pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return ReadFailed(errno, path_);
      if (count == 0) break;
      done += static_cast<size_t>(count);
    }
    return done;
  }

  Status WriteAt(uint64_t offset, std::span<const ByteView> parts) override {
    std::array<iovec, kPartsPerCall> vectors;
    size_t next = 0;  // the first part that is not completely written
    size_t skip = 0;  // bytes of it that are
    while (next < parts.size()) {
      size_t count = 0;
      for (size_t i = next; i < parts.size() && count < vectors.size(); ++i, ++count) {
        const size_t from = i == next ? skip : 0;
        vectors[count] = {const_cast<uint8_t*>(parts[i].data() + from), parts[i].size() - from};
      }
      if (!IsOffset(offset)) return OutOfRange("write {} at {}", path_, offset);
      const ssize_t written =
          pwritev(fd_, vectors.data(), static_cast<int>(count), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Error("write");
      offset += static_cast<uint64_t>(written);
      skip += static_cast<size_t>(written);
      while (next < parts.size() && skip >= parts[next].size()) skip -= parts[next++].size();
    }
    return OkStatus();
  }

  Status Sync() override { return fdatasync(fd_) == 0 ? OkStatus() : Error("sync"); }

  StatusOr<uint64_t> Size() override {
    struct stat facts {};
    if (fstat(fd_, &facts) != 0) return Error("stat");
    return static_cast<uint64_t>(facts.st_size);
  }

  Status Truncate(uint64_t size) override {
    if (!IsOffset(size)) return OutOfRange("truncate {} to {}", path_, size);
    return ftruncate(fd_, static_cast<off_t>(size)) == 0 ? OkStatus() : Error("truncate");
  }

  StatusOr<std::optional<Range>> NextExtent(uint64_t from) override {
    if (!IsOffset(from)) return std::optional<Range>();
    const off_t begin = lseek(fd_, static_cast<off_t>(from), SEEK_DATA);
    if (begin < 0 && errno == ENXIO)
      return std::optional<Range>();  // only a hole, or the end, from here on
    if (begin < 0) return Error("look for data in");
    const off_t end = lseek(fd_, begin, SEEK_HOLE);
    if (end < 0) return Error("look for holes in");
    return std::optional<Range>(Range{static_cast<uint64_t>(begin), static_cast<uint64_t>(end)});
  }

  // Whatever is wrong, copying meets it too and says so.
  StatusOr<bool> CloneFrom(int source) override { return ioctl(fd_, FICLONE, source) == 0; }

  StatusOr<uint64_t> CopyFrom(int source, uint64_t offset, uint64_t size) override {
    if (!IsOffset(offset) || !IsOffset(offset + size))
      return OutOfRange("copy to {} at {}", path_, offset);
    off_t from = static_cast<off_t>(offset);
    off_t to = from;
    const ssize_t count = copy_file_range(source, &from, fd_, &to, size, 0);
    if (count > 0) return static_cast<uint64_t>(count);
    // It cannot (other file systems, files that the kernel makes up), or does not say on which side
    // something is wrong.
    return CopyByHand(source, offset, size);
  }

  StatusOr<bool> Discard(Range bytes) override {
    if (!IsOffset(bytes.end)) return OutOfRange("discard {} up to {}", path_, bytes.end);
    int result = 0;
    do {
      result = fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                         static_cast<off_t>(bytes.begin), static_cast<off_t>(bytes.size()));
    } while (result != 0 && errno == EINTR);
    if (result == 0) return true;
    if (errno == EOPNOTSUPP) return false;
    return Error("discard a part of");
  }

  void StartWriteBack(Range bytes) override {
    if (!IsOffset(bytes.end)) return;
    (void)sync_file_range(fd_, static_cast<off_t>(bytes.begin), static_cast<off_t>(bytes.size()),
                          SYNC_FILE_RANGE_WRITE);
  }

 private:
  Status Error(std::string_view what) const {
    return ErrnoStatus(errno, fmt::format("{} {}", what, path_));
  }

  StatusOr<uint64_t> CopyByHand(int source, uint64_t offset, uint64_t size) {
    Bytes buffer(std::min<uint64_t>(size, kCopyBuffer));
    ssize_t count = 0;
    do {
      count = pread(source, buffer.data(), buffer.size(), static_cast<off_t>(offset));
    } while (count < 0 && errno == EINTR);
    // Not our disk's error, whatever its file system says.
    if (count < 0) return Aborted("the file cannot be read: {}", std::strerror(errno));
    if (count == 0) return uint64_t{0};
    const ByteView part(buffer.data(), static_cast<size_t>(count));
    BLOBD_RETURN_IF_ERROR(WriteAt(offset, {&part, 1}));
    return static_cast<uint64_t>(count);
  }

  const int fd_;
  const std::string path_;
};

}  // namespace

namespace {

// The descriptor of a regular file.
StatusOr<Descriptor> OpenRegular(const std::string& path, int flags) {
  // Without O_NONBLOCK a pipe in the file's place would hold us up for ever.
  flags |= O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
  Descriptor file(open(path.c_str(), flags, 0600));
  // A symbolic link, a directory, a socket.
  if (!file.is_open() && (errno == ELOOP || errno == EISDIR || errno == ENXIO))
    return FailedPrecondition("{} is not a regular file", path);
  if (!file.is_open()) return ErrnoStatus(errno, fmt::format("open {}", path));
  struct stat facts {};
  if (fstat(file.fd(), &facts) != 0) return ErrnoStatus(errno, fmt::format("stat {}", path));
  if (!S_ISREG(facts.st_mode)) return FailedPrecondition("{} is not a regular file", path);
  return file;
}

}  // namespace

Status ReadFailed(int error, std::string_view path) {
  if (error != EIO) return ErrnoStatus(error, fmt::format("read {}", path));
  return ErrorFor(Reason::kBlobDamaged, "the disk cannot read all of {}", path);
}

StatusOr<std::unique_ptr<File>> RealFileSystem::Open(const std::string& path, OpenMode mode) {
  int flags = 0;
  switch (mode) {
    case OpenMode::kRead:
      flags = O_RDONLY;
      break;
    case OpenMode::kReadWrite:
      flags = O_RDWR;
      break;
    case OpenMode::kCreate:
      flags = O_RDWR | O_CREAT;
      break;
    case OpenMode::kCreateNew:
      flags = O_RDWR | O_CREAT | O_EXCL;
      break;
  }
  BLOBD_ASSIGN_OR_RETURN(Descriptor file, OpenRegular(path, flags));
  return std::unique_ptr<File>(std::make_unique<RealFile>(file.Release(), path));
}

StatusOr<Descriptor> RealFileSystem::OpenDescriptor(const std::string& path) {
  BLOBD_ASSIGN_OR_RETURN(Descriptor file, OpenRegular(path, O_RDONLY));
  // For a regular file it means nothing, but whoever gets it may look.
  if (fcntl(file.fd(), F_SETFL, 0) != 0) return ErrnoStatus(errno, fmt::format("open {}", path));
  return file;
}

StatusOr<DiskSpace> RealFileSystem::Space(const std::string& directory) {
  struct statvfs facts {};
  if (statvfs(directory.c_str(), &facts) != 0)
    return ErrnoStatus(errno, fmt::format("free space of {}", directory));
  return DiskSpace{facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize,
                   (facts.f_flag & ST_RDONLY) != 0};
}

Status RealFileSystem::Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == 0) return OkStatus();
  return ErrnoStatus(errno, fmt::format("rename {} to {}", from, to));
}

Status RealFileSystem::Unlink(const std::string& path) {
  if (unlink(path.c_str()) == 0) return OkStatus();
  return ErrnoStatus(errno, fmt::format("remove {}", path));
}

StatusOr<bool> RealFileSystem::MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0) return true;
  if (errno != EEXIST) return ErrnoStatus(errno, fmt::format("make directory {}", path));
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0) return ErrnoStatus(errno, fmt::format("stat {}", path));
  if (!S_ISDIR(facts.st_mode)) return FailedPrecondition("{} is not a directory", path);
  return false;
}

StatusOr<std::vector<std::string>> RealFileSystem::List(const std::string& directory) {
  DIR* stream = opendir(directory.c_str());
  if (stream == nullptr) return ErrnoStatus(errno, fmt::format("list {}", directory));
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(stream)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  const int error = errno;
  closedir(stream);
  if (error != 0) return ErrnoStatus(error, fmt::format("list {}", directory));
  std::sort(names.begin(), names.end());
  return names;
}

Status RealFileSystem::SyncDirectory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return ErrnoStatus(errno, fmt::format("open {}", path));
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  return result == 0 ? OkStatus() : ErrnoStatus(error, fmt::format("sync {}", path));
}

}  // namespace blobd::store
