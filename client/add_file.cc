#include "client/add_file.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/utf8.h"
#include "client/crowded.h"
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
  uint64_t told = 0;
  if (!IsWorthHandingIn(fd)) return AddStream(fd, name, told);
  large_files_.acquire();
  auto added = HandIn(fd, told);
  if (!added.ok() && IsWorthAStream(added.status())) added = AddStream(fd, name, told);
  large_files_.release();
  return added;
}

StatusOr<std::vector<v1::AddResponse>> FileAdder::AddSmall(std::vector<std::string> contents) {
  if (contents.empty()) return std::vector<v1::AddResponse>();
  v1::AddSmallRequest request;
  request.set_is_private(is_private_);
  uint64_t bytes = 0;
  for (std::string& content : contents) {
    bytes += content.size();
    request.add_contents(std::move(content));
  }
  auto answer = AskUntilThereIsRoom(interrupt_, [&] { return client_.AddSmall(request); });
  BLOBD_RETURN_IF_ERROR(answer.status());
  if (answer->blobs_size() != request.contents_size()) {
    return Internal("the daemon answered for {} of {} files", answer->blobs_size(),
                    request.contents_size());
  }
  progress_.Add(bytes);
  return std::vector<v1::AddResponse>(answer->blobs().begin(), answer->blobs().end());
}

StatusOr<v1::AddResponse> FileAdder::HandIn(int fd, uint64_t& told) {
  auto added =
      client_.Import(fd, is_private_, [this, &told](uint64_t bytes) { Tell(bytes, told); });
  if (added.ok()) Tell(added->size(), told);
  return added;
}

void FileAdder::Tell(uint64_t bytes, uint64_t& told) {
  if (bytes <= told) return;
  progress_.Add(bytes - told);
  told = bytes;
}

StatusOr<v1::AddResponse> FileAdder::AddStream(int fd, const std::string& name, uint64_t& told) {
  const off_t begin = lseek(fd, 0, SEEK_CUR);
  if (begin < 0) return AddStreamOnce(fd, name, told);
  return AskUntilThereIsRoom(interrupt_, [&]() -> StatusOr<v1::AddResponse> {
    if (lseek(fd, begin, SEEK_SET) != begin)
      return FileError(errno, "seek in " + EscapeForTerminal(name));
    return AddStreamOnce(fd, name, told);
  });
}

StatusOr<v1::AddResponse> FileAdder::AddStreamOnce(int fd, const std::string& name,
                                                   uint64_t& told) {
  uint64_t sent = 0;
  return client_.Add(is_private_, [&](char* buffer, size_t capacity) -> StatusOr<size_t> {
    for (;;) {
      std::array<pollfd, 2> fds = {pollfd{fd, POLLIN, 0}, pollfd{interrupt_, POLLIN, 0}};
      if (poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) continue;
      if (fds[1].revents != 0) return Cancelled("interrupted");
      const ssize_t count = read(fd, buffer, capacity);
      if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (count < 0) return FileError(errno, "read " + EscapeForTerminal(name));
      sent += static_cast<uint64_t>(count);
      Tell(sent, told);
      return static_cast<size_t>(count);
    }
  });
}

}  // namespace blobd::client
