#include "sqlite/salvage.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <limits>
#include <optional>

#include "sqlite/error.h"
#include "sqlite/files.h"

namespace blobd::sqlite {
namespace {

// How often a table is tried: a second or two if nothing reads. A damaged page takes some sixty
// tries until it is known which rows are gone, and only that is left out then.
constexpr int kMostTries = 20000;

bool IsDamage(const Status& status) {
  return status.code() != StatusCode::kResourceExhausted &&
         status.code() != StatusCode::kUnavailable;
}

using KeyBytes = std::array<uint8_t, 40>;

// A blob that sorts before (0x00) or behind (0xff) all others that begin with the key.
KeyBytes BlobKey(uint64_t key, uint8_t rest) {
  KeyBytes bytes;
  bytes.fill(rest);
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<uint8_t>(key >> (56 - 8 * i));
  return bytes;
}

class Walk {
 public:
  Walk(Database& from, const SalvageSource& source, UniqueFunction<Status(Statement&)> take)
      : from_(from), source_(source), take_(std::move(take)) {}

  StatusOr<SalvageResult> Run() {
    if (source_.key_type == KeyType::kNone) return RunWithoutKey();
    BLOBD_RETURN_IF_ERROR(PrepareBoth());
    const bool is_blob = source_.key_type == KeyType::kBlob;
    waiting_.push_back(
        {0, is_blob ? std::numeric_limits<uint64_t>::max() : std::numeric_limits<int64_t>::max()});
    // Breadth first, so that what one hole takes does not leave the others untried.
    for (int tries = 0; !waiting_.empty() && tries < kMostTries; ++tries) {
      const Hole range = waiting_.front();
      waiting_.pop_front();
      BLOBD_RETURN_IF_ERROR(Try(range));
    }
    holes_.insert(holes_.end(), waiting_.begin(), waiting_.end());
    return SalvageResult{Merged(), false};
  }

 private:
  struct Scan {
    bool finished = false;
    std::optional<uint64_t> last;  // key of the last row that was read
  };

  Status PrepareBoth() {
    const std::string hint = source_.key_type == KeyType::kRowId ? "NOT INDEXED" : "";
    for (const char* direction : {"ASC", "DESC"}) {
      StatusOr<Statement> statement = from_.Prepare(
          fmt::format("SELECT {0}, {1} FROM {2} {3} WHERE {1} BETWEEN ?1 AND ?2 ORDER BY {1} {4}",
                      source_.columns, source_.key, source_.table, hint, direction));
      BLOBD_RETURN_IF_ERROR(statement.status());
      scans_.push_back(std::move(*statement));
    }
    return OkStatus();
  }

  StatusOr<SalvageResult> RunWithoutKey() {
    SalvageResult result;
    for (const char* direction : {"ASC", "DESC"}) {
      std::string order = source_.key;  // every column gets the direction
      const std::string separator = fmt::format(" {}, ", direction);
      for (size_t at = 0; (at = order.find(", ", at)) != std::string::npos;
           at += separator.size()) {
        order.replace(at, 2, separator);
      }
      StatusOr<Statement> statement = from_.Prepare(fmt::format(
          "SELECT {}, 0 FROM {} ORDER BY {} {}", source_.columns, source_.table, order, direction));
      BLOBD_RETURN_IF_ERROR(statement.status());
      BLOBD_ASSIGN_OR_RETURN(const Scan scan, Take(*statement));
      if (scan.finished) return result;
      result.unknown_losses = true;
    }
    return result;
  }

  // Reads the range from both ends, and leaves what lies between for later.
  Status Try(Hole range) {
    BLOBD_ASSIGN_OR_RETURN(const Scan up, Between(scans_[0], range));
    if (up.finished) return OkStatus();
    // Blobs that begin alike may lie on several pages.
    const uint64_t step = source_.key_type == KeyType::kRowId ? 1 : 0;
    if (up.last) {
      if (*up.last == range.last && step == 1) return OkStatus();
      range.first = std::min(range.last, *up.last + step);
    }
    BLOBD_ASSIGN_OR_RETURN(const Scan down, Between(scans_[1], range));
    if (down.finished) return OkStatus();
    if (down.last) {
      if (*down.last == range.first) return OkStatus();
      range.last = *down.last - 1;
    }
    if (range.first == range.last) {
      holes_.push_back(range);
      return OkStatus();
    }
    const uint64_t middle = range.first + (range.last - range.first) / 2;
    waiting_.push_back({range.first, middle});
    waiting_.push_back({middle + 1, range.last});
    return OkStatus();
  }

  StatusOr<Scan> Between(Statement& statement, const Hole& range) {
    if (source_.key_type == KeyType::kBlob) {
      const KeyBytes first = BlobKey(range.first, 0);
      const KeyBytes last = BlobKey(range.last, 0xff);
      // Only the 8 bytes: the empty rest sorts first.
      return Take(statement.Bind(ByteView(first).first(8), ByteView(last)));
    }
    return Take(
        statement.Bind(static_cast<int64_t>(range.first), static_cast<int64_t>(range.last)));
  }

