#include "store/disk_gate.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error_reason.h"
#include "base/units.h"

namespace blobd::store {
namespace {

constexpr Duration kLookAgain = milliseconds(300);
constexpr Duration kProbeAgain = seconds(1);
constexpr uint64_t kMaxSpare = 16 * kMiB;

// More than this must be free beside the reserve before a full disk counts as well again, so that
// it is not full at the next write.
int64_t Spare(uint64_t reserve) { return static_cast<int64_t>(std::min(reserve / 8, kMaxSpare)); }

}  // namespace

DiskGate::DiskGate(FileSystem& file_system, std::string directory, Options options,
                   const Clock& clock, std::function<void()> changed,
                   std::function<void()> troubled)
    : file_system_(file_system),
      directory_(std::move(directory)),
      options_(options),
      clock_(clock),
      changed_(std::move(changed)),
      troubled_(std::move(troubled)) {
  since_ms_ = clock_.WallNow().unix_ms;
  Refresh();
  if (cause_ == Cause::kNone && Room() <= 0) Become(Cause::kReserve);
}

void DiskGate::Refresh() {
  const StatusOr<DiskSpace> space = file_system_.Space(directory_);
  looked_at_ = clock_.Now().nanos();
  if (!space.ok()) return;  // what was known is the best there is
  const uint64_t reserve =
      std::min(options_.reserve_bytes, space->total_bytes / 100 * options_.reserve_percent);
  total_ = space->total_bytes;
  free_ = space->free_bytes;
  reserve_ = reserve;
  room_ = static_cast<int64_t>(space->free_bytes) - static_cast<int64_t>(reserve);
  if (space->is_read_only) Become(Cause::kReadOnly);
}

// Whoever changes the cause tells of it.
void DiskGate::Become(Cause cause) {
  if (cause_.exchange(cause) == cause) return;
  since_ms_ = clock_.WallNow().unix_ms;
  changed_();
  if (cause != Cause::kNone && troubled_) troubled_();
}

Status DiskGate::Refusal() const {
  const DiskState now = state();
  switch (now.condition) {
    case DiskCondition::kOk:
      return OkStatus();
    case DiskCondition::kFull:
      return ErrorFor(Reason::kDiskFull, "the disk is full: {}", now.reason);
    case DiskCondition::kReadOnly:
      return ErrorFor(Reason::kDiskReadOnly, "the disk is read-only");
  }
  return OkStatus();
}

Status DiskGate::Take(uint64_t bytes) {
  BLOBD_RETURN_IF_ERROR(Refusal());
  const int64_t wanted = static_cast<int64_t>(bytes);
  const bool is_old = clock_.Now() - Instant::FromNanos(looked_at_) >= kLookAgain;
  if (!is_old && room_.fetch_sub(wanted) >= wanted) return OkStatus();
  Refresh();
  if (room_.fetch_sub(wanted) < wanted) Become(Cause::kReserve);
  return Refusal();
}

Status DiskGate::TakeUnpromised(uint64_t bytes) {
  BLOBD_RETURN_IF_ERROR(Take(bytes));
  const uint64_t admitted = admitted_;
  if (Room() >= static_cast<int64_t>(admitted)) return OkStatus();
  room_.fetch_add(static_cast<int64_t>(bytes));
  NoteRefused(bytes);
  return ErrorFor(Reason::kDiskFull, "needs {}, {} free ({} reserved, {} promised to others)",
                  FormatSize(bytes), FormatSize(free_), FormatSize(reserve_), FormatSize(admitted));
}

Status DiskGate::Admit(uint64_t bytes) {
  BLOBD_RETURN_IF_ERROR(Refusal());
  Refresh();
  BLOBD_RETURN_IF_ERROR(Refusal());
  const uint64_t room = static_cast<uint64_t>(std::max<int64_t>(Room(), 0));
  uint64_t admitted = admitted_;
  do {
    const uint64_t unpromised = room - std::min(room, admitted);
    if (bytes > unpromised) {
      NoteRefused(bytes);
      return ErrorFor(Reason::kDiskFull, "needs {}, {} free ({} reserved, {} promised to others)",
                      FormatSize(bytes), FormatSize(free_), FormatSize(reserve_),
                      FormatSize(admitted));
    }
  } while (!admitted_.compare_exchange_weak(admitted, admitted + bytes));
  return OkStatus();
}

void DiskGate::NoteRefused(uint64_t bytes) {
  uint64_t refused = refused_;
  while ((refused == 0 || bytes < refused) && !refused_.compare_exchange_weak(refused, bytes)) {
  }
  if (troubled_) troubled_();
}

void DiskGate::GiveBack(uint64_t bytes) { admitted_.fetch_sub(bytes); }

Status DiskGate::Note(Status status) {
  const Cause cause = cause_;
  if (status.code() == StatusCode::kResourceExhausted && cause != Cause::kReserve)
    Become(Cause::kNoSpace);
  // One file that we may not write says nothing of the others; a read-only file system says so.
  if (status.code() == StatusCode::kPermissionDenied && cause != Cause::kReadOnly) Refresh();
  return status;
}

void DiskGate::LookAgain() {
  if (cause_ != Cause::kNone) return;
  Refresh();
  if (cause_ == Cause::kNone && Room() <= 0) Become(Cause::kReserve);
}

bool DiskGate::NeedsProbe() const {
  if (!IsTroubled()) return false;
  return clock_.Now() - Instant::FromNanos(probed_at_) >= kProbeAgain;
}

bool DiskGate::ProbeFiles() {
  probed_at_ = clock_.Now().nanos();
  Refresh();
  if (cause_ == Cause::kNone) {
    const uint64_t refused = refused_;
    if (refused == 0 || Room() < static_cast<int64_t>(refused + admitted_)) return false;
    refused_ = 0;
    changed_();
    return false;
  }
  // Also where a write found no room although the file system counts some: a quota, perhaps.
  if (cause_ != Cause::kReadOnly && Room() <= Spare(reserve_)) {
    Become(Cause::kReserve);
    return false;
  }
  const Status written = WriteProbeFile();
  (void)Note(written);
  return written.ok();
}

void DiskGate::ProbeEnded(const Status& all_else) {
  if (!all_else.ok()) return (void)Note(all_else);
  refused_ = 0;
  Become(Room() <= 0 ? Cause::kReserve : Cause::kNone);
}

Status DiskGate::WriteProbeFile() {
  const std::string path = directory_ + "/import-probe";  // removed as imports are, if need be
  const std::array<uint8_t, 4096> page{};
  const ByteView part = page;
  Status status = [&]() -> Status {
    BLOBD_ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                           file_system_.Open(path, OpenMode::kCreate));
    BLOBD_RETURN_IF_ERROR(file->WriteAt(0, {&part, 1}));
    return file->Sync();
  }();
  (void)file_system_.Unlink(path);
  return status;
}

