// The files of a directory: those that are small go together, many in one call, the others each for
// itself.
#include "client/add_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/file_names.h"
#include "base/mutex.h"
#include "base/utf8.h"
#include "client/add_file.h"
#include "client/crowded.h"
#include "client/descriptor.h"
#include "client/parallel.h"
#include "client/sentence.h"

namespace blobd::client {
namespace {

namespace fs = std::filesystem;

struct ListedFile {
  std::string name;   // relative to the root
  uint64_t size = 0;  // when it was listed
};

struct Tree {
  std::vector<ListedFile> files;  // the regular ones, in order of name
  uint64_t bytes = 0;
};

// Whoever may write there could have put a link, or something that waits for ever, in its place
// since it was listed.
StatusOr<Descriptor> OpenListed(int root, const std::string& name) {
  BLOBD_ASSIGN_OR_RETURN(Descriptor file, OpenBeneath(root, name, O_RDONLY | O_NONBLOCK, 0));
  struct stat facts {};
  if (fstat(file.get(), &facts) != 0) return FileError(errno, "stat " + EscapeForTerminal(name));
  if (!S_ISREG(facts.st_mode)) {
    return FailedPrecondition("{} is no regular file any more", EscapeForTerminal(name));
  }
  return file;
}

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
      tree.files.push_back({name, unknown ? 0 : size});
      tree.bytes += tree.files.back().size;
    }
  }
  if (error) return Internal("{}: {}", EscapeForTerminal(root), error.message());
  std::sort(tree.files.begin(), tree.files.end(),
            [](const ListedFile& a, const ListedFile& b) { return a.name < b.name; });
  return tree;
}

