// add: files, directories and standard input into the store.
#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>
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
#include "client/crowded.h"
#include "client/descriptor.h"
#include "client/parallel.h"
#include "client/progress_line.h"
#include "client/sentence.h"

namespace blobd::client {
namespace {

namespace fs = std::filesystem;

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

// What a collection cannot hold, said where somebody may read it, as far as that stays readable.
class LeftOut {
 public:
  void Say(const std::string& name, const char* what) {
    if (++count_ <= kMostNamed)
      PrintError("blobctl: {} is {} and is left out\n", EscapeForTerminal(name), what);
  }
  ~LeftOut() {
    if (count_ > kMostNamed)
      PrintError("blobctl: {} more are left out, too\n", count_ - kMostNamed);
  }
  LeftOut() = default;
  LeftOut(const LeftOut&) = delete;
  LeftOut& operator=(const LeftOut&) = delete;

 private:
  static constexpr size_t kMostNamed = 100;
  size_t count_ = 0;
};

// nullptr: a regular file, or a directory with something in it, or what cannot be looked at, which
// is an error when it is opened.
const char* WhyLeftOut(const fs::directory_entry& entry) {
  std::error_code unknown;
  const fs::file_status status = entry.symlink_status(unknown);
  if (fs::is_symlink(status)) return "a symbolic link";
  if (fs::is_fifo(status)) return "a FIFO";
  if (fs::is_socket(status)) return "a socket";
  if (fs::is_block_file(status) || fs::is_character_file(status)) return "a device";
  const bool is_empty = fs::is_directory(status) && fs::is_empty(entry.path(), unknown) && !unknown;
  return is_empty ? "an empty directory" : nullptr;
}

StatusOr<Tree> FilesBelow(const std::string& root) {
  Tree tree;
  LeftOut left_out;
  std::error_code error;
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = fs::path(it->path()).lexically_relative(root).string();
    std::error_code unknown;
    if (const char* why = WhyLeftOut(*it)) {
      left_out.Say(name, why);
    } else if (it->is_regular_file(unknown)) {
      const auto size = it->file_size(unknown);
      if (!unknown) tree.bytes += size;
      tree.names.push_back(name);
    }
  }
  if (error) return Internal("{}: {}", EscapeForTerminal(root), error.message());
  std::sort(tree.names.begin(), tree.names.end());
  return tree;
}

// What a collection may not have is said before hours of work, not after them: all of it, as far as
// that stays readable.
Status CheckNames(const std::string& root, const std::vector<std::string>& names) {
  constexpr size_t kMostNamed = 20;
  if (names.size() > kMaxCollectionEntries) {
    return InvalidArgument("{} has {} files, and a collection at most {}; add parts of it",
                           EscapeForTerminal(root), names.size(), kMaxCollectionEntries);
  }
  std::vector<std::string> bad;
  for (const std::string& name : names)
    if (!IsUtf8(name)) bad.push_back(EscapeForTerminal(name));
  if (bad.size() == 1) {
    return InvalidArgument("{}: the name is not UTF-8, as the names of a collection are; rename it",
                           bad.front());
  }
  if (!bad.empty()) {
    const size_t more = bad.size() - std::min(bad.size(), kMostNamed);
    bad.resize(bad.size() - more);
    return InvalidArgument(
        "the names of a collection are UTF-8, and these are not; rename them: {}{}",
        fmt::format("{}", fmt::join(bad, ", ")),
        more == 0 ? "" : fmt::format(" and {} more", more));
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
  BLOBD_RETURN_IF_ERROR(ForEach(tree.names.size(), FileAdder::kFilesAtOnce, [&](size_t i) {
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
                         AskUntilThereIsRoom(context.interrupt.descriptor(), [&] {
                           return context.daemon->CreateCollection(request);
                         }));
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

// As AddResponse, and what makes it useful beside others.
void PrintAsJson(const Style& style, const v1::AddResponse& added, const std::string& path,
                 v1::BlobFormat format) {
  google::protobuf::Struct json;
  auto& fields = *json.mutable_fields();
  fields["hash"].set_string_value(added.hash());
  // 64-bit numbers are strings, as everywhere in protobuf's JSON.
  fields["size"].set_string_value(std::to_string(added.size()));
  fields["existed"].set_bool_value(added.existed());
  fields["format"].set_string_value(v1::BlobFormat_Name(format));
  fields["path"].set_string_value(path);
  PrintJson(style, json);
}

}  // namespace

int RunAdd(Context& context, const AddOptions& options) {
  const bool is_private = options.is_private;
  // JSON would have another name.
  for (const std::string& path : options.paths) {
    if (!context.style.is_json() || IsUtf8(path)) continue;
    return Fail(InvalidArgument("{}: the name is not UTF-8, as JSON is; leave --json out",
                                EscapeForTerminal(path)));
  }
  std::string name;
  for (const std::string& path : options.paths) {
    std::error_code error;
    const bool directory = path != "-" && fs::is_directory(path, error);
    const auto added = AddOne(context, path, directory, is_private);
    if (!added.ok()) return Fail(added.status());
    name = (directory ? "s" : "") + added->hash();
    if (context.style.is_json()) {
      PrintAsJson(context.style, *added, path,
                  directory ? v1::BLOB_FORMAT_HASH_SEQ : v1::BLOB_FORMAT_RAW);
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
