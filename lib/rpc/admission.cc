#include "rpc/admission.h"

#include <algorithm>

namespace blobd::rpc {

StatusOr<Admission::Ticket> Admission::Admit(uint32_t uid, uint64_t weight) {
  Ticket ticket;
  ticket.uid_ = uid;
  ticket.is_heaviest_ = weight > limits_.units.per_uid;
  ticket.units_ = std::min<size_t>(weight, limits_.units.per_uid);
  const MutexLock lock(mutex_);
  const Status room = units_.Take(uid, "units of 256 KiB in calls under way", ticket.units_);
  if (!room.ok()) {
    return ResourceExhausted("{}, and this one takes {}; try again when some of them have ended",
                             Message(room), ticket.units_);
  }
  if (ticket.is_heaviest_ && !heaviest_.Take(uid, "very large calls under way").ok()) {
    units_.Give(uid, ticket.units_);
    return ResourceExhausted("another call on so large a list is under way; try again later");
  }
  ticket.admission_ = this;
  return ticket;
}

void Admission::End(const Ticket& ticket) {
  const MutexLock lock(mutex_);
  units_.Give(ticket.uid_, ticket.units_);
  if (ticket.is_heaviest_) heaviest_.Give(ticket.uid_);
}

}  // namespace blobd::rpc
