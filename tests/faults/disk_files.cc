#include "disk_files.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace blobd::faults {
namespace {

constexpr uint64_t kUnlimited = uint64_t{1} << 50;

Status ToStatus(int error, const char* what, const std::string& path) {
  return error == 0 ? OkStatus() : ErrnoStatus(error, fmt::format("{} {}", what, path));
}

class OpenFile final : public store::File {
 public:
  OpenFile(Disk& disk, Rng& rng, Disk::File file)
      : disk_(disk), rng_(rng), file_(std::move(file)) {}

  StatusOr<size_t> ReadAt(uint64_t offset, MutableBytes out) override {
    size_t count = 0;
    const int error = disk_.Read(file_, offset, out, &count);
    BLOBD_RETURN_IF_ERROR(ToStatus(error, "read", file_->name()));
    return count;
  }
  Status WriteAt(uint64_t offset, std::span<const ByteView> parts) override {
    for (const ByteView& part : parts) {
      BLOBD_RETURN_IF_ERROR(ToStatus(Write(offset, part), "write", file_->name()));
      offset += part.size();
    }
    return OkStatus();
  }
  Status Sync() override {
    if (disk_.plant() == Plant::kFileSyncDoesNothing) return OkStatus();
    return ToStatus(disk_.Sync(file_), "sync", file_->name());
  }
  StatusOr<uint64_t> Size() override {
    if (disk_.is_down()) return ToStatus(EIO, "stat", file_->name());
    return file_->size();
  }
  Status Truncate(uint64_t size) override {
    return ToStatus(disk_.Truncate(file_, size), "truncate", file_->name());
  }
  StatusOr<std::optional<Range>> NextExtent(uint64_t from) override {
    if (disk_.is_down()) return ToStatus(EIO, "look for data in", file_->name());
    const Image& image = file_->cache();
    const uint64_t size = image.bytes.size();
    uint64_t begin = from / kPageSize;
    while (begin < image.pages.size() && image.IsHole(begin)) ++begin;
    if (begin >= image.pages.size()) return std::optional<Range>();
    uint64_t end = begin;
    while (!image.IsHole(end)) ++end;
    const Range range{std::max(from, begin * kPageSize), std::min(size, end * kPageSize)};
    return range.empty() ? std::optional<Range>() : std::optional<Range>(range);
  }
  StatusOr<bool> CloneFrom(int /*source*/) override { return false; }
  StatusOr<uint64_t> CopyFrom(int /*source*/, uint64_t /*offset*/, uint64_t /*size*/) override {
    return ToStatus(EOPNOTSUPP, "copy to", file_->name());
  }
  StatusOr<bool> Discard(Range /*bytes*/) override { return false; }
  void StartWriteBack(Range /*bytes*/) override {}

 private:
  int Write(uint64_t offset, ByteView part) {
    if (disk_.plant() != Plant::kWriteFlipsBits || part.empty() || !rng_.Chance(0.02))
      return disk_.Write(file_, offset, part);
    Bytes bytes(part.begin(), part.end());
    bytes[rng_.Below(bytes.size())] ^= 1;
    return disk_.Write(file_, offset, bytes);
  }

  Disk& disk_;
  Rng& rng_;
  const Disk::File file_;
};

}  // namespace

StatusOr<std::unique_ptr<store::File>> DiskFiles::Open(const std::string& path,
                                                       store::OpenMode mode) {
  Disk::Open how = Disk::Open::kExisting;
  switch (mode) {
    case store::OpenMode::kRead:
    case store::OpenMode::kReadWrite:
      break;
    case store::OpenMode::kCreate:
      how = Disk::Open::kCreate;
      break;
    case store::OpenMode::kCreateNew:
      how = Disk::Open::kCreateNew;
      break;
  }
  Disk::File file;
  BLOBD_RETURN_IF_ERROR(ToStatus(disk_.OpenFile(path, how, &file), "open", path));
  return std::unique_ptr<store::File>(std::make_unique<OpenFile>(disk_, rng_, std::move(file)));
}

Status DiskFiles::Rename(const std::string& from, const std::string& to) {
  return ToStatus(disk_.Rename(from, to), "rename", from);
}

Status DiskFiles::Unlink(const std::string& path) {
  return ToStatus(disk_.Unlink(path), "remove", path);
}

StatusOr<bool> DiskFiles::MakeDirectory(const std::string& path) {
  const int error = disk_.MakeDirectory(path);
  if (error == EEXIST && disk_.IsDirectory(path)) return false;
  BLOBD_RETURN_IF_ERROR(ToStatus(error, "make directory", path));
  return true;
}

StatusOr<std::vector<std::string>> DiskFiles::List(const std::string& directory) {
  if (disk_.is_down()) return ToStatus(EIO, "list", directory);
  return disk_.List(directory);
}

Status DiskFiles::SyncDirectory(const std::string& path) {
  return ToStatus(disk_.SyncDirectory(path), "sync", path);
}

StatusOr<store::Descriptor> DiskFiles::OpenDescriptor(const std::string& path) {
  return ToStatus(EOPNOTSUPP, "open a descriptor of", path);
}

StatusOr<store::DiskSpace> DiskFiles::Space(const std::string& directory) {
  if (disk_.is_down()) return ToStatus(EIO, "look at", directory);
  const uint64_t capacity = std::min(disk_.capacity(), kUnlimited);
  const uint64_t used = disk_.used();
  return store::DiskSpace{capacity, capacity > used ? capacity - used : 0, false};
}

}  // namespace blobd::faults
