#include "posix.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"

namespace blobd::faults {
namespace {

// Descriptors of ours have numbers that no other has.
constexpr int kFirstDescriptor = 1 << 24;

struct Descriptor {
  std::string path;
  Disk::File file;  // null: of a directory
  uint64_t offset = 0;
};

// A directory that is being read.
struct Listing {
  std::vector<std::string> names;
  size_t next = 0;
  dirent entry = {};
};

Disk* served = nullptr;
std::map<DIR*, std::unique_ptr<Listing>> listings;
std::map<int, Descriptor> descriptors;
int next_descriptor = kFirstDescriptor;

// Null: not one of ours.
Descriptor* Find(int fd) {
  const auto it = descriptors.find(fd);
  return it != descriptors.end() ? &it->second : nullptr;
}

bool IsOurs(const char* path) {
  const size_t size = std::strlen(Disk::kRoot);
  return served != nullptr && std::strncmp(path, Disk::kRoot, size) == 0 &&
         (path[size] == '/' || path[size] == '\0');
}

int Answer(int error) {
  if (error == 0) return 0;
  errno = error;
  return -1;
}

std::string WithoutSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

int OpenOurs(const std::string& path, int flags) {
  int error = 0;
  Disk::File file;
  if ((flags & O_DIRECTORY) != 0) {
    if (served->is_down()) return Answer(EIO);
    if (!served->IsDirectory(path)) return Answer(ENOENT);
  } else {
    Disk::Open how = Disk::Open::kExisting;
    if ((flags & O_CREAT) != 0)
      how = (flags & O_EXCL) != 0 ? Disk::Open::kCreateNew : Disk::Open::kCreate;
    error = served->OpenFile(path, how, &file);
  }
  if (error != 0) return Answer(error);
  descriptors[next_descriptor] = {path, std::move(file)};
  return next_descriptor++;
}

int SyncOurs(const Descriptor& one) {
  return Answer(one.file == nullptr ? served->SyncDirectory(one.path) : served->Sync(one.file));
}

ssize_t ReadOurs(const Descriptor& one, void* to, size_t size, uint64_t at) {
  size_t count = 0;
  const int error =
      served->Read(one.file, at, MutableBytes(static_cast<uint8_t*>(to), size), &count);
  return error == 0 ? static_cast<ssize_t>(count) : Answer(error);
}

ssize_t WriteOurs(const Descriptor& one, const void* from, size_t size, uint64_t at) {
  const int error = served->Write(one.file, at, ByteView(static_cast<const uint8_t*>(from), size));
  return error == 0 ? static_cast<ssize_t>(size) : Answer(error);
}

int RenameOurs(const std::string& from, const std::string& to, bool replaces) {
  if (!replaces && served->Find(to) != nullptr) return Answer(EEXIST);
  return Answer(served->Rename(from, to));
}

int StatOurs(const std::string& path, struct stat* facts) {
  if (served->is_down()) return Answer(EIO);
  *facts = {};
  if (served->IsDirectory(path)) {
    facts->st_mode = S_IFDIR | 0700;
    return 0;
  }
  const Disk::File file = served->Find(path);
  if (file == nullptr) return Answer(ENOENT);
  facts->st_mode = S_IFREG | 0600;
  facts->st_size = static_cast<off_t>(file->size());
  return 0;
}

}  // namespace

void ServePosix(Disk* disk) {
  served = disk;
  descriptors.clear();
}

}  // namespace blobd::faults

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's names
extern "C" {

using namespace blobd::faults;

int __real_open(const char* path, int flags, ...);
int __real_close(int fd);
int __real_fsync(int fd);
int __real_fdatasync(int fd);
ssize_t __real_pread(int fd, void* to, size_t size, off_t at);
ssize_t __real_pwrite(int fd, const void* from, size_t size, off_t at);
ssize_t __real_read(int fd, void* to, size_t size);
ssize_t __real_write(int fd, const void* from, size_t size);
int __real_ioctl(int fd, unsigned long request, void* argument);
int __real_fstat(int fd, struct stat* facts);
int __real_renameat2(int from_fd, const char* from, int to_fd, const char* to, unsigned flags);
int __real_unlink(const char* path);
int __real_rename(const char* from, const char* to);
int __real_lstat(const char* path, struct stat* facts);
int __real_stat(const char* path, struct stat* facts);
char* __real_realpath(const char* path, char* resolved);
DIR* __real_opendir(const char* path);
struct dirent* __real_readdir(DIR* directory);
int __real_closedir(DIR* directory);

int __wrap_open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  return IsOurs(path) ? OpenOurs(WithoutSlash(path), flags) : __real_open(path, flags, mode);
}

