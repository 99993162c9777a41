#include "daemon/state_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <utility>

namespace blobd::daemon {
namespace {

Status MakeDirectories(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string parent = path.substr(0, slash);
    if (mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST)
      return ErrnoStatus(errno, "mkdir " + parent);
  }
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return ErrnoStatus(errno, "mkdir " + path);
  return OkStatus();
}

// What others can write here they could make us believe, or overwrite through a link.
Status CheckIsOurs(const std::string& path) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0) return ErrnoStatus(errno, "stat " + path);
  if (facts.st_uid != geteuid()) {
    return FailedPrecondition(
        "the state directory {} belongs to uid {}, and blobd runs as uid {}: start it as that "
        "user, or name another "
        "--state-dir",
        path, facts.st_uid, geteuid());
  }
  if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return FailedPrecondition(
        "the state directory {0} can be written by others: run \"chmod go-w {0}\"", path);
  }
  return OkStatus();
}

std::string FirstLine(const std::string& path) {
  std::ifstream stream(path);
  std::string line;
  std::getline(stream, line);
  return line;
}

// Waits in the kernel until the lock is free: there is no call that does so with a limit. The alarm
// rings again and again, since the first may come before the wait has begun. Returns 0 or the
// errno, EWOULDBLOCK if it did not become free.
int WaitForLock(int fd, Duration patience) {
  constexpr suseconds_t kLookMicros = 100'000;
  const Instant deadline = SystemClock().Now() + patience;
  struct sigaction ring {};
  struct sigaction before {};
  ring.sa_handler = [](int) {};  // and without SA_RESTART, so that it interrupts
  sigaction(SIGALRM, &ring, &before);
  const itimerval often{{0, kLookMicros}, {0, kLookMicros}};
  setitimer(ITIMER_REAL, &often, nullptr);
  int error = EINTR;
  while (error == EINTR && SystemClock().Now() < deadline)
    error = flock(fd, LOCK_EX) == 0 ? 0 : errno;
  const itimerval never{};
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
  return error == EINTR ? EWOULDBLOCK : error;
}

int TakeLock(int fd, Duration patience) {
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
  if (errno != EWOULDBLOCK || patience == Duration::zero()) return errno;
  return WaitForLock(fd, patience);
}

}  // namespace

StatusOr<StateDir> StateDir::Lock(const std::string& path, Duration patience) {
  BLOBD_RETURN_IF_ERROR(MakeDirectories(path));
  BLOBD_RETURN_IF_ERROR(CheckIsOurs(path));
  const std::string file = path + "/LOCK";
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return ErrnoStatus(errno, "open " + file);
  if (const int error = TakeLock(fd, patience); error != 0) {
    close(fd);
    if (error == EWOULDBLOCK)
      return Unavailable("another blobd uses {}; stop it, or name another --state-dir", path);
    return ErrnoStatus(error, "lock " + file);
  }
  return StateDir(path, fd);
}

StateDir::StateDir(StateDir&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

StateDir::~StateDir() {
  if (lock_ >= 0) close(lock_);
}

std::string StateDir::CheckMachineId() const {
  const std::string now = FirstLine("/etc/machine-id");
  if (now.empty()) return "";
  const std::string file = File("node.machine-id");
  const std::string before = FirstLine(file);
  if (before == now) return "";
  if (before.empty()) {
    const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return "";
    const std::string line = now + "\n";
    const bool written = write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
    close(fd);
    return written ? "" : "could not write " + file;
  }
  return fmt::format(
      "the node key in {} was made on another machine: if this is a copy of that machine's disk, "
      "stop blobd and remove "
      "node.key and node.machine-id here, or both machines share one identity",
      path_);
}

}  // namespace blobd::daemon
