#include "registry/id_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "sqlite/error.h"
#include "sqlite/files.h"

namespace blobd::registry {
namespace {

constexpr off_t kBlock = 4096;
constexpr uint64_t kMagic = 0x31736469646f6c62;  // "blodids1"

struct Record {
  uint64_t magic = kMagic;
  uint64_t generation = 0;
  IdMark::Ends ends{};
  uint64_t sum = 0;
};
static_assert(sizeof(Record) == 8 * (IdMark::kSpaces + 3));

uint64_t SumOf(const Record& record) {
  uint64_t sum = 0xcbf29ce484222325u;  // FNV-1a, by words
  const auto add = [&sum](uint64_t word) { sum = (sum ^ word) * 0x100000001b3u; };
  add(record.magic);
  add(record.generation);
  for (const uint64_t end : record.ends) add(end);
  return sum ^ sum >> 32;
}

std::optional<Record> ReadRecord(int fd, off_t at) {
  Record record;
  if (pread(fd, &record, sizeof record, at) != sizeof record) return std::nullopt;
  if (record.magic != kMagic || record.sum != SumOf(record)) return std::nullopt;
  return record;
}

}  // namespace

StatusOr<IdMark> IdMark::Open(const std::string& path) {
  constexpr int kFlags = O_RDWR | O_NOFOLLOW | O_CLOEXEC;
  int fd = open(path.c_str(), kFlags);
  if (fd >= 0) {
    IdMark mark(fd);
    mark.Read();
    if (mark.origin_ == Origin::kDamaged) {
      for (int copy = 0; copy < 2; ++copy) BLOBD_RETURN_IF_ERROR(mark.Write(mark.generation_ + 1));
    }
    return mark;
  }
  if (errno != ENOENT) return ErrnoStatus(errno, fmt::format("open {}", path));
  BLOBD_ASSIGN_OR_RETURN(const std::string unfinished, sqlite::MakeEmptyFile(path + ".new"));
  fd = open(unfinished.c_str(), kFlags);
  if (fd < 0) return ErrnoStatus(errno, fmt::format("open {}", unfinished));
  IdMark mark(fd);
  mark.origin_ = Origin::kMissing;
  for (int copy = 0; copy < 2; ++copy) BLOBD_RETURN_IF_ERROR(mark.Write(mark.generation_ + 1));
  BLOBD_RETURN_IF_ERROR(sqlite::RenameDurably(unfinished, path));
  return mark;
}

IdMark::IdMark(IdMark&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      ends_(other.ends_),
      generation_(other.generation_),
      origin_(other.origin_),
      broken_(other.broken_) {}

IdMark::~IdMark() {
  if (fd_ >= 0) close(fd_);
}

void IdMark::Read() {
  for (const off_t at : {off_t{0}, kBlock}) {
    const std::optional<Record> record = ReadRecord(fd_, at);
    if (!record) {
      origin_ = Origin::kDamaged;
      continue;
    }
    generation_ = std::max(generation_, record->generation);
    for (size_t i = 0; i < kSpaces; ++i) ends_[i] = std::max(ends_[i], record->ends[i]);
  }
}

// A write that fails leaves the other block as it was, and can be tried again.
Status IdMark::Write(uint64_t generation) {
  Record record;
  record.generation = generation;
  record.ends = ends_;
  record.sum = SumOf(record);
  const off_t at = generation % 2 == 0 ? 0 : kBlock;
  const ssize_t written = pwrite(fd_, &record, sizeof record, at);
  if (written != sizeof record) {
    return ErrnoStatus(written < 0 ? errno : ENOSPC, "write down the ids handed out");
  }
  if (fdatasync(fd_) != 0) {
    broken_ = true;
    return Annotate(sqlite::SyncFailed(), "write down the ids handed out");
  }
  generation_ = generation;
  return OkStatus();
}

Status IdMark::Raise(size_t space, uint64_t end) {
  BLOBD_CHECK(space < kSpaces);
  if (broken_) return sqlite::SyncFailed();
  if (end <= ends_[space]) return OkStatus();
  const uint64_t before = std::exchange(ends_[space], end);
  const Status status = Write(generation_ + 1);
  if (!status.ok()) ends_[space] = before;
  return status;
}

}  // namespace blobd::registry
