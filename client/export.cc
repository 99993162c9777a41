#include "client/export.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <random>
#include <set>
#include <vector>

#include "base/file_names.h"
#include "base/utf8.h"
#include "client/copy_file.h"
#include "client/descriptor.h"
#include "client/new_file.h"
#include "client/worth.h"

namespace blobd::client {
namespace {

// Makes the directories above `name`; those in `made` exist already.
Status MakeParents(int root, const std::string& name, std::set<std::string>* made) {
  for (size_t slash = name.find('/'); slash != std::string::npos;
       slash = name.find('/', slash + 1)) {
    const std::string path = name.substr(0, slash);
    if (!made->insert(path).second) continue;
    const size_t last = path.rfind('/');
    const bool top = last == std::string::npos;
    Descriptor opened;
    if (!top) {
      BLOBD_ASSIGN_OR_RETURN(opened,
                             OpenBeneath(root, path.substr(0, last), O_PATH | O_DIRECTORY, 0));
    }
    const std::string component = top ? path : path.substr(last + 1);
    if (mkdirat(top ? root : opened.get(), component.c_str(), 0777) != 0) {
      return FileError(errno, "mkdir " + EscapeForTerminal(path));
    }
  }
  return OkStatus();
}

struct Progress {
  ProgressLine& line;
  uint64_t done = 0;
  uint64_t total = 0;
};

Status WriteWithProgress(DaemonClient& client, const std::string& hash, uint64_t size, int fd,
                         Progress& progress) {
  return WriteBlob(client, hash, size, fd, [&progress](uint64_t bytes) {
    progress.done += bytes;
    progress.line.Show("writing", progress.done, progress.total);
  });
}

// Every file of a collection, by pages.
StatusOr<std::vector<v1::CollectionEntry>> EntriesOf(DaemonClient& client,
                                                     const std::string& hash) {
  std::vector<v1::CollectionEntry> entries;
  for (;;) {
    v1::GetCollectionRequest request;
    request.set_hash(hash);
    request.set_offset(static_cast<uint32_t>(entries.size()));
    BLOBD_ASSIGN_OR_RETURN(v1::GetCollectionResponse page, client.GetCollection(request));
    for (v1::CollectionEntry& entry : *page.mutable_entries()) entries.push_back(std::move(entry));
    if (page.entries_size() == 0 || entries.size() >= page.total()) return entries;
  }
}

Status WriteTree(DaemonClient& client, const std::vector<v1::CollectionEntry>& entries, int root,
                 Progress& progress) {
  std::set<std::string> made;
  for (const v1::CollectionEntry& entry : entries) {
    BLOBD_RETURN_IF_ERROR(MakeParents(root, entry.name(), &made));
    BLOBD_ASSIGN_OR_RETURN(const Descriptor file,
                           OpenBeneath(root, entry.name(), O_WRONLY | O_CREAT | O_EXCL, 0666));
    BLOBD_RETURN_IF_ERROR(
        WriteWithProgress(client, entry.hash(), entry.size(), file.get(), progress));
  }
  // One sync for all files, before the directory gets its name.
  if (syncfs(root) != 0) return FileError(errno, "sync");
  return OkStatus();
}

}  // namespace

Status WriteBlob(DaemonClient& client, const std::string& hash, uint64_t size, int fd,
                 const BytesWritten& written) {
  if (size >= kWorthADescriptor) {
    const auto blob = client.OpenBlob(hash);
    if (blob.ok()) {
      uint64_t at = 0;
      return CopyOut(blob->descriptor(), 0, blob->size(), fd, [&](uint64_t bytes) {
        // The disk writes while we copy, so that little is left to be waited for by a sync.
        sync_file_range(fd, static_cast<off_t>(at), static_cast<off_t>(bytes),
                        SYNC_FILE_RANGE_WRITE);
        at += bytes;
        written(bytes);
        return client.interrupted() ? Cancelled("interrupted") : OkStatus();
      });
    }
    if (!IsWorthAStream(blob.status())) return blob.status();
  }
  v1::ReadRequest request;
  request.set_hash(hash);
  return client.Read(request, [&](std::string_view data) {
    written(data.size());
    return WriteAll(fd, data);
  });
}

Status ExportBlob(DaemonClient& client, const std::string& hash, const ExportOptions& options,
                  ProgressLine& line) {
  BLOBD_ASSIGN_OR_RETURN(const v1::Blob blob, client.Stat(hash));
  if (blob.state() != v1::BLOB_STATE_COMPLETE)
    return NotFound("{} is not complete here; get it first", hash);
  Progress progress{line, 0, blob.size()};
  if (options.target == "-")
    return WriteWithProgress(client, hash, blob.size(), STDOUT_FILENO, progress);

  BLOBD_ASSIGN_OR_RETURN(NewFile file, NewFile::Begin(options.target, options.replace));
  BLOBD_RETURN_IF_ERROR(WriteWithProgress(client, hash, blob.size(), file.fd(), progress));
  return file.Commit();
}

Status ExportCollection(DaemonClient& client, const std::string& hash, const ExportOptions& options,
                        ProgressLine& line) {
  if (options.target == "-")
    return FailedPrecondition("a collection is a directory; name one with -o DIR");
  BLOBD_ASSIGN_OR_RETURN(const std::vector<v1::CollectionEntry> entries, EntriesOf(client, hash));
  std::vector<std::string> names;
  Progress progress{line};
  for (const v1::CollectionEntry& entry : entries) {
    names.push_back(entry.name());
    progress.total += entry.size();
  }
  if (const Status status = CheckFileNames(names); !status.ok()) {
    return FailedPrecondition("the collection is not written: {}", Message(status));
  }
  const Place place = PlaceOf(options.target);
  BLOBD_ASSIGN_OR_RETURN(const Descriptor directory, OpenDirectory(place.directory));
  Status exists = AlreadyExists("{} exists and is not an empty directory; name another target",
                                EscapeForTerminal(options.target));
  std::error_code error;
  if (std::filesystem::exists(options.target, error) &&
      !std::filesystem::is_empty(options.target, error))
    return exists;

  const std::string temporary = TemporaryName(place.name);
  if (mkdirat(directory.get(), temporary.c_str(), 0777) != 0)
    return FileError(errno, "mkdir in " + place.directory);
  Status status;
  {
    const auto root = OpenBeneath(directory.get(), temporary, O_RDONLY | O_DIRECTORY, 0);
    status = root.ok() ? WriteTree(client, entries, root->get(), progress) : root.status();
  }
  // Replaces an empty directory, and nothing else.
  if (status.ok() &&
      renameat(directory.get(), temporary.c_str(), directory.get(), place.name.c_str()) != 0) {
    status = errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR
                 ? exists
                 : FileError(errno, "rename to " + options.target);
  }
  if (!status.ok())
    std::filesystem::remove_all(std::filesystem::path(place.directory) / temporary, error);
  return status;
}

}  // namespace blobd::client