Status Promise::Ask(DiskGate& gate, uint64_t bytes) {
  if (is_given_) return OkStatus();
  BLOBD_RETURN_IF_ERROR(gate.Admit(bytes));
  if (is_given_.exchange(true)) {
    gate.GiveBack(bytes);  // another writer of the blob was quicker
  } else {
    left_ += bytes;
  }
  return OkStatus();
}

void Promise::Use(DiskGate& gate, uint64_t bytes) {
  uint64_t left = left_;
  uint64_t used = 0;
  do {
    used = std::min(left, bytes);
    if (used == 0) return;
  } while (!left_.compare_exchange_weak(left, left - used));
  gate.GiveBack(used);
}

void Promise::End(DiskGate& gate) {
  gate.GiveBack(left_.exchange(0));
  is_given_ = false;
}

DiskState DiskGate::state() const {
  DiskState state;
  state.total_bytes = total_;
  state.free_bytes = free_;
  state.reserve_bytes = reserve_;
  state.admitted_bytes = admitted_;
  state.since.unix_ms = since_ms_;
  switch (cause_.load()) {
    case Cause::kNone:
      break;
    case Cause::kReserve:
      state.condition = DiskCondition::kFull;
      state.reason = fmt::format("{} free, {} reserved", FormatSize(state.free_bytes),
                                 FormatSize(state.reserve_bytes));
      break;
    case Cause::kNoSpace:
      state.condition = DiskCondition::kFull;
      state.reason = "no space left, or a quota is used up";
      break;
    case Cause::kReadOnly:
      state.condition = DiskCondition::kReadOnly;
      state.reason = "the file system is read-only";
      break;
  }
  return state;
}

}  // namespace blobd::store
