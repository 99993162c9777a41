#include "client/add_file.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/utf8.h"
#include "client/descriptor.h"
#include "client/worth.h"

namespace blobd::client {
namespace {

// A file that is worth handing in, and of which nothing was read yet.
bool IsWorthHandingIn(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
         static_cast<uint64_t>(info.st_size) >= kWorthADescriptor && lseek(fd, 0, SEEK_CUR) == 0;
}

}  // namespace

void SharedProgress::Add(uint64_t bytes) {
  const MutexLock lock(mutex_);
  done_ += bytes;
  line_.Show(what_, done_, total_);
}

StatusOr<v1::AddResponse> FileAdder::Add(int fd, const std::string& name) {
  if (!IsWorthHandingIn(fd)) return AddStream(fd, name);
  uint64_t told = 0;
  auto added = client_.Import(fd, is_private_, [&](uint64_t bytes) {
    if (bytes <= told) return;
    progress_.Add(bytes - told);
    told = bytes;
  });
  if (!added.ok() && IsWorthAStream(added.status())) return AddStream(fd, name);
  if (added.ok() && added->size() > told) progress_.Add(added->size() - told);
  return added;
}

StatusOr<v1::AddResponse> FileAdder::AddStream(int fd, const std::string& name) {
  return client_.Add(is_private_, [&](char* buffer, size_t capacity) -> StatusOr<size_t> {
    for (;;) {
      std::array<pollfd, 2> fds = {pollfd{fd, POLLIN, 0}, pollfd{interrupt_, POLLIN, 0}};
      if (poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) continue;
      if (fds[1].revents != 0) return Cancelled("interrupted");
      const ssize_t count = read(fd, buffer, capacity);
      if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (count < 0) return FileError(errno, "read " + EscapeForTerminal(name));
      progress_.Add(static_cast<uint64_t>(count));
      return static_cast<size_t>(count);
    }
  });
}

}  // namespace blobd::client
