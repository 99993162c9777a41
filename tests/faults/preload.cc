// A library to be preloaded into blobd, for what cannot be done to a process from outside. It minds
// the calls that change a file or a directory: regular files, without standard output and error.
//
//   BLOBD_KILL_AT=N            the process is killed before the n-th of them, counted over all
//                              threads
//   BLOBD_READ_ONLY_WHILE=PATH they fail with EROFS while there is a file PATH, and the file system
//                              says that it is read-only
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>

namespace {

bool IsReadOnly() {
  static const char* const flag = std::getenv("BLOBD_READ_ONLY_WHILE");
  return flag != nullptr && access(flag, F_OK) == 0;
}

// Whether the call may be made.
bool MayChange() {
  static const char* const number = std::getenv("BLOBD_KILL_AT");
  static const long kill_at = number != nullptr ? std::atol(number) : 0;
  static std::atomic<long> calls = 0;
  if (++calls == kill_at) {
    kill(getpid(), SIGKILL);
    pause();
  }
  if (!IsReadOnly()) return true;
  errno = EROFS;
  return false;
}

bool MayChangeFile(int fd) {
  struct stat facts {};
  const bool is_file =
      fd > 2 && fstat(fd, &facts) == 0 && (S_ISREG(facts.st_mode) || S_ISDIR(facts.st_mode));
  return !is_file || MayChange();
}

mode_t ModeOf(int flags, va_list arguments) {
  return (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
}

template <typename Function>
Function Next(const char* name, Function /*same type*/) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

// NOLINTNEXTLINE(cppcoreguidelines-macro-usage): a name and a call
#define FORWARD(name, ...)                       \
  static const auto next = Next(#name, &::name); \
  return next(__VA_ARGS__)

extern "C" {

ssize_t write(int fd, const void* from, size_t size) {
  if (!MayChangeFile(fd)) return -1;
  FORWARD(write, fd, from, size);
}
ssize_t pwrite(int fd, const void* from, size_t size, off_t at) {
  if (!MayChangeFile(fd)) return -1;
  FORWARD(pwrite, fd, from, size, at);
}
ssize_t pwrite64(int fd, const void* from, size_t size, off64_t at) {
  if (!MayChangeFile(fd)) return -1;
  FORWARD(pwrite64, fd, from, size, at);
}
ssize_t pwritev(int fd, const iovec* parts, int count, off_t at) {
  if (!MayChangeFile(fd)) return -1;
  FORWARD(pwritev, fd, parts, count, at);
}
int fsync(int fd) {
  if (!MayChangeFile(fd)) return -1;
  FORWARD(fsync, fd);
}
int fdatasync(int fd) {
  if (!MayChangeFile(fd)) return -1;
  FORWARD(fdatasync, fd);
}
int ftruncate(int fd, off_t size) noexcept {
  if (!MayChangeFile(fd)) return -1;
  FORWARD(ftruncate, fd, size);
}
int ftruncate64(int fd, off64_t size) noexcept {
  if (!MayChangeFile(fd)) return -1;
  FORWARD(ftruncate64, fd, size);
}
int rename(const char* from, const char* to) noexcept {
  if (!MayChange()) return -1;
  FORWARD(rename, from, to);
}
int renameat2(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) noexcept {
  if (!MayChange()) return -1;
  FORWARD(renameat2, from_fd, from, to_fd, to, flags);
}
int unlink(const char* path) noexcept {
  if (!MayChange()) return -1;
  FORWARD(unlink, path);
}
int mkdir(const char* path, mode_t mode) noexcept {
  if (!MayChange()) return -1;
  FORWARD(mkdir, path, mode);
}
int statvfs(const char* path, struct statvfs* facts) noexcept {
  static const auto next = Next("statvfs", &::statvfs);
  const int result = next(path, facts);
  if (result == 0 && IsReadOnly()) facts->f_flag |= ST_RDONLY;
  return result;
}
int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = ModeOf(flags, arguments);
  va_end(arguments);
  if ((flags & O_CREAT) != 0 && !MayChange()) return -1;
  FORWARD(open, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = ModeOf(flags, arguments);
  va_end(arguments);
  if ((flags & O_CREAT) != 0 && !MayChange()) return -1;
  FORWARD(open64, path, flags, mode);
}

}  // extern "C"
