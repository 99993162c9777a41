#include "client/store_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/utf8.h"

namespace blobd::client {
namespace {

constexpr size_t kHexHash = 64;
constexpr std::string_view kSuffix = ".data";

bool IsLowerHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

StatusOr<std::vector<std::string>> NamesIn(int root, const std::string& path) {
  BLOBD_ASSIGN_OR_RETURN(const Descriptor opened,
                         OpenBeneath(root, path, O_RDONLY | O_DIRECTORY, 0));
  // The stream closes the descriptor that it gets.
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(
      fdopendir(fcntl(opened.get(), F_DUPFD_CLOEXEC, 0)), closedir);
  if (stream == nullptr) return ErrnoStatus(errno, "read " + EscapeForTerminal(path));
  std::vector<std::string> names;
  errno = 0;
  for (const dirent* entry = readdir(stream.get()); entry != nullptr;
       entry = readdir(stream.get())) {
    names.emplace_back(entry->d_name);
  }
  if (errno != 0) return ErrnoStatus(errno, "read " + EscapeForTerminal(path));
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string StoreFileName(const std::string& hash) {
  return hash.substr(0, 2) + "/" + hash + std::string(kSuffix);
}

std::optional<std::string> HashOfStoreFile(const std::string& directory, const std::string& name) {
  if (name.size() != kHexHash + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  std::string hash = name.substr(0, kHexHash);
  if (!IsLowerHex(hash) || hash.substr(0, 2) != directory) return std::nullopt;
  return hash;
}

StatusOr<StoreFiles> FindStoreFiles(const std::string& path) {
  StoreFiles files;
  BLOBD_ASSIGN_OR_RETURN(files.root, OpenDirectory(path));
  if (auto blobs = OpenBeneath(files.root.get(), "blobs", O_RDONLY | O_DIRECTORY, 0); blobs.ok())
    files.root = *std::move(blobs);
  BLOBD_ASSIGN_OR_RETURN(const std::vector<std::string> directories,
                         NamesIn(files.root.get(), "."));
  for (const std::string& directory : directories) {
    struct stat info {};
    if (directory.size() != 2 || !IsLowerHex(directory) ||
        fstatat(files.root.get(), directory.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(info.st_mode)) {
      continue;
    }
    BLOBD_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           NamesIn(files.root.get(), directory));
    for (const std::string& name : names) {
      if (auto hash = HashOfStoreFile(directory, name)) files.hashes.push_back(*std::move(hash));
    }
  }
  return files;
}

}  // namespace blobd::client
