#include "client/new_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <random>

#include "base/utf8.h"

namespace blobd::client {

Place PlaceOf(std::string target) {
  while (target.size() > 1 && target.back() == '/') target.pop_back();
  const size_t slash = target.rfind('/');
  if (slash == std::string::npos) return {".", target};
  return {slash == 0 ? "/" : target.substr(0, slash), target.substr(slash + 1)};
}

namespace {

Status CheckExisting(const std::string& target, const struct stat& existing, bool replace) {
  const std::string shown = EscapeForTerminal(target);
  if (S_ISDIR(existing.st_mode))
    return FailedPrecondition("{} is a directory; name a file in it", shown);
  if (!replace)
    return AlreadyExists("{} exists; name another target, or replace it with --force", shown);
  if (!S_ISREG(existing.st_mode))
    return FailedPrecondition("{} is no regular file and is not replaced", shown);
  return OkStatus();
}

}  // namespace

Status CheckTarget(const std::string& target, bool replace) {
  const Place place = PlaceOf(target);
  BLOBD_ASSIGN_OR_RETURN(const Descriptor directory, OpenDirectory(place.directory));
  if (faccessat(directory.get(), ".", W_OK, AT_EACCESS) != 0)
    return FileError(errno, "write to " + EscapeForTerminal(place.directory));
  struct stat existing {};
  if (fstatat(directory.get(), place.name.c_str(), &existing, AT_SYMLINK_NOFOLLOW) != 0)
    return OkStatus();
  std::error_code error;
  if (S_ISDIR(existing.st_mode) && std::filesystem::is_empty(target, error) && !error)
    return OkStatus();
  return CheckExisting(target, existing, replace);
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
  struct stat existing {};
  if (fstatat(directory, name.c_str(), &existing, AT_SYMLINK_NOFOLLOW) == 0)
    BLOBD_RETURN_IF_ERROR(CheckExisting(target, existing, replace));
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
  if (!Name()) return errno == EEXIST ? Exists() : FileError(errno, "rename to " + target_);
  file_ = Descriptor();
  // The name too: as far as the file system lets a directory be synced.
  (void)fsync(directory_.get());
  return OkStatus();
}

// Gives the finished file its name. False: see errno.
bool NewFile::Name() const {
  const int directory = directory_.get();
  const char* from = temporary_.c_str();
  const char* to = place_.name.c_str();
  if (renameat2(directory, from, directory, to, replace_ ? 0 : RENAME_NOREPLACE) == 0) return true;
  if (replace_ || errno != EINVAL) return false;
  // NFS, for one, cannot refuse to replace; nor does a second name replace anything.
  return linkat(directory, from, directory, to, 0) == 0 && unlinkat(directory, from, 0) == 0;
}

}  // namespace blobd::client
