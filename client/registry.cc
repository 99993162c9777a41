// backup, registry recover: keeping and saving the daemon's registry.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <string>

#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/copy_file.h"
#include "client/descriptor.h"
#include "client/sentence.h"
#include "client/table.h"

namespace blobd::client {
namespace {

// Makes the names in the directory of `file` durable.
Status SyncDirectoryOf(const std::string& file) {
  const size_t slash = file.rfind('/');
  const std::string directory = slash == std::string::npos ? "."
                                : slash == 0               ? "/"
                                                           : file.substr(0, slash);
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError(errno, "open " + directory);
  Status status = fsync(fd) == 0 ? OkStatus() : FileError(errno, "sync " + directory);
  close(fd);
  return status;
}

// The copy as a new file that appears whole or not at all, readable by its owner only.
StatusOr<uint64_t> WriteBackup(DaemonClient& daemon, const std::string& file) {
  std::random_device random;
  const std::string temporary = fmt::format("{}.{:08x}", file, random());
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return FileError(errno, "write " + EscapeForTerminal(file));
  auto size = daemon.Backup([fd](std::string_view data) { return WriteAll(fd, data); });
  Status status = size.status();
  if (status.ok() && fsync(fd) != 0) status = FileError(errno, "sync");
  close(fd);
  if (status.ok() && link(temporary.c_str(), file.c_str()) != 0) {
    status = errno == EEXIST
                 ? AlreadyExists("{} exists; name another file", EscapeForTerminal(file))
                 : FileError(errno, "name " + EscapeForTerminal(file));
  }
  unlink(temporary.c_str());
  if (status.ok()) status = SyncDirectoryOf(file);
  if (!status.ok()) return status;
  return size;
}

}  // namespace

int RunBackup(Context& context, const std::string& file) {
  if (access(file.c_str(), F_OK) == 0)
    return Fail(AlreadyExists("{} exists; name another file", EscapeForTerminal(file)));
  const auto size = WriteBackup(*context.daemon, file);
  if (!size.ok()) return Fail(size.status());
  if (context.style.is_json()) {
    v1::BackupResponse summary;
    summary.set_total_bytes(*size);
    PrintJson(context.style, summary);
  } else if (!context.style.quiet) {
    Say(context.style,
        "the registry is in {}, {}; to take it back, stop blobd and run\n"
        "  blobd --restore-registry {}\n",
        EscapeForTerminal(file), FormatSize(*size), EscapeForTerminal(file));
  }
  return kExitDone;
}

int RunRecoverRegistry(Context& context) {
  const auto recovered = context.daemon->RecoverRegistry();
  if (!recovered.ok()) return Fail(recovered.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *recovered);
    return kExitDone;
  }
  if (context.style.quiet) return kExitDone;
  if (recovered->damaged_file().empty()) {
    for (const std::string& note : recovered->notes())
      Say(context.style, "acknowledged: {}\n", EscapeForTerminal(note));
    return kExitDone;
  }
  Table table({{"WHAT", 10, 0}, "SAVED", "LOST"});
  for (const v1::RecoveredTable& each : recovered->tables()) {
    table.Add({each.name(), std::to_string(each.saved_rows()), std::to_string(each.lost_rows())});
  }
  table.Print(context.style);
  for (const std::string& note : recovered->notes())
    Say(context.style, "{}\n", EscapeForTerminal(note));
  Say(context.style, "the damaged file is kept as {}\n",
      EscapeForTerminal(recovered->damaged_file()));
  return kExitDone;
}

}  // namespace blobd::client
