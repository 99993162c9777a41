#include "client/export.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "base/file_names.h"
#include "base/utf8.h"
#include "client/copy_file.h"
#include "client/descriptor.h"
#include "client/existing_tree.h"
#include "client/new_file.h"
#include "client/worth.h"

namespace blobd::client {
namespace {

using Entries = std::vector<v1::CollectionEntry>;

// Makes the directories above `name` that are missing; those in `made` are known to be there.
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
    // Whatever else has that name is found by who opens it as a directory.
    if (mkdirat(top ? root : opened.get(), component.c_str(), 0777) != 0 && errno != EEXIST) {
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
StatusOr<Entries> EntriesOf(DaemonClient& client, const std::string& hash) {
  Entries entries;
  for (;;) {
    v1::GetCollectionRequest request;
    request.set_hash(hash);
    request.set_offset(static_cast<uint32_t>(entries.size()));
    BLOBD_ASSIGN_OR_RETURN(v1::GetCollectionResponse page, client.GetCollection(request));
    for (v1::CollectionEntry& entry : *page.mutable_entries()) entries.push_back(std::move(entry));
    if (page.entries_size() == 0 || entries.size() >= page.total()) return entries;
  }
}

Status WriteTree(DaemonClient& client, const Entries& entries, int root, Progress& progress) {
  std::set<std::string> made;
  for (const v1::CollectionEntry& entry : entries) {
    BLOBD_RETURN_IF_ERROR(MakeParents(root, entry.name(), &made));
    BLOBD_ASSIGN_OR_RETURN(const Descriptor file,
                           OpenBeneath(root, entry.name(), O_WRONLY | O_CREAT | O_EXCL, 0666));
    BLOBD_RETURN_IF_ERROR(
        WriteWithProgress(client, entry.hash(), entry.size(), file.get(), progress));
  }
  // One sync for all files, before any gets its name.
  if (syncfs(root) != 0) return FileError(errno, "sync");
  return OkStatus();
}

uint64_t SizeOf(const Entries& entries) {
  uint64_t size = 0;
  for (const v1::CollectionEntry& entry : entries) size += entry.size();
  return size;
}

// The directory of `name` beneath `root`, and the last component.
StatusOr<std::pair<Descriptor, std::string>> OpenParent(int root, const std::string& name) {
  const size_t slash = name.rfind('/');
  const std::string above = slash == std::string::npos ? "." : name.substr(0, slash);
  BLOBD_ASSIGN_OR_RETURN(Descriptor parent, OpenBeneath(root, above, O_PATH | O_DIRECTORY, 0));
  return std::pair(std::move(parent), slash == std::string::npos ? name : name.substr(slash + 1));
}

// One finished file from where it was written to its place below `root`.
Status PlaceOne(int from, int root, const std::string& name, bool replace,
                std::set<std::string>* made) {
  BLOBD_RETURN_IF_ERROR(MakeParents(root, name, made));
  BLOBD_ASSIGN_OR_RETURN(const auto source, OpenParent(from, name));
  BLOBD_ASSIGN_OR_RETURN(const auto target, OpenParent(root, name));
  if (RenameTo(source.first.get(), source.second, target.first.get(), target.second, replace))
    return OkStatus();
  return errno == EEXIST
             ? AlreadyExists("{} was made by somebody else meanwhile", EscapeForTerminal(name))
             : FileError(errno, "rename to " + EscapeForTerminal(name));
}

// What was written aside gets its places.
Status PlaceAll(const Entries& entries, int from, int root, bool replace) {
  std::set<std::string> made;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Status status = PlaceOne(from, root, entries[i].name(), replace, &made);
    if (status.ok()) continue;
    return Annotate(status, fmt::format("{} of {} files are in their place; repeat it to go on", i,
                                        entries.size()));
  }
  // The names too.
  return syncfs(root) == 0 ? OkStatus() : FileError(errno, "sync");
}

// Makes `name` in the directory `above` and has it filled; it is gone if that fails. The status of
// `fill`.
template <typename Fill>
Status WithNewDirectory(int above, const std::string& shown, const std::string& name, mode_t mode,
                        const Fill& fill) {
  if (mkdirat(above, name.c_str(), mode) != 0)
    return FileError(errno, "mkdir in " + EscapeForTerminal(shown));
  const auto root = OpenBeneath(above, name, O_RDONLY | O_DIRECTORY, 0);
  Status status = root.ok() ? fill(root->get()) : root.status();
  std::error_code unknown;
  if (!status.ok()) std::filesystem::remove_all(std::filesystem::path(shown) / name, unknown);
  return status;
}

// A directory of its own, which appears whole.
Status WriteNewTree(DaemonClient& client, const Entries& entries, const std::string& target,
                    Progress& progress) {
  const Place place = PlaceOf(target);
  BLOBD_ASSIGN_OR_RETURN(const Descriptor directory, OpenDirectory(place.directory));
  const std::string temporary = TemporaryName(place.name);
  return WithNewDirectory(directory.get(), place.directory, temporary, 0777, [&](int root) {
    BLOBD_RETURN_IF_ERROR(WriteTree(client, entries, root, progress));
    if (RenameTo(directory.get(), temporary, directory.get(), place.name, false)) return OkStatus();
    // NFS cannot refuse to replace, but replaces nothing that is no empty directory.
    if (errno == EPERM &&
        renameat(directory.get(), temporary.c_str(), directory.get(), place.name.c_str()) == 0) {
      return OkStatus();
    }
    return errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR
               ? AlreadyExists("{} was made by somebody else meanwhile", EscapeForTerminal(target))
               : FileError(errno, "rename to " + EscapeForTerminal(target));
  });
}

// Into a directory with things of its own.
StatusOr<Exported> WriteInto(DaemonClient& client, const Entries& entries, int root,
                             const ExportOptions& options, ProgressLine& line) {
  Exported done{SizeOf(entries), 0, 0};
  uint64_t read = 0;
  MissingOptions looking{options.target, options.replace, [&](uint64_t bytes) {
                           line.Show("comparing", read += bytes, done.size);
                           return client.interrupted() ? Cancelled("interrupted") : OkStatus();
                         }};
  BLOBD_ASSIGN_OR_RETURN(const std::vector<size_t> indexes, MissingBelow(root, entries, looking));
  done.written = indexes.size();
  done.existed = entries.size() - indexes.size();
  if (indexes.empty()) return done;
  Entries missing;
  for (const size_t i : indexes) missing.push_back(entries[i]);
  Progress progress{line, 0, SizeOf(missing)};
  const std::string aside = TemporaryName("export");
  const Status status = WithNewDirectory(root, options.target, aside, 0700, [&](int from) {
    BLOBD_RETURN_IF_ERROR(WriteTree(client, missing, from, progress));
    return PlaceAll(missing, from, root, options.replace);
  });
  if (!status.ok()) return status;
  // Nothing but directories is left in it.
  std::error_code unknown;
  std::filesystem::remove_all(std::filesystem::path(options.target) / aside, unknown);
  return done;
}

// The directory `target`, or none if nothing is there.
StatusOr<Descriptor> OpenExisting(const std::string& target) {
  const Place place = PlaceOf(target);
  BLOBD_ASSIGN_OR_RETURN(const Descriptor above, OpenDirectory(place.directory));
  struct stat there {};
  if (fstatat(above.get(), place.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno != ENOENT) return FileError(errno, "look at " + EscapeForTerminal(target));
    BLOBD_RETURN_IF_ERROR(CheckWritable(above.get(), place.directory));
    return Descriptor();
  }
  if (S_ISLNK(there.st_mode)) {
    return FailedPrecondition(
        "{} is a symbolic link, which is not followed; name the directory itself",
        EscapeForTerminal(target));
  }
  if (!S_ISDIR(there.st_mode)) {
    return AlreadyExists("{} exists and is no directory, as a collection is; name another target",
                         EscapeForTerminal(target));
  }
  Descriptor directory(
      openat(above.get(), place.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (directory.get() < 0) return FileError(errno, "open " + EscapeForTerminal(target));
  return directory;
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

StatusOr<Exported> ExportBlob(DaemonClient& client, const std::string& hash,
                              const ExportOptions& options, ProgressLine& line) {
  BLOBD_ASSIGN_OR_RETURN(const v1::Blob blob, client.Stat(hash));
  if (blob.state() != v1::BLOB_STATE_COMPLETE)
    return NotFound("{} is not complete here; get it first", hash);
  Progress progress{line, 0, blob.size()};
  const Exported done{blob.size(), 1, 0};
  if (options.target == "-") {
    BLOBD_RETURN_IF_ERROR(WriteWithProgress(client, hash, blob.size(), STDOUT_FILENO, progress));
    return done;
  }
  BLOBD_RETURN_IF_ERROR(CheckTarget(options.target, options.replace));
  BLOBD_ASSIGN_OR_RETURN(NewFile file, NewFile::Begin(options.target, options.replace));
  BLOBD_RETURN_IF_ERROR(WriteWithProgress(client, hash, blob.size(), file.fd(), progress));
  BLOBD_RETURN_IF_ERROR(file.Commit());
  return done;
}

StatusOr<Exported> ExportCollection(DaemonClient& client, const std::string& hash,
                                    const ExportOptions& options, ProgressLine& line) {
  if (options.target == "-") return NeedsDirectory();
  BLOBD_ASSIGN_OR_RETURN(const Entries entries, EntriesOf(client, hash));
  std::vector<std::string> names;
  for (const v1::CollectionEntry& entry : entries) names.push_back(entry.name());
  if (const Status status = CheckFileNames(names); !status.ok())
    return FailedPrecondition("the collection is not written: {}", Message(status));
  BLOBD_ASSIGN_OR_RETURN(const Descriptor existing, OpenExisting(options.target));
  if (existing.get() >= 0) return WriteInto(client, entries, existing.get(), options, line);
  const Exported done{SizeOf(entries), entries.size(), 0};
  Progress progress{line, 0, done.size};
  BLOBD_RETURN_IF_ERROR(WriteNewTree(client, entries, options.target, progress));
  return done;
}

Status NeedsDirectory() {
  return FailedPrecondition("a collection is a directory; name one with -o DIR");
}

void NoteExisted(const Style& style, const Exported& exported) {
  if (style.quiet || style.is_json() || exported.existed == 0) return;
  PrintError("blobctl: {} of {} files were there already, and are the same\n", exported.existed,
             exported.existed + exported.written);
}

Status CheckCollectionTarget(const std::string& target) { return OpenExisting(target).status(); }

}  // namespace blobd::client
