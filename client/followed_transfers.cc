#include "client/followed_transfers.h"

namespace blobd::client {

void FollowedTransfers::Apply(const v1::WatchTransfersResponse& change) {
  if (change.from_beginning()) {
    running_.clear();
    ended_.clear();
  }
  for (const v1::Transfer& transfer : change.transfers()) {
    if (transfer.finished_unix_ms() != 0) {
      running_.erase(transfer.transfer_id());
      if (with_ended_) ended_[transfer.transfer_id()] = transfer;
    } else {
      running_[transfer.transfer_id()] = transfer;
    }
  }
  for (const uint64_t id : change.gone_transfer_ids()) {
    running_.erase(id);
    ended_.erase(id);
  }
}

}  // namespace blobd::client
