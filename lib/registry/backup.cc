#include "registry/backup.h"

#include "registry/replace.h"
#include "registry/schema.h"
#include "sqlite/copy.h"
#include "sqlite/files.h"

namespace blobd::registry {

Status BackUpRegistry(sqlite::Database& reader, const std::string& path) {
  if (!path.starts_with('/')) return InvalidArgument("{} is not an absolute path", path);
  BLOBD_ASSIGN_OR_RETURN(const std::string target, sqlite::ResolveDirectory(path));
  BLOBD_ASSIGN_OR_RETURN(const int64_t size, sqlite::FileSize(target));
  if (size >= 0) return AlreadyExists("{} is there already", path);
  const std::string unchecked = target + ".unchecked";
  Status status = [&]() -> Status {
    BLOBD_RETURN_IF_ERROR(sqlite::CopyDatabase(reader, unchecked, false));
    BLOBD_RETURN_IF_ERROR(sqlite::CheckCopy(unchecked, RegistrySchema()).status());
    return sqlite::RenameDurably(unchecked, target, true);
  }();
  if (!status.ok()) (void)sqlite::RemoveDatabaseFiles(unchecked);
  return status;
}

Status RestoreRegistry(const std::string& from, const std::string& to, WallTime now) {
  BLOBD_ASSIGN_OR_RETURN(const std::string target, sqlite::ResolveDirectory(to));
  BLOBD_ASSIGN_OR_RETURN(const std::string source, sqlite::ResolveDirectory(from));
  BLOBD_ASSIGN_OR_RETURN(const int64_t log_size, sqlite::FileSize(source + "-wal"));
  if (log_size > 0) return FailedPrecondition("{0} is no backup: it has a log, {0}-wal", from);
  const std::string ready = target + ".restoring";
  Status status = [&]() -> Status {
    BLOBD_RETURN_IF_ERROR(sqlite::CopyFile(source, ready));
    return ReplaceRegistry(target, ready, fmt::format("replaced-{}", now.unix_ms));
  }();
  if (!status.ok()) (void)sqlite::RemoveDatabaseFiles(ready);
  return status;
}

}  // namespace blobd::registry
