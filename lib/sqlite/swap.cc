#include "sqlite/swap.h"

#include <dirent.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>

#include "sqlite/files.h"

namespace blobd::sqlite {
namespace {

constexpr std::string_view kIncoming = ".incoming.";

// The name aside of a waiting swap.
StatusOr<std::optional<std::string>> FindIncoming(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string prefix = path.substr(slash + 1) + std::string(kIncoming);
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(directory.c_str()), &closedir);
  if (entries == nullptr) return ErrnoStatus(errno, fmt::format("read {}", directory));
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(entries.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name.starts_with(prefix)) return std::optional<std::string>(name.substr(prefix.size()));
  }
  if (errno != 0) return ErrnoStatus(errno, fmt::format("read {}", directory));
  return std::optional<std::string>();
}

// Keeps the file at the first of two places if it is there; what is at the second came of the same
// swap, interrupted.
Status MoveAside(const std::string& from, const std::string& to) {
  BLOBD_ASSIGN_OR_RETURN(const int64_t size, FileSize(from));
  return size < 0 ? OkStatus() : RenameDurably(from, to);
}

}  // namespace

Status Swap(const std::string& path, const std::string& ready, std::string_view aside) {
  BLOBD_RETURN_IF_ERROR(FinishSwap(path));
  const std::string kept = fmt::format("{}.{}", path, aside);
  for (const char* suffix : {"", "-wal"}) {
    BLOBD_ASSIGN_OR_RETURN(const int64_t size, FileSize(kept + suffix));
    if (size >= 0) return AlreadyExists("{}{} is there already", kept, suffix);
  }
  BLOBD_RETURN_IF_ERROR(RenameDurably(ready, fmt::format("{}{}{}", path, kIncoming, aside)));
  return FinishSwap(path);
}

Status FinishSwap(const std::string& path) {
  BLOBD_ASSIGN_OR_RETURN(const std::optional<std::string> aside, FindIncoming(path));
  if (!aside) return OkStatus();
  const std::string kept = fmt::format("{}.{}", path, *aside);
  // The log goes with its database; the other two are worth nothing without them.
  BLOBD_RETURN_IF_ERROR(MoveAside(path + "-wal", kept + "-wal"));
  BLOBD_RETURN_IF_ERROR(MoveAside(path, kept));
  for (const char* suffix : {"-shm", "-journal"}) {
    if (unlink((path + suffix).c_str()) != 0 && errno != ENOENT) {
      return ErrnoStatus(errno, fmt::format("unlink {}{}", path, suffix));
    }
  }
  return RenameDurably(fmt::format("{}{}{}", path, kIncoming, *aside), path);
}

}  // namespace blobd::sqlite
