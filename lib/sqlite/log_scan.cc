#include "sqlite/log_scan.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>

#include "base/bytes.h"

namespace blobd::sqlite {
namespace {

// https://sqlite.org/fileformat2.html#the_write_ahead_log
constexpr size_t kLogHeader = 32;
constexpr size_t kFrameHeader = 24;
constexpr uint32_t kMagic = 0x377f0682;  // the lowest bit: checksums are of big-endian words
constexpr uint32_t kVersion = 3007000;
constexpr uint32_t kOurPageSize = 4096;

uint32_t Big32(const uint8_t* at) {
  return uint32_t{at[0]} << 24 | uint32_t{at[1]} << 16 | uint32_t{at[2]} << 8 | uint32_t{at[3]};
}
uint32_t Little32(const uint8_t* at) {
  return uint32_t{at[3]} << 24 | uint32_t{at[2]} << 16 | uint32_t{at[1]} << 8 | uint32_t{at[0]};
}

struct Checksum {
  uint32_t first = 0;
  uint32_t second = 0;
  bool operator==(const Checksum&) const = default;

  void Add(ByteView bytes, bool big_endian) {
    for (size_t i = 0; i + 8 <= bytes.size(); i += 8) {
      first += (big_endian ? Big32(&bytes[i]) : Little32(&bytes[i])) + second;
      second += (big_endian ? Big32(&bytes[i + 4]) : Little32(&bytes[i + 4])) + first;
    }
  }
};

struct LogHeader {
  bool big_endian = false;
  uint32_t page_size = kOurPageSize;
  std::array<uint32_t, 2> salts{};
  Checksum checksum;  // of the header, from which that of the first frame goes on
};

struct Frame {
  uint32_t page = 0;
  uint32_t database_pages = 0;  // not 0: the last of its transaction
  std::array<uint32_t, 2> salts{};
  Checksum checksum;
};

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { close(fd_); }
  // False at the end of the file.
  StatusOr<bool> Read(MutableBytes out, uint64_t at) {
    for (size_t done = 0; done < out.size();) {
      const ssize_t got =
          pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(at + done));
      if (got == 0) return false;
      if (got < 0 && errno != EINTR) return ErrnoStatus(errno, "read the log");
      if (got > 0) done += static_cast<size_t>(got);
    }
    return true;
  }

 private:
  const int fd_;
};

std::optional<LogHeader> ParseHeader(ByteView bytes) {
  const uint32_t magic = Big32(&bytes[0]);
  if ((magic & ~1u) != kMagic || Big32(&bytes[4]) != kVersion) return std::nullopt;
  LogHeader header;
  header.big_endian = (magic & 1) != 0;
  header.page_size = Big32(&bytes[8]);
  const bool is_power = (header.page_size & (header.page_size - 1)) == 0;
  if (!is_power || header.page_size < 512 || header.page_size > 65536) return std::nullopt;
  header.salts = {Big32(&bytes[16]), Big32(&bytes[20])};
  header.checksum.Add(bytes.first(24), header.big_endian);
  if (header.checksum != Checksum{Big32(&bytes[24]), Big32(&bytes[28])}) return std::nullopt;
  return header;
}

Frame ParseFrame(ByteView bytes) {
  Frame frame;
  frame.page = Big32(&bytes[0]);
  frame.database_pages = Big32(&bytes[4]);
  frame.salts = {Big32(&bytes[8]), Big32(&bytes[12])};
  frame.checksum = {Big32(&bytes[16]), Big32(&bytes[20])};
  return frame;
}

}  // namespace

StatusOr<LogScan> ScanLog(const std::string& path) {
  LogScan scan;
  const int fd = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return scan;
  if (fd < 0) return ErrnoStatus(errno, fmt::format("open {}", path));
  File file(fd);
  std::array<uint8_t, kLogHeader> start{};
  BLOBD_ASSIGN_OR_RETURN(const bool has_header, file.Read(start, 0));
  if (!has_header) return scan;

  std::optional<LogHeader> parsed = ParseHeader(start);
  const bool header_broken = !parsed.has_value();
  LogHeader header = parsed.value_or(LogHeader{});
  Checksum running = header.checksum;
  bool broken = header_broken;
  bool behind_commit = false;
  Bytes bytes(kFrameHeader + header.page_size);
  for (uint64_t at = kLogHeader;; at += bytes.size()) {
    BLOBD_ASSIGN_OR_RETURN(const bool has_frame, file.Read(bytes, at));
    if (!has_frame) break;
    const Frame frame = ParseFrame(bytes);
    // The first frame speaks for a header that does not.
    if (header_broken && at == kLogHeader) header.salts = frame.salts;
    const bool is_ours = frame.salts == header.salts && frame.page != 0;
    if (!broken) {
      running.Add(ByteView(bytes).first(8), header.big_endian);
      running.Add(ByteView(bytes).subspan(kFrameHeader), header.big_endian);
      broken = !is_ours || running != frame.checksum;
    }
    if (!broken) {
      ++scan.good_frames;
      continue;
    }
    if (!is_ours) continue;
    ++scan.suspect_frames;
    if (behind_commit) scan.state = LogState::kCommitsLost;
    if (frame.database_pages == 0) continue;
    ++scan.suspect_commits;
    behind_commit = true;
  }
  if (scan.state == LogState::kCommitsLost || scan.suspect_frames == 0) return scan;
  scan.state = scan.suspect_commits == 0 ? LogState::kTornTail
               : header_broken           ? LogState::kCommitsLost
                                         : LogState::kLastCommitDoubtful;
  return scan;
}

}  // namespace blobd::sqlite
