#include "sqlite/copy.h"

#include "sqlite/files.h"

namespace blobd::sqlite {

Status CopyDatabase(Database& from, const std::string& to, bool new_only) {
  BLOBD_ASSIGN_OR_RETURN(const std::string path, ResolveDirectory(to));
  if (new_only) {
    BLOBD_ASSIGN_OR_RETURN(const int64_t size, FileSize(path));
    if (size >= 0) return AlreadyExists("{} is there already", to);
  }
  // SQLite takes an empty file for the one to fill, and leaves its mode alone.
  BLOBD_ASSIGN_OR_RETURN(const std::string unfinished, MakeEmptyFile(path + ".new"));
  Status status = [&]() -> Status {
    BLOBD_ASSIGN_OR_RETURN(Statement copy, from.Prepare("VACUUM INTO ?1"));
    BLOBD_RETURN_IF_ERROR(copy.Bind(std::string_view(unfinished)).Run());
    BLOBD_RETURN_IF_ERROR(SyncFile(unfinished));
    return RenameDurably(unfinished, path, new_only);
  }();
  if (status.ok()) return status;
  (void)RemoveDatabaseFiles(unfinished);
  return Annotate(status, fmt::format("copy to {}", to));
}

std::string KeptCopyName(const std::string& path, int64_t version) {
  return fmt::format("{}.v{}", path, version);
}

}  // namespace blobd::sqlite
