#include "daemon/config_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "base/units.h"

namespace blobd::daemon {
namespace {

constexpr size_t kMaxFiles = 1000;
constexpr size_t kMaxFileBytes = 16 * kMiB;  // a list of 10,000 nodes takes 700 kB

// A descriptor that is closed at the end.
class File {
 public:
  // Never waits, as a pipe without a writer would have it.
  explicit File(const std::string& path)
      : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

// All of it, or an error: half a configuration is another one.
StatusOr<std::string> ReadAll(const std::string& path, mode_t* mode) {
  const File file(path);
  if (file.fd() < 0) return ErrnoStatus(errno, "open " + path);
  struct stat facts {};
  if (fstat(file.fd(), &facts) != 0) return ErrnoStatus(errno, "look at " + path);
  if (!S_ISREG(facts.st_mode)) return InvalidArgument("{}: it is no regular file", path);
  *mode = facts.st_mode;
  std::string text;
  while (true) {
    const size_t before = text.size();
    if (before > kMaxFileBytes)
      return InvalidArgument("{}: it is longer than {} MiB", path, kMaxFileBytes / kMiB);
    text.resize(before + 64 * kKiB);
    const ssize_t got = read(file.fd(), text.data() + before, text.size() - before);
    if (got < 0) return ErrnoStatus(errno, "read " + path);
    text.resize(before + static_cast<size_t>(got));
    if (got == 0) return text;
  }
}

// What files may hold of secrets.
auto HeadersOf(const Config& config) {
  std::map<http::Origin, std::vector<std::pair<std::string, std::string>>> headers;
  for (const auto& [origin, said] : config.mirrors.origins) {
    if (!said.headers.empty()) headers[origin] = said.headers;
  }
  return headers;
}

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

Status ApplyFile(const std::string& file, Config* config) {
  mode_t mode = 0;
  BLOBD_ASSIGN_OR_RETURN(const std::string text, ReadAll(file, &mode));
  const auto before = HeadersOf(*config);
  BLOBD_RETURN_IF_ERROR(ApplyToml(text, file, config));
  config->files.push_back(file);
  if ((mode & S_IROTH) != 0 && HeadersOf(*config) != before) {
    config->warnings.push_back(fmt::format(
        "{} has headers for mirrors in it, and every user can read it: they are secrets of blobd's "
        "user alone (chown root:blobd, chmod 0640)",
        file));
  }
  return OkStatus();
}

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