int __wrap_close(int fd) { return descriptors.erase(fd) > 0 ? 0 : __real_close(fd); }

int __wrap_fsync(int fd) {
  const Descriptor* ours = Find(fd);
  return ours != nullptr ? SyncOurs(*ours) : __real_fsync(fd);
}

int __wrap_fdatasync(int fd) {
  const Descriptor* ours = Find(fd);
  return ours != nullptr ? SyncOurs(*ours) : __real_fdatasync(fd);
}

ssize_t __wrap_pread(int fd, void* to, size_t size, off_t at) {
  const Descriptor* ours = Find(fd);
  if (ours == nullptr) return __real_pread(fd, to, size, at);
  return ReadOurs(*ours, to, size, static_cast<uint64_t>(at));
}

ssize_t __wrap_pwrite(int fd, const void* from, size_t size, off_t at) {
  const Descriptor* ours = Find(fd);
  if (ours == nullptr) return __real_pwrite(fd, from, size, at);
  return WriteOurs(*ours, from, size, static_cast<uint64_t>(at));
}

ssize_t __wrap_read(int fd, void* to, size_t size) {
  Descriptor* ours = Find(fd);
  if (ours == nullptr) return __real_read(fd, to, size);
  const ssize_t count = ReadOurs(*ours, to, size, ours->offset);
  if (count > 0) ours->offset += static_cast<uint64_t>(count);
  return count;
}

ssize_t __wrap_write(int fd, const void* from, size_t size) {
  Descriptor* ours = Find(fd);
  if (ours == nullptr) return __real_write(fd, from, size);
  const ssize_t count = WriteOurs(*ours, from, size, ours->offset);
  if (count > 0) ours->offset += static_cast<uint64_t>(count);
  return count;
}

int __wrap_ioctl(int fd, unsigned long request, void* argument) {
  return Find(fd) != nullptr ? Answer(EOPNOTSUPP) : __real_ioctl(fd, request, argument);
}

int __wrap_fstat(int fd, struct stat* facts) {
  const Descriptor* ours = Find(fd);
  return ours != nullptr ? StatOurs(ours->path, facts) : __real_fstat(fd, facts);
}

int __wrap_unlink(const char* path) {
  return IsOurs(path) ? Answer(served->Unlink(path)) : __real_unlink(path);
}

int __wrap_rename(const char* from, const char* to) {
  return IsOurs(from) ? RenameOurs(from, to, true) : __real_rename(from, to);
}

int __wrap_renameat2(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) {
  if (!IsOurs(from)) return __real_renameat2(from_fd, from, to_fd, to, flags);
  return RenameOurs(from, to, (flags & RENAME_NOREPLACE) == 0);
}

int __wrap_lstat(const char* path, struct stat* facts) {
  return IsOurs(path) ? StatOurs(path, facts) : __real_lstat(path, facts);
}

int __wrap_stat(const char* path, struct stat* facts) {
  return IsOurs(path) ? StatOurs(path, facts) : __real_stat(path, facts);
}

char* __wrap_realpath(const char* path, char* resolved) {
  if (!IsOurs(path)) return __real_realpath(path, resolved);
  BLOBD_CHECK(resolved == nullptr);
  const std::string clean = WithoutSlash(path);
  if (served->IsDirectory(clean) || served->Find(clean) != nullptr) return strdup(clean.c_str());
  errno = ENOENT;
  return nullptr;
}

DIR* __wrap_opendir(const char* path) {
  if (!IsOurs(path)) return __real_opendir(path);
  const std::string clean = WithoutSlash(path);
  if (!served->IsDirectory(clean)) {
    errno = ENOENT;
    return nullptr;
  }
  auto listing = std::make_unique<Listing>();
  listing->names = served->List(clean);
  DIR* name = reinterpret_cast<DIR*>(listing.get());
  listings[name] = std::move(listing);
  return name;
}

struct dirent* __wrap_readdir(DIR* directory) {
  const auto ours = listings.find(directory);
  if (ours == listings.end()) return __real_readdir(directory);
  Listing& listing = *ours->second;
  if (listing.next == listing.names.size()) return nullptr;
  const std::string& name = listing.names[listing.next++];
  BLOBD_CHECK(name.size() < sizeof listing.entry.d_name);
  std::memcpy(listing.entry.d_name, name.c_str(), name.size() + 1);
  return &listing.entry;
}

int __wrap_closedir(DIR* directory) {
  return listings.erase(directory) > 0 ? 0 : __real_closedir(directory);
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