  StatusOr<Scan> Take(Statement& statement) {
    Scan scan;
    for (;;) {
      const StatusOr<bool> has_row = statement.Step();
      if (!has_row.ok()) {
        if (!IsDamage(has_row.status())) return has_row.status();
        return scan;
      }
      if (!*has_row) {
        scan.finished = true;
        return scan;
      }
      scan.last = KeyOf(statement);
      if (Status status = take_(statement); !status.ok()) {
        statement.Reset();
        return status;
      }
    }
  }

  uint64_t KeyOf(Statement& statement) const {
    sqlite3_stmt* row = statement.handle();
    const int column = sqlite3_column_count(row) - 1;
    if (source_.key_type != KeyType::kBlob) {
      return static_cast<uint64_t>(std::max<int64_t>(0, sqlite3_column_int64(row, column)));
    }
    std::array<uint8_t, 8> first{};
    const auto* data = static_cast<const uint8_t*>(sqlite3_column_blob(row, column));
    const auto size = static_cast<size_t>(sqlite3_column_bytes(row, column));
    if (data != nullptr) std::copy_n(data, std::min(size, first.size()), first.begin());
    uint64_t key = 0;
    for (const uint8_t byte : first) key = key << 8 | byte;
    return key;
  }

  std::vector<Hole> Merged() {
    std::sort(holes_.begin(), holes_.end(),
              [](const Hole& a, const Hole& b) { return a.first < b.first; });
    std::vector<Hole> merged;
    for (const Hole& hole : holes_) {
      if (!merged.empty() && merged.back().last + 1 >= hole.first) {
        merged.back().last = std::max(merged.back().last, hole.last);
      } else {
        merged.push_back(hole);
      }
    }
    return merged;
  }

  Database& from_;
  const SalvageSource& source_;
  UniqueFunction<Status(Statement&)> take_;
  std::vector<Statement> scans_;  // up, down
  std::deque<Hole> waiting_;
  std::vector<Hole> holes_;
};

constexpr size_t kHeaderSize = 100;
constexpr size_t kPageCountAt = 28;
constexpr size_t kChangeCounterAt = 24;
constexpr size_t kValidForAt = 92;
constexpr uint32_t kPageSize = 4096;

void PutBig32(uint8_t* at, uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

// The first page, as far as the file goes.
StatusOr<Bytes> ReadFirstPage(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, fmt::format("open {}", path));
  Bytes page(kPageSize);
  const ssize_t got = pread(fd, page.data(), page.size(), 0);
  const int error = errno;
  close(fd);
  if (got < 0) return ErrnoStatus(error, fmt::format("read {}", path));
  page.resize(static_cast<size_t>(got));
  return page;
}

Status Mend(const std::string& path, const std::string& pattern, bool whole_page) {
  BLOBD_ASSIGN_OR_RETURN(const int64_t size, FileSize(path));
  BLOBD_ASSIGN_OR_RETURN(const Bytes good, ReadFirstPage(pattern));
  BLOBD_ASSIGN_OR_RETURN(Bytes page, ReadFirstPage(path));
  if (good.size() < kPageSize) return DataLoss("{} has no first page", pattern);
  // Magic, page size, versions and fractions are the same in every database of ours.
  if (whole_page) {
    page = good;
  } else if (page.size() < kHeaderSize ||
             !std::equal(page.begin(), page.begin() + kChangeCounterAt, good.begin())) {
    page.resize(std::max(page.size(), kHeaderSize));
    std::copy_n(good.begin(), kHeaderSize, page.begin());
  }
  PutBig32(&page[kPageCountAt], static_cast<uint32_t>(size / kPageSize));
  std::copy_n(&page[kChangeCounterAt], 4, &page[kValidForAt]);
  const int fd = open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, fmt::format("open {}", path));
  const ssize_t put = pwrite(fd, page.data(), page.size(), 0);
  const int error = put < 0 ? errno : ENOSPC;
  close(fd);
  return put == static_cast<ssize_t>(page.size())
             ? OkStatus()
             : ErrnoStatus(error, fmt::format("write {}", path));
}

}  // namespace

StatusOr<SalvageResult> SalvageTable(Database& from, const SalvageSource& source,
                                     UniqueFunction<Status(Statement& row)> take) {
  return Walk(from, source, std::move(take)).Run();
}

Status CopyValues(Statement& row, size_t columns, Statement& to) {
  to.Reset();
  for (int i = 0; i < static_cast<int>(columns); ++i) {
    const int code = sqlite3_bind_value(to.handle(), i + 1, sqlite3_column_value(row.handle(), i));
    if (code != SQLITE_OK) return ErrorStatus(nullptr, code, "copy a row");
  }
  return OkStatus();
}

Status MendHeader(const std::string& path, const std::string& pattern) {
  return Mend(path, pattern, false);
}

Status ReplaceContents(const std::string& path, const std::string& pattern) {
  return Mend(path, pattern, true);
}

}  // namespace blobd::sqlite
