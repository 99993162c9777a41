#include "rpc/admission.h"

#include <algorithm>

#include "base/error_reason.h"

namespace blobd::rpc {

StatusOr<Admission::Ticket> Admission::Admit(const engine::Caller& caller, uint64_t weight) {
  Ticket ticket;
  ticket.caller_ = caller;
  ticket.is_heaviest_ = weight > limits_.units.per_uid;
  ticket.units_ = std::min<size_t>(weight, limits_.units.per_uid);
  const MutexLock lock(mutex_);
  const Status room = units_.Take(caller, "units of 256 KiB in calls under way", ticket.units_);
  if (!room.ok()) {
    return ErrorFor(Reason::kTooManyCalls,
                    "{}, and this one takes {}; try again when some of them have ended",
                    Message(room), ticket.units_);
  }
  if (!held_.Take(caller, "units of 256 KiB", ticket.units_).ok()) {
    units_.Give(caller, ticket.units_);
    return ErrorFor(Reason::kTooManyCalls,
                    "too many answers wait to be taken; try again when they are read");
  }
  if (ticket.is_heaviest_ && !heaviest_.Take(caller, "very large calls under way").ok()) {
    units_.Give(caller, ticket.units_);
    held_.Give(caller, ticket.units_);
    return ErrorFor(Reason::kTooManyCalls,
                    "another call on so large a list is under way; try again later");
  }
  ticket.admission_ = this;
  return ticket;
}

void Admission::End(const Ticket& ticket) {
  const MutexLock lock(mutex_);
  units_.Give(ticket.caller_, ticket.units_);
  if (ticket.is_heaviest_) heaviest_.Give(ticket.caller_);
}

void Admission::Forget(const Ticket& ticket) {
  const MutexLock lock(mutex_);
  held_.Give(ticket.caller_, ticket.units_);
}

}  // namespace blobd::rpc
