// Admission: what calls under way hold, in memory and descriptors, is bounded per uid and in all. A
// caller that asks for much and does not read what comes costs itself.
//
// A call is admitted with a weight, in units of 256 KiB that it may hold at once, and holds it
// until it is over. What one uid may have is a quarter of the whole; a call that is heavier than
// that (a list of millions of hashes) counts as that much, and at most one of them runs, and one of
// an administrator's.
//
// An answer is in memory until its caller has taken it: its call may be done, so that the caller
// may make the next one at once, but twice as much as may run at a time is not exceeded by what
// runs and what was not taken together.
//
// Thread:    any; one lock inside, held for a moment.
// Ownership: outlives its tickets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/mutex.h"
#include "base/status.h"
#include "engine/caller.h"
#include "rpc/uid_quota.h"

namespace blobd::rpc {

inline constexpr uint64_t kAdmissionUnit = 256 * 1024;  // bytes

// About what calls hold.
inline constexpr uint64_t kReadWeight = 4;  // a message of 256 KiB, and two descriptors
inline constexpr uint64_t kAddWeight = 8;   // messages of 1 MiB, and two descriptors
// Small blobs: a message of 1 MiB, what the store makes of it, and for each blob what becomes of it
// until it is durable. So many of them wait in front of everybody's.
inline constexpr uint64_t WeightOfSmallBlobs(uint64_t count) { return 8 + count / 16; }
inline constexpr uint64_t kListWeight = 2;      // a page of 1,000
inline constexpr uint64_t kWatchWeight = 1;     // a message whose bytes others share
inline constexpr uint64_t kQuestionWeight = 4;  // 10,000 hashes, or reasons
// 100,000 blobs of the report of a garbage collection: 45 MB.
inline constexpr uint64_t WeightOfReport(uint64_t max_listed) { return 4 + max_listed / 512; }
// A collection whose list has so many bytes, with its names.
inline constexpr uint64_t WeightOfNames(uint64_t list_bytes) { return 8 + list_bytes / 131'072; }
// What a request of so many bytes becomes, until it has been done.
inline constexpr uint64_t WeightOfRequest(uint64_t bytes) { return 1 + bytes / 131'072; }
// What is here of each of the hashes in a list of so many bytes.
inline constexpr uint64_t WeightOfInventory(uint64_t list_bytes) { return 1 + list_bytes / 32'768; }

class Admission {
 public:
  struct Limits {
    UidLimits units = {640, 2560, 640};
    UidLimits heaviest = {1, 2, 1};  // of those that are heavier than one uid's units
  };

  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept { *this = std::move(other); }
    Ticket& operator=(Ticket&& other) noexcept {
      std::swap(admission_, other.admission_);
      std::swap(caller_, other.caller_);
      std::swap(units_, other.units_);
      std::swap(is_heaviest_, other.is_heaviest_);
      std::swap(answered_, other.answered_);
      return *this;
    }
    // Ends what is left of it: the answer has been taken.
    ~Ticket() {
      Answered();
      if (admission_ != nullptr) admission_->Forget(*this);
    }
    // The call does nothing any more, but for its answer.
    void Answered() {
      if (admission_ != nullptr && !std::exchange(answered_, true)) admission_->End(*this);
    }

   private:
    friend class Admission;
    Admission* admission_ = nullptr;
    engine::Caller caller_;
    size_t units_ = 0;
    bool is_heaviest_ = false;
    bool answered_ = false;
  };

  explicit Admission(const Limits& limits)
      : limits_(limits),
        units_(limits.units),
        held_({2 * limits.units.per_uid, 2 * limits.units.total, 2 * limits.units.kept_for_admins}),
        heaviest_(limits.heaviest) {}
  Admission() : Admission(Limits()) {}
  // Behind the end of the last call, on whatever thread that was.
  ~Admission() { const MutexLock lock(mutex_); }
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  // kResourceExhausted: too much is under way, of this uid or in all.
  StatusOr<Ticket> Admit(const engine::Caller& caller, uint64_t weight);

 private:
  void End(const Ticket& ticket);
  void Forget(const Ticket& ticket);

  const Limits limits_;
  Mutex mutex_;
  UidQuota units_ ABSL_GUARDED_BY(mutex_);
  UidQuota held_ ABSL_GUARDED_BY(mutex_);  // units, until the answer is taken
  UidQuota heaviest_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace blobd::rpc
