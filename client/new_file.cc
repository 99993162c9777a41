#include "client/new_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <random>

#include "base/utf8.h"

namespace blobd::client {

Place PlaceOf(std::string target) {
  while (target.size() > 1 && target.back() == '/') target.pop_back();
  if (target == "/") return {"/", "."};
  const size_t slash = target.rfind('/');
  if (slash == std::string::npos) return {".", target};
  return {slash == 0 ? "/" : target.substr(0, slash), target.substr(slash + 1)};
}

namespace {

const char* WhatItIs(mode_t mode) {
  if (S_ISLNK(mode)) return "a symbolic link";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

Status CheckExisting(const std::string& target, const struct stat& existing, bool replace) {
  const std::string shown = EscapeForTerminal(target);
  if (S_ISDIR(existing.st_mode))
    return FailedPrecondition("{} is a directory; name a file in it", shown);
  if (!S_ISREG(existing.st_mode)) {
    return FailedPrecondition("{} is {}, and only regular files are written; name another target",
                              shown, WhatItIs(existing.st_mode));
  }
  if (!replace)
    return AlreadyExists("{} exists; name another target, or replace it with --force", shown);
  return OkStatus();
}

// What keeps a file from having that name.
Status CheckName(int directory, const Place& place, const std::string& target, bool replace) {
  struct stat existing {};
  if (fstatat(directory, place.name.c_str(), &existing, AT_SYMLINK_NOFOLLOW) == 0)
    return CheckExisting(target, existing, replace);
  if (!target.ends_with('/')) return OkStatus();
  return FailedPrecondition(
      "{} ends as a directory does, and a file is written: make the directory, and name a file in "
      "it",
      EscapeForTerminal(target));
}

}  // namespace

Status CheckTarget(const std::string& target, bool replace) {
  if (target == "/dev/stdout" || target == "/dev/fd/1" || target == "/proc/self/fd/1")
    return FailedPrecondition("{} is no regular file; use -o - for standard output", target);
  const Place place = PlaceOf(target);
  BLOBD_ASSIGN_OR_RETURN(const Descriptor directory, OpenDirectory(place.directory));
  BLOBD_RETURN_IF_ERROR(CheckWritable(directory.get(), place.directory));
  return CheckName(directory.get(), place, target, replace);
}

Status CheckWritable(int directory, const std::string& shown) {
  if (faccessat(directory, ".", W_OK, AT_EACCESS) == 0) return OkStatus();
  return FileError(errno, "write to " + EscapeForTerminal(shown));
}

std::string TemporaryName(const std::string& name) {
  std::random_device random;
  return fmt::format(".{}.blobd-{:08x}", name.substr(0, 200), random());
}

StatusOr<NewFile> NewFile::Begin(const std::string& target, bool replace) {
  NewFile file(target, replace);
  file.place_ = PlaceOf(target);
  const std::string& name = file.place_.name;
  BLOBD_ASSIGN_OR_RETURN(file.directory_, OpenDirectory(file.place_.directory));
  const int directory = file.directory_.get();
  BLOBD_RETURN_IF_ERROR(CheckName(directory, file.place_, target, replace));
  // Else the error would name what is written first.
  BLOBD_RETURN_IF_ERROR(CheckWritable(directory, file.place_.directory));
  file.temporary_ = TemporaryName(name);
  BLOBD_ASSIGN_OR_RETURN(
      file.file_, OpenBeneath(directory, file.temporary_, O_WRONLY | O_CREAT | O_EXCL, 0666));
  return file;
}

NewFile::~NewFile() {
  if (file_.get() >= 0) unlinkat(directory_.get(), temporary_.c_str(), 0);
}

Status NewFile::Exists() const {
  return AlreadyExists("{} exists; name another target, or replace it with --force",
                       EscapeForTerminal(target_));
}

Status NewFile::Commit() {
  if (fsync(file_.get()) != 0) return FileError(errno, "sync " + target_);
  if (!RenameTo(directory_.get(), temporary_, directory_.get(), place_.name, replace_))
    return errno == EEXIST ? Exists() : FileError(errno, "rename to " + target_);
  file_ = Descriptor();
  // The name too: as far as the file system lets a directory be synced.
  (void)fsync(directory_.get());
  return OkStatus();
}

bool RenameTo(int from_directory, const std::string& from, int to_directory, const std::string& to,
              bool replace) {
  if (renameat2(from_directory, from.c_str(), to_directory, to.c_str(),
                replace ? 0 : RENAME_NOREPLACE) == 0) {
    return true;
  }
  if (replace || errno != EINVAL) return false;
  // NFS, for one, cannot refuse to replace; nor does a second name replace anything.
  return linkat(from_directory, from.c_str(), to_directory, to.c_str(), 0) == 0 &&
         unlinkat(from_directory, from.c_str(), 0) == 0;
}

}  // namespace blobd::client
