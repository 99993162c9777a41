#include "store/descriptor.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

namespace blobd::store {

StatusOr<Descriptor> SealedMemory(ByteView content) {
  Descriptor memory(memfd_create("blob", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.is_open()) return ErrnoStatus(errno, "make a file in memory");
  while (!content.empty()) {
    const ssize_t count = write(memory.fd(), content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "write a file in memory");
    content = content.subspan(static_cast<size_t>(count));
  }
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (fcntl(memory.fd(), F_ADD_SEALS, kSeals) != 0)
    return ErrnoStatus(errno, "seal a file in memory");
  // The seals are what counts; opened again it says so itself, and has an offset of its own.
  const std::string path = "/proc/self/fd/" + std::to_string(memory.fd());
  Descriptor reopened(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!reopened.is_open()) return ErrnoStatus(errno, "reopen a file in memory");
  return reopened;
}

StatusOr<uint64_t> SizeOfReadable(const Descriptor& file) {
  const int flags = fcntl(file.fd(), F_GETFL);
  if (flags < 0) return InvalidArgument("that is no open file");
  // O_PATH has the access mode of reading, but cannot read.
  if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH) != 0)
    return InvalidArgument("the file is not open for reading");
  struct stat facts {};
  if (fstat(file.fd(), &facts) != 0) return ErrnoStatus(errno, "stat the file");
  if (!S_ISREG(facts.st_mode)) return InvalidArgument("that is not a regular file");
  return static_cast<uint64_t>(facts.st_size);
}

}  // namespace blobd::store
