#include "daemon/config_files.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

namespace blobd::daemon {
namespace {

constexpr size_t kMaxFiles = 1000;

StatusOr<std::vector<std::string>> FilesOf(const std::filesystem::path& directory) {
  std::vector<std::string> files;
  std::error_code error;
  std::filesystem::directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::filesystem::path& path = entry->path();
    // A leading dot: what an editor or a package manager leaves there for a while.
    if (path.extension() == ".toml" && !path.filename().string().starts_with("."))
      files.push_back(path.string());
    if (files.size() > kMaxFiles)
      return InvalidArgument("more than {} files in {}", kMaxFiles, directory.string());
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return ErrnoStatus(error.value(), "read " + directory.string());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Status ReadConfigFiles(const std::string& named, Config* config) {
  if (!named.empty()) return ApplyFile(named, config);
  const std::filesystem::path file = DefaultConfigFile();
  Status status = ApplyFile(file.string(), config);
  if (!status.ok() && status.code() != StatusCode::kNotFound) return status;
  BLOBD_ASSIGN_OR_RETURN(const std::vector<std::string> more,
                         FilesOf(file.parent_path() / "conf.d"));
  for (const std::string& each : more) BLOBD_RETURN_IF_ERROR(ApplyFile(each, config));
  return OkStatus();
}

}  // namespace blobd::daemon
