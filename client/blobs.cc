// add, cat, export, status: what the store holds, and the daemon itself.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/export.h"
#include "client/progress_line.h"

namespace blobd::client {
namespace {

namespace fs = std::filesystem;

StatusOr<v1::AddResponse> AddDescriptor(Context& context, int fd, uint64_t size,
                                        const std::string& name, bool is_private) {
  ProgressLine progress(!context.style.quiet && !context.style.is_json());
  uint64_t done = 0;
  return context.daemon->Add(is_private, [&](char* buffer, size_t capacity) -> StatusOr<size_t> {
    for (;;) {
      if (context.interrupt.happened()) return Cancelled("interrupted");
      const ssize_t count = read(fd, buffer, capacity);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return ErrnoStatus(errno, "read " + name);
      done += static_cast<uint64_t>(count);
      progress.Show("adding", done, size);
      return static_cast<size_t>(count);
    }
  });
}

StatusOr<v1::AddResponse> AddFile(Context& context, const std::string& path, bool is_private) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open " + EscapeForTerminal(path));
  struct stat info {};
  fstat(fd, &info);
  auto response = AddDescriptor(context, fd, static_cast<uint64_t>(info.st_size), path, is_private);
  close(fd);
  return response;
}

// Every regular file below `root` becomes an entry, in order of name. Symbolic links are left out,
// and said so.
StatusOr<v1::AddResponse> AddDirectory(Context& context, const std::string& root, bool is_private) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = fs::path(it->path()).lexically_relative(root).string();
    if (it->is_symlink()) {
      fmt::print(stderr, "blobctl: {} is a symbolic link and is left out\n",
                 EscapeForTerminal(name));
    } else if (it->is_regular_file()) {
      names.push_back(name);
    }
  }
  if (error) return Internal("{}: {}", EscapeForTerminal(root), error.message());
  std::sort(names.begin(), names.end());
  v1::CreateCollectionRequest request;
  request.set_is_private(is_private);
  v1::AddResponse total;
  for (const std::string& name : names) {
    BLOBD_ASSIGN_OR_RETURN(const v1::AddResponse added,
                           AddFile(context, (fs::path(root) / name).string(), is_private));
    v1::CollectionEntry* entry = request.add_entries();
    entry->set_name(name);
    entry->set_hash(added.hash());
    total.set_size(total.size() + added.size());
  }
  BLOBD_ASSIGN_OR_RETURN(const v1::CreateCollectionResponse created,
                         context.daemon->CreateCollection(request));
  total.set_hash(created.hash());
  return total;
}

}  // namespace

int RunAdd(Context& context, const AddOptions& options) {
  const bool is_private = options.is_private;
  std::string name;
  for (const std::string& path : options.paths) {
    std::error_code error;
    const bool directory = path != "-" && fs::is_directory(path, error);
    const auto added = path == "-"
                           ? AddDescriptor(context, STDIN_FILENO, 0, "standard input", is_private)
                       : directory ? AddDirectory(context, path, is_private)
                                   : AddFile(context, path, is_private);
    if (!added.ok()) return Fail(added.status());
    name = (directory ? "s" : "") + added->hash();
    if (context.style.is_json()) {
      PrintJson(context.style, *added);
    } else if (context.style.quiet) {
      fmt::print("{}\n", name);
    } else {
      fmt::print("{} {} {}\n", name, FormatSize(added->size()), EscapeForTerminal(path));
    }
  }
  const bool hint = !is_private && !context.style.quiet && !context.style.is_json();
  if (hint && isatty(STDOUT_FILENO) == 1) {
    fmt::print("Share it: blobctl ticket {}\n", options.paths.size() == 1 ? name : "HASH");
  }
  return kExitDone;
}

int RunCat(Context& context, const std::string& hash, uint64_t offset, uint64_t length) {
  v1::ReadRequest request;
  request.set_hash(hash);
  request.set_offset(offset);
  request.set_length(length);
  const Status status = context.daemon->Read(request, [&](std::string_view data) {
    if (context.interrupt.happened()) return Cancelled("interrupted");
    if (std::fwrite(data.data(), 1, data.size(), stdout) != data.size())
      return ErrnoStatus(errno, "write");
    return OkStatus();
  });
  if (!status.ok()) return Fail(status);
  return std::fflush(stdout) == 0 ? static_cast<int>(kExitDone) : Fail(ErrnoStatus(errno, "write"));
}

int RunExport(Context& context, const ExportArguments& arguments) {
  ProgressLine progress(!context.style.quiet && arguments.output != "-");
  const bool collection = arguments.wanted.size() == 65 && arguments.wanted.front() == 's';
  const ExportOptions options{arguments.output, arguments.force};
  const Status status =
      collection ? ExportCollection(*context.daemon, arguments.wanted.substr(1), options, progress)
                 : ExportBlob(*context.daemon, arguments.wanted, options, progress);
  progress.Clear();
  return status.ok() ? static_cast<int>(kExitDone) : Fail(status);
}

int RunStatus(Context& context) {
  const auto status = context.daemon->DaemonStatus();
  if (!status.ok()) return Fail(status.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *status);
    return kExitDone;
  }
  if (context.style.quiet) {
    fmt::print("{}\n", status->state());
    return kExitDone;
  }
  fmt::print("blobd {}, {} for {}\n", status->version(), status->state(),
             ShownAge(status->started_unix_ms()));
  if (!status->degraded().empty())
    fmt::print("  Degraded   {}\n", EscapeForTerminal(status->degraded()));
  for (const std::string& warning : status->warnings())
    fmt::print("  Warning    {}\n", EscapeForTerminal(warning));
  fmt::print("  Node       {}\n", status->node_id());
  for (const std::string& address : status->listen_addresses())
    fmt::print("  Listens    {} (UDP)\n", address);
  fmt::print("  State      {}\n", EscapeForTerminal(status->state_directory()));
  fmt::print("  Downloads  {} requests, {} transfers, {}\n", status->unfinished_requests(),
             status->running_transfers(), FormatRate(status->download_rate()));
  const v1::UploadStatus& uploads = status->uploads();
  fmt::print("  Serves     {}: {} nodes, {} requests, {}; {} sent since the start\n",
             status->serve(), uploads.nodes(), uploads.streams(), FormatRate(uploads.rate()),
             FormatSize(uploads.sent_bytes()));
  fmt::print("  Store      {} blobs, {}; {} partial, {}\n", status->store().complete_blobs(),
             FormatSize(status->store().complete_bytes()), status->store().partial_blobs(),
             FormatSize(status->store().partial_bytes()));
  fmt::print("  Durability at most {} (or 5 s) of work is fetched again after a power loss\n",
             FormatSize(status->unsynced_bytes_bound()));
  return kExitDone;
}

}  // namespace blobd::client
