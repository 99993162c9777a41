// DiskGate: decides whether more may be written, from what the file system says is free and from
// writes that failed (disk_state.h says what follows). It leaves the reserve alone, and keeps what
// was promised to blobs of proven size apart from what others may be promised.
//
// Asking is cheap: the file system is asked only when 300 ms have passed since it was last, or when
// what was free then is used up.
//
// Thread: any; no locks. What several threads find at once is found by one of them in the end. The
//         figures may belong to different moments, a few writes apart.
// Units:  bytes.
// Errors: kResourceExhausted: full, or no room for what was asked. kPermissionDenied: read-only.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "base/status.h"
#include "base/time.h"
#include "store/disk_state.h"
#include "store/file_system.h"

namespace blobd::store {

class DiskGate {
 public:
  struct Options {
    uint64_t reserve_bytes = 0;
    uint64_t reserve_percent = 0;
  };

  // `changed` is called on any thread when watchers are to be told, and `troubled`, which may be
  // null, whenever IsTroubled becomes true; neither may wait. The directory exists. File system and
  // clock outlive the gate.
  DiskGate(FileSystem& file_system, std::string directory, Options options, const Clock& clock,
           std::function<void()> changed, std::function<void()> troubled = nullptr);
  DiskGate(const DiskGate&) = delete;
  DiskGate& operator=(const DiskGate&) = delete;

  // May `bytes` more be written now?
  Status Take(uint64_t bytes);
  // The same for those who were promised nothing: what others were promised is left to them. Who is
  // refused is told by a change when there is more room.
  Status TakeUnpromised(uint64_t bytes);
  // Promises room for `bytes`, until they are given back: written, or no longer wanted.
  Status Admit(uint64_t bytes);
  void GiveBack(uint64_t bytes);

  // What became of a write or sync; the same status. An error that says so changes the condition:
  // no room, or where something may not be written, that the file system is read-only.
  Status Note(Status status);
  // How is it now, while nothing is known to be wrong? A write failed in a way that says nothing,
  // or somebody asks, and others write to this disk, too.
  void LookAgain();

  // Whether the disk is not well or somebody was refused; a probe is due once a second then.
  bool IsTroubled() const { return cause_ != Cause::kNone || refused_ != 0; }
  bool NeedsProbe() const;
  // Looks whether there is room again, and whether a small file can be written; waits for the disk.
  // True: it can, and the disk is well again if `ProbeEnded` is told that all else could be written
  // too. One at a time.
  bool ProbeFiles();
  void ProbeEnded(const Status& all_else);

  DiskState state() const;

 private:
  enum class Cause : uint8_t { kNone, kReserve, kNoSpace, kReadOnly };

  void Refresh();
  Status Refusal() const;
  void NoteRefused(uint64_t bytes);
  void Become(Cause cause);
  int64_t Room() const { return room_.load(); }
  Status WriteProbeFile();

  FileSystem& file_system_;
  const std::string directory_;
  const Options options_;
  const Clock& clock_;
  const std::function<void()> changed_;
  const std::function<void()> troubled_;

  std::atomic<Cause> cause_ = Cause::kNone;
  std::atomic<int64_t> since_ms_ = 0;  // of cause_
  // As the file system said at looked_at_, but that what was taken since is taken off room_: free
  // without the reserve.
  std::atomic<int64_t> room_ = 0;
  std::atomic<uint64_t> total_ = 0;
  std::atomic<uint64_t> free_ = 0;
  std::atomic<uint64_t> reserve_ = 0;
  std::atomic<uint64_t> looked_at_ = 0;  // Instant, in nanoseconds
  std::atomic<uint64_t> probed_at_ = 0;  // the same
  std::atomic<uint64_t> admitted_ = 0;
  // The least that was refused for want of room since watchers were told; 0: nothing was.
  std::atomic<uint64_t> refused_ = 0;
};

// What one blob was promised. Thread: any; End when nobody else calls any more.
class Promise {
 public:
  // Asks once; later calls answer OK if it was granted.
  Status Ask(DiskGate& gate, uint64_t bytes);
  bool is_given() const { return is_given_; }
  void Use(DiskGate& gate, uint64_t bytes);  // so many of them were written
  void End(DiskGate& gate);

 private:
  std::atomic<bool> is_given_ = false;
  std::atomic<uint64_t> left_ = 0;
};

}  // namespace blobd::store
