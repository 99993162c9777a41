#include "sqlite/findings.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "sqlite/files.h"

namespace blobd::sqlite {
namespace {

std::string KeptLogName(const std::string& path) { return path + ".log-in-doubt"; }

// The first bytes of a file; empty if it cannot be read.
std::string FirstBytes(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return {};
  std::array<char, 64> buffer{};
  const ssize_t got = read(fd, buffer.data(), buffer.size());
  close(fd);
  return {buffer.data(), got > 0 ? static_cast<size_t>(got) : 0};
}

std::string NoteName(const std::string& path) { return path + ".boot"; }

// `boot_id`, or the machine's own if that is empty.
std::string BootId(const std::string& boot_id) {
  return boot_id.empty() ? FirstBytes("/proc/sys/kernel/random/boot_id") : boot_id;
}

bool IsSameBoot(const std::string& path, const std::string& boot) {
  return !boot.empty() && FirstBytes(NoteName(path)) == boot;
}

std::string Lost(const std::string& path, const LogScan& scan) {
  if (scan.suspect_commits == 0) {
    return fmt::format(
        "{0} had gone, and began anew: what it held is lost; {1} says so until that was seen", path,
        KeptLogName(path));
  }
  return fmt::format(
      "the log of {} is damaged behind {} good pages: up to {} transactions are lost; {} is what "
      "it was",
      path, scan.good_frames, scan.suspect_commits, KeptLogName(path));
}

}  // namespace

Status NoteIfLost(const std::string& path) {
  BLOBD_ASSIGN_OR_RETURN(const int64_t note_size, FileSize(NoteName(path)));
  BLOBD_ASSIGN_OR_RETURN(const int64_t kept_size, FileSize(KeptLogName(path)));
  if (note_size < 0 || kept_size >= 0) return OkStatus();
  BLOBD_RETURN_IF_ERROR(MakeEmptyFile(KeptLogName(path)).status());
  return SyncDirectoryOf(path);
}

StatusOr<OpenFindings> FindInLog(const std::string& path, const std::string& boot_id) {
  OpenFindings findings;
  BLOBD_ASSIGN_OR_RETURN(const LogScan scan, ScanLog(path + "-wal"));
  findings.log = scan.state;
  const bool power_stayed = IsSameBoot(path, BootId(boot_id));
  const std::string kept = KeptLogName(path);
  if (scan.state == LogState::kLastCommitDoubtful && power_stayed && scan.suspect_frames > 1) {
    findings.log = LogState::kCommitsLost;
  }
  if (findings.may_be_incomplete()) {
    BLOBD_RETURN_IF_ERROR(CopyFile(path + "-wal", kept + ".new"));
    BLOBD_RETURN_IF_ERROR(RenameDurably(kept + ".new", kept));
    findings.text = Lost(path, scan);
    return findings;
  }
  BLOBD_ASSIGN_OR_RETURN(const int64_t kept_size, FileSize(kept));
  if (kept_size >= 0) {
    BLOBD_ASSIGN_OR_RETURN(const LogScan earlier, ScanLog(kept));
    findings.log = LogState::kCommitsLost;
    findings.text = Lost(path, earlier);
  } else if (findings.log == LogState::kLastCommitDoubtful) {
    findings.text = fmt::format(
        "the last transaction in the log of {} is torn, as a power loss leaves one that was not "
        "acknowledged; it is not there",
        path);
  }
  return findings;
}

void NoteBoot(const std::string& path, const std::string& boot_id) {
  const std::string boot = BootId(boot_id);
  const std::string note = NoteName(path);
  if (IsSameBoot(path, boot)) return;
  if (unlink(note.c_str()) != 0 && errno != ENOENT) return;
  const int fd = open(note.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return;
  [[maybe_unused]] const ssize_t written = write(fd, boot.data(), boot.size());
  close(fd);
}

Status ForgetFindings(const std::string& path) {
  BLOBD_ASSIGN_OR_RETURN(const std::string resolved, ResolveDirectory(path));
  const std::string kept = KeptLogName(resolved);
  // It was emptied at the opening, perhaps only in memory: a power loss would bring it back, and
  // with it what it was said to have lost.
  const std::string log = resolved + "-wal";
  BLOBD_ASSIGN_OR_RETURN(const int64_t log_size, FileSize(log));
  if (log_size >= 0) BLOBD_RETURN_IF_ERROR(SyncFile(log));
  if (unlink(kept.c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, fmt::format("remove {}", kept));
  }
  return SyncDirectoryOf(kept);
}

}  // namespace blobd::sqlite
