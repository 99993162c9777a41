#include "client/copy_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "client/descriptor.h"

namespace blobd::client {
namespace {

constexpr uint64_t kKernelPiece = 8 << 20;  // small enough to show progress and to be interrupted
constexpr size_t kBuffer = 1 << 20;

// All of `source` into the empty file `target`, sharing its blocks. False if they cannot be shared.
bool Clone(int source, uint64_t length, int target) {
  struct stat from {};
  struct stat to {};
  if (fstat(source, &from) != 0 || static_cast<uint64_t>(from.st_size) != length) return false;
  if (fstat(target, &to) != 0 || !S_ISREG(to.st_mode) || to.st_size != 0) return false;
  const int flags = fcntl(target, F_GETFL);
  if (flags < 0 || (flags & O_APPEND) != 0 || lseek(target, 0, SEEK_CUR) != 0) return false;
  if (length == 0 || ioctl(target, FICLONE, source) != 0) return false;
  // What is written to it next comes behind.
  return lseek(target, 0, SEEK_END) == static_cast<off_t>(length);
}

Status EndedEarly() { return DataLoss("the blob's file ended too early; blobctl verify it"); }

// Copies inside the kernel for as long as it can, and moves offset and length on.
Status CopyInKernel(int source, uint64_t* offset, uint64_t* length, int target,
                    const OnCopied& copied) {
  while (*length > 0) {
    auto at = static_cast<off_t>(*offset);
    const ssize_t size =
        copy_file_range(source, &at, target, nullptr, std::min(*length, kKernelPiece), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EIO))
      return FileError(errno, "write");
    // Other files, other kernels: reading and writing says what is really wrong.
    if (size <= 0) return OkStatus();
    *offset += static_cast<uint64_t>(size);
    *length -= static_cast<uint64_t>(size);
    BLOBD_RETURN_IF_ERROR(copied(static_cast<uint64_t>(size)));
  }
  return OkStatus();
}

}  // namespace

Status WriteAll(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = write(fd, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError(errno, "write");
    data.remove_prefix(static_cast<size_t>(written));
  }
  return OkStatus();
}

Status CopyOut(int source, uint64_t offset, uint64_t length, int target, const OnCopied& copied) {
  if (offset == 0 && Clone(source, length, target)) return copied(length);
  BLOBD_RETURN_IF_ERROR(CopyInKernel(source, &offset, &length, target, copied));
  if (length == 0) return OkStatus();
  const auto buffer = std::make_unique<char[]>(kBuffer);
  while (length > 0) {
    const ssize_t size = pread(source, buffer.get(), std::min<uint64_t>(length, kBuffer),
                               static_cast<off_t>(offset));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return FileError(errno, "read a blob");
    if (size == 0) return EndedEarly();
    BLOBD_RETURN_IF_ERROR(WriteAll(target, {buffer.get(), static_cast<size_t>(size)}));
    offset += static_cast<uint64_t>(size);
    length -= static_cast<uint64_t>(size);
    BLOBD_RETURN_IF_ERROR(copied(static_cast<uint64_t>(size)));
  }
  return OkStatus();
}

}  // namespace blobd::client
