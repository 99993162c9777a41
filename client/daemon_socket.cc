#include "client/daemon_socket.h"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace blobd::client {
namespace {

constexpr char kSystemSocket[] = "/run/blobd/blobd.sock";

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Where only we can have put a socket: the variable may have been kept from another user (sudo -E).
bool IsOurOwn(const std::string& directory) {
  struct stat facts {};
  return lstat(directory.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) &&
         facts.st_uid == geteuid() && (facts.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

// Empty: this user has none.
std::string OwnSocket() {
  const std::string runtime = Environment("XDG_RUNTIME_DIR");
  return runtime.empty() || !IsOurOwn(runtime) ? "" : runtime + "/blobd/blobd.sock";
}

// Whether the user database has `user` in `group`, whatever this process has.
bool IsListedIn(const passwd& user, gid_t group) {
  int count = 1024;
  std::vector<gid_t> groups(static_cast<size_t>(count));
  if (getgrouplist(user.pw_name, user.pw_gid, groups.data(), &count) < 0) return false;
  return std::find(groups.begin(), groups.begin() + count, group) != groups.begin() + count;
}

std::string WhoMay(const std::string& path) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0) return "its directory is not yours to enter";
  const group* owner = getgrgid(facts.st_gid);
  const passwd* user = getpwuid(geteuid());
  if ((facts.st_mode & S_IWGRP) == 0 || facts.st_gid == 0 || owner == nullptr || user == nullptr)
    return fmt::format("it is for uid {} and root", facts.st_uid);
  if (IsListedIn(*user, facts.st_gid)) {
    return fmt::format("you are in the group \"{}\" from the next login on: log in again",
                       owner->gr_name);
  }
  return fmt::format(
      "it is for the group \"{}\": run \"sudo adduser {} {}\", and log in again, or use sudo",
      owner->gr_name, user->pw_name, owner->gr_name);
}

std::string HowToStart(const std::string& path) {
  if (path == kSystemSocket) {
    const bool lost = !Environment("SUDO_USER").empty() && Environment("BLOBD_SOCKET").empty();
    return std::string("start it with \"systemctl start blobd\"") +
           (lost ? ", or name another --socket: sudo passes no BLOBD_SOCKET on" : "");
  }
  if (path == OwnSocket()) return "start it with \"systemctl --user start blobd.socket\"";
  // Which state it had, its socket does not say; another would be begun without it.
  return fmt::format(
      "start it with \"blobd --socket {}\" and the --config or --state-dir that it had, or name "
      "another --socket",
      path);
}

}  // namespace

std::string DefaultSocket() {
  if (std::string socket = Environment("BLOBD_SOCKET"); !socket.empty()) return socket;
  if (std::string own = OwnSocket(); !own.empty() && TryConnect(own) == 0) return own;
  return kSystemSocket;
}

int TryConnect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  const int error =
      connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
  close(fd);
  // So many wait already that there is no place for one more: somebody holds it.
  return error == EAGAIN ? 0 : error;
}

Status SocketError(const std::string& path, int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return PermissionDenied("no permission to use {}: {}", path, WhoMay(path));
    case ENOENT:
    case ECONNREFUSED:
      return Unavailable("blobd is not running at {}; {}", path, HowToStart(path));
    default:
      return Unavailable("cannot reach blobd at {}: {}", path, std::strerror(error));
  }
}

}  // namespace blobd::client
