// add: files, directories and standard input into the store.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/file_names.h"
#include "base/units.h"
#include "base/utf8.h"
#include "client/add_file.h"
#include "client/context.h"
#include "client/descriptor.h"
#include "client/parallel.h"
#include "client/progress_line.h"
#include "client/sentence.h"

namespace blobd::client {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFilesAtOnce = 4;

StatusOr<v1::AddResponse> AddPath(FileAdder& adder, const std::string& path) {
  // A FIFO whose writer has not come yet keeps us waiting when it is read, not here.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return FileError(errno, "open " + EscapeForTerminal(path));
  return adder.Add(file.get(), path);
}

// A file that was listed beneath `root`. Whoever may write there could have put a link, or
// something that waits for ever, in its place since.
StatusOr<v1::AddResponse> AddListed(FileAdder& adder, int root, const std::string& name) {
  BLOBD_ASSIGN_OR_RETURN(const Descriptor file, OpenBeneath(root, name, O_RDONLY | O_NONBLOCK, 0));
  struct stat facts {};
  if (fstat(file.get(), &facts) != 0) return FileError(errno, "stat " + EscapeForTerminal(name));
  if (!S_ISREG(facts.st_mode)) {
    return FailedPrecondition("{} is no regular file any more", EscapeForTerminal(name));
  }
  return adder.Add(file.get(), name);
}

struct Tree {
  std::vector<std::string> names;  // of regular files, relative to its root, in order
  uint64_t bytes = 0;
};

// Symbolic links are left out, and said so.
StatusOr<Tree> FilesBelow(const std::string& root) {
  Tree tree;
  std::error_code error;
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = fs::path(it->path()).lexically_relative(root).string();
    if (it->is_symlink()) {
      PrintError("blobctl: {} is a symbolic link and is left out\n", EscapeForTerminal(name));
    } else if (it->is_regular_file()) {
      std::error_code unknown;
      const auto size = it->file_size(unknown);
      if (!unknown) tree.bytes += size;
      tree.names.push_back(name);
    }
  }
  if (error) return Internal("{}: {}", EscapeForTerminal(root), error.message());
  std::sort(tree.names.begin(), tree.names.end());
  return tree;
}

// What a collection may not have is said before hours of work, not after them.
Status CheckNames(const std::string& root, const std::vector<std::string>& names) {
  if (names.size() > kMaxCollectionEntries) {
    return InvalidArgument("{} has {} files, and a collection at most {}; add parts of it",
                           EscapeForTerminal(root), names.size(), kMaxCollectionEntries);
  }
  for (const std::string& name : names) {
    if (IsUtf8(name)) continue;
    return InvalidArgument("{}: the name is not UTF-8, as the names of a collection are; rename it",
                           EscapeForTerminal(name));
  }
  return Annotate(CheckFileNames(names), EscapeForTerminal(root));
}

// Every regular file below `root` becomes an entry, in order of name.
StatusOr<v1::AddResponse> AddDirectory(Context& context, const std::string& root, bool is_private,
                                       ProgressLine& line) {
  BLOBD_ASSIGN_OR_RETURN(const Descriptor directory, OpenDirectory(root));
  BLOBD_ASSIGN_OR_RETURN(const Tree tree, FilesBelow(root));
  BLOBD_RETURN_IF_ERROR(CheckNames(root, tree.names));
  SharedProgress progress(line, "adding", tree.bytes);
  FileAdder adder(*context.daemon, context.interrupt.descriptor(), is_private, progress);
  std::vector<v1::AddResponse> added(tree.names.size());
  BLOBD_RETURN_IF_ERROR(ForEach(tree.names.size(), kFilesAtOnce, [&](size_t i) {
    auto response = AddListed(adder, directory.get(), tree.names[i]);
    if (!response.ok()) return response.status();
    added[i] = *std::move(response);
    return OkStatus();
  }));
  v1::CreateCollectionRequest request;
  request.set_is_private(is_private);
  v1::AddResponse total;
  for (size_t i = 0; i < added.size(); ++i) {
    v1::CollectionEntry* entry = request.add_entries();
    entry->set_name(tree.names[i]);
    entry->set_hash(added[i].hash());
    total.set_size(total.size() + added[i].size());
  }
  BLOBD_ASSIGN_OR_RETURN(const v1::CreateCollectionResponse created,
                         context.daemon->CreateCollection(request));
  total.set_hash(created.hash());
  return total;
}

StatusOr<v1::AddResponse> AddOne(Context& context, const std::string& path, bool is_directory,
                                 bool is_private) {
  ProgressLine line(!context.style.quiet && !context.style.is_json());
  if (is_directory) return AddDirectory(context, path, is_private, line);
  std::error_code unknown;
  const auto size = path == "-" ? 0 : fs::file_size(path, unknown);
  SharedProgress progress(line, "adding", unknown ? 0 : size);
  FileAdder adder(*context.daemon, context.interrupt.descriptor(), is_private, progress);
  return path == "-" ? adder.Add(STDIN_FILENO, "standard input") : AddPath(adder, path);
}

}  // namespace

int RunAdd(Context& context, const AddOptions& options) {
  const bool is_private = options.is_private;
  std::string name;
  for (const std::string& path : options.paths) {
    std::error_code error;
    const bool directory = path != "-" && fs::is_directory(path, error);
    const auto added = AddOne(context, path, directory, is_private);
    if (!added.ok()) return Fail(added.status());
    name = (directory ? "s" : "") + added->hash();
    if (context.style.is_json()) {
      PrintJson(context.style, *added);
    } else if (context.style.quiet) {
      PrintOut("{}\n", name);
    } else {
      Say(context.style, "{} {} {}\n", name, FormatSize(added->size()), EscapeForTerminal(path));
    }
  }
  const bool hint = !is_private && !context.style.quiet && !context.style.is_json();
  if (hint && isatty(STDOUT_FILENO) == 1) {
    Say(context.style, "Share it: blobctl ticket {}\n", options.paths.size() == 1 ? name : "HASH");
  }
  return kExitDone;
}

}  // namespace blobd::client
