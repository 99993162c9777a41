#include "client/existing_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <string_view>

#include "bao/outboard.h"
#include "base/utf8.h"
#include "client/descriptor.h"

namespace blobd::client {
namespace {

constexpr size_t kPiece = 1 << 20;

enum class Found { kNothing, kSame, kDiffers, kInTheWay };

// Those that stop the export: the first, and how many.
struct Trouble {
  std::string first;
  size_t count = 0;

  void Add(const std::string& what) {
    if (count++ == 0) first = what;
  }
  std::string Text() const {
    return count == 1 ? first : fmt::format("{}, and {} more like it", first, count - 1);
  }
};

std::string_view WordFor(mode_t mode) {
  return S_ISDIR(mode)   ? "a directory"
         : S_ISLNK(mode) ? "a symbolic link"
         : S_ISREG(mode) ? "a file"
                         : "no regular file";
}

class Look {
 public:
  Look(int root, const MissingOptions& options) : root_(root), options_(options) {}

  StatusOr<Found> At(const v1::CollectionEntry& entry) {
    const std::string& name = entry.name();
    for (size_t slash = name.find('/'); slash != std::string::npos;
         slash = name.find('/', slash + 1)) {
      BLOBD_ASSIGN_OR_RETURN(const Found above, AtDirectory(name.substr(0, slash)));
      if (above != Found::kSame) return above;
    }
    BLOBD_ASSIGN_OR_RETURN(const mode_t mode, ModeOf(name));
    if (mode == 0) return Found::kNothing;
    if (S_ISREG(mode)) return Compare(entry);
    in_the_way_.Add(Shown(name) + " is " + std::string(WordFor(mode)));
    return Found::kInTheWay;
  }

  // What is to be said of all that was found.
  Status Verdict() const {
    if (in_the_way_.count > 0) {
      return FailedPrecondition("{}, which is not replaced; name another target",
                                in_the_way_.Text());
    }
    if (differing_.count > 0 && !options_.replace) {
      return AlreadyExists("{}; name another target, or replace with --force", differing_.Text());
    }
    return OkStatus();
  }

 private:
  std::string Shown(const std::string& name) const {
    return EscapeForTerminal(options_.shown + (options_.shown.ends_with('/') ? "" : "/") + name);
  }

  // 0: nothing is there.
  StatusOr<mode_t> ModeOf(const std::string& path) const {
    const Descriptor there(TryOpenBeneath(root_, path, O_PATH, 0));
    if (there.get() < 0 && errno == ENOENT) return mode_t{0};
    struct stat facts {};
    if (there.get() < 0 || fstat(there.get(), &facts) != 0)
      return FileError(errno, "look at " + Shown(path));
    return facts.st_mode;
  }

  // kSame: it is one.
  StatusOr<Found> AtDirectory(const std::string& path) {
    if (directories_.contains(path)) return Found::kSame;
    if (absent_.contains(path)) return Found::kNothing;
    if (no_directories_.contains(path)) return Found::kInTheWay;
    BLOBD_ASSIGN_OR_RETURN(const mode_t mode, ModeOf(path));
    if (mode == 0) {
      absent_.insert(path);
      return Found::kNothing;
    }
    if (S_ISDIR(mode)) {
      directories_.insert(path);
      return Found::kSame;
    }
    no_directories_.insert(path);
    in_the_way_.Add(
        fmt::format("{} is {} where a directory is needed", Shown(path), WordFor(mode)));
    return Found::kInTheWay;
  }

  // What cannot be read is another file: who replaces it need not know it.
  StatusOr<Found> Compare(const v1::CollectionEntry& entry) {
    const Descriptor file(TryOpenBeneath(root_, entry.name(), O_RDONLY | O_NONBLOCK, 0));
    struct stat facts {};
    bool is_same = file.get() >= 0 && fstat(file.get(), &facts) == 0 && S_ISREG(facts.st_mode) &&
                   static_cast<uint64_t>(facts.st_size) == entry.size();
    if (is_same) {
      BLOBD_ASSIGN_OR_RETURN(is_same, HashesTo(file.get(), entry));
    }
    if (is_same) return Found::kSame;
    differing_.Add(Shown(entry.name()) + " exists and differs");
    return Found::kDiffers;
  }

  StatusOr<bool> HashesTo(int fd, const v1::CollectionEntry& entry) const {
    bao::OutboardBuilder builder;
    builder.Expect(entry.size(), [](uint64_t, ByteView) {});
    Bytes piece(kPiece);
    for (;;) {
      const ssize_t got = read(fd, piece.data(), piece.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return false;
      if (got == 0) break;
      const auto bytes = ByteView(piece).first(static_cast<size_t>(got));
      // It grows while it is read.
      if (bytes.size() > entry.size() - builder.size()) return false;
      builder.Append(bytes);
      BLOBD_RETURN_IF_ERROR(options_.on_read(bytes.size()));
    }
    return builder.size() == entry.size() && builder.Finish().root.ToHex() == entry.hash();
  }

  const int root_;
  const MissingOptions& options_;
  // Seen already.
  std::set<std::string> directories_;
  std::set<std::string> absent_;
  std::set<std::string> no_directories_;
  Trouble differing_;
  Trouble in_the_way_;
};

}  // namespace

StatusOr<std::vector<size_t>> MissingBelow(int root,
                                           const std::vector<v1::CollectionEntry>& entries,
                                           const MissingOptions& options) {
  Look look(root, options);
  std::vector<size_t> missing;
  for (size_t i = 0; i < entries.size(); ++i) {
    BLOBD_ASSIGN_OR_RETURN(const Found found, look.At(entries[i]));
    if (found != Found::kSame) missing.push_back(i);
  }
  BLOBD_RETURN_IF_ERROR(look.Verdict());
  return missing;
}

}  // namespace blobd::client