// What a collection may not have is said before hours of work, not after them: all of it, as far as
// that stays readable.
Status CheckNames(const std::string& root, const Tree& tree) {
  constexpr size_t kMostNamed = 20;
  std::vector<std::string> names;
  for (const ListedFile& file : tree.files) names.push_back(file.name);
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

// Numbers of files.
using Numbers = std::vector<size_t>;

struct Division {
  std::vector<Numbers> together;  // small ones, a call for each of these
  Numbers alone;
};

Division Divide(const Tree& tree) {
  Division division;
  Numbers small;
  uint64_t bytes = 0;
  for (size_t i = 0; i < tree.files.size(); ++i) {
    const uint64_t size = tree.files[i].size;
    if (size > FileAdder::kLargestSmall) {
      division.alone.push_back(i);
      continue;
    }
    if (small.size() == FileAdder::kSmallTogether ||
        bytes + size > FileAdder::kSmallBytesTogether) {
      division.together.push_back(std::exchange(small, {}));
      bytes = 0;
    }
    small.push_back(i);
    bytes += size;
  }
  if (!small.empty()) division.together.push_back(std::move(small));
  return division;
}

class TreeAdder {
 public:
  TreeAdder(FileAdder& adder, int root, const Tree& tree)
      : adder_(adder), root_(root), tree_(tree), added_(tree.files.size()) {}

  // Those that are not small any more, or too much together, or that the daemon is too old for, are
  // left to `alone`.
  Status AddTogether(const Numbers& numbers) {
    Numbers small;
    Numbers others;
    if (knows_small_) {
      BLOBD_RETURN_IF_ERROR(AddSmall(numbers, &small, &others));
    } else {
      others = numbers;
    }
    const MutexLock lock(mutex_);
    left_.insert(left_.end(), others.begin(), others.end());
    return OkStatus();
  }

  // What AddTogether left, once all of it is over.
  Numbers left() {
    const MutexLock lock(mutex_);
    return left_;
  }

  Status AddAlone(size_t i) {
    const std::string& name = tree_.files[i].name;
    BLOBD_ASSIGN_OR_RETURN(const Descriptor file, OpenListed(root_, name));
    BLOBD_ASSIGN_OR_RETURN(added_[i], adder_.Add(file.get(), name));
    return OkStatus();
  }

  const std::vector<v1::AddResponse>& added() const { return added_; }

 private:
  Status AddSmall(const Numbers& numbers, Numbers* small, Numbers* others) {
    std::vector<std::string> contents;
    std::vector<char> buffer(FileAdder::kLargestSmall + 1);
    uint64_t bytes = 0;
    for (const size_t i : numbers) {
      BLOBD_ASSIGN_OR_RETURN(const size_t size, ReadListed(i, buffer));
      const bool fits = size < buffer.size() && bytes + size <= FileAdder::kSmallBytesTogether;
      (fits ? small : others)->push_back(i);
      if (!fits) continue;
      contents.emplace_back(buffer.data(), size);
      bytes += size;
    }
    auto added = adder_.AddSmall(std::move(contents));
    if (added.status().code() == StatusCode::kUnimplemented) {
      knows_small_ = false;
      *others = numbers;
      return OkStatus();
    }
    BLOBD_RETURN_IF_ERROR(added.status());
    for (size_t k = 0; k < small->size(); ++k) added_[(*small)[k]] = std::move((*added)[k]);
    return OkStatus();
  }

  // As much of it as `buffer` takes.
  StatusOr<size_t> ReadListed(size_t i, std::vector<char>& buffer) const {
    const std::string& name = tree_.files[i].name;
    BLOBD_ASSIGN_OR_RETURN(const Descriptor file, OpenListed(root_, name));
    size_t size = 0;
    while (size < buffer.size()) {
      const ssize_t count = read(file.get(), buffer.data() + size, buffer.size() - size);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return FileError(errno, "read " + EscapeForTerminal(name));
      if (count == 0) break;
      size += static_cast<size_t>(count);
    }
    return size;
  }

  FileAdder& adder_;
  const int root_;
  const Tree& tree_;
  std::vector<v1::AddResponse> added_;  // by number, each written by one thread
  std::atomic<bool> knows_small_ = true;
  Mutex mutex_;
  Numbers left_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

StatusOr<v1::AddResponse> AddTree(Context& context, const std::string& root, bool is_private,
                                  ProgressLine& line) {
  BLOBD_ASSIGN_OR_RETURN(const Descriptor directory, OpenDirectory(root));
  BLOBD_ASSIGN_OR_RETURN(const Tree tree, FilesBelow(root));
  BLOBD_RETURN_IF_ERROR(CheckNames(root, tree));
  SharedProgress progress(line, "adding", tree.bytes);
  FileAdder adder(*context.daemon, context.interrupt.descriptor(), is_private, progress);
  TreeAdder files(adder, directory.get(), tree);
  Division division = Divide(tree);
  BLOBD_RETURN_IF_ERROR(ForEach(division.together.size(), FileAdder::kSmallCalls,
                                [&](size_t i) { return files.AddTogether(division.together[i]); }));
  for (const size_t i : files.left()) division.alone.push_back(i);
  BLOBD_RETURN_IF_ERROR(ForEach(division.alone.size(), FileAdder::kFilesAtOnce,
                                [&](size_t i) { return files.AddAlone(division.alone[i]); }));
  v1::CreateCollectionRequest request;
  request.set_is_private(is_private);
  v1::AddResponse total;
  for (size_t i = 0; i < tree.files.size(); ++i) {
    const v1::AddResponse& added = files.added()[i];
    v1::CollectionEntry* entry = request.add_entries();
    entry->set_name(tree.files[i].name);
    entry->set_hash(added.hash());
    total.set_size(total.size() + added.size());
  }
  BLOBD_ASSIGN_OR_RETURN(const v1::CreateCollectionResponse created,
                         AskUntilThereIsRoom(context.interrupt.descriptor(), [&] {
                           return context.daemon->CreateCollection(request);
                         }));
  total.set_hash(created.hash());
  return total;
}

}  // namespace blobd::client
