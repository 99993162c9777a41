#include "store/store_tally.h"

#include <algorithm>

namespace blobd::store {

void StoreTally::CountIn(uint64_t size) {
  ++complete_blobs_;
  complete_bytes_ += size;
}

// A row that was damaged may be counted out although it never was in.
void StoreTally::CountOut(uint64_t size) {
  complete_blobs_ -= std::min<uint64_t>(complete_blobs_, 1);
  complete_bytes_ -= std::min<uint64_t>(complete_bytes_, size);
}

void StoreTally::SetPartial(const Hash& hash, std::optional<uint64_t> bytes) {
  const auto before = partial_.find(hash);
  // In one step: others read it meanwhile.
  const uint64_t counted = before != partial_.end() ? before->second : 0;
  partial_bytes_ = partial_bytes_ - counted + bytes.value_or(0);
  if (bytes) {
    partial_[hash] = *bytes;
  } else if (before != partial_.end()) {
    partial_.erase(before);
  }
  partial_blobs_ = partial_.size();
  if (bytes == 0u) {
    unverified_.insert(hash);
  } else {
    unverified_.erase(hash);
  }
}

StoreCounts StoreTally::Counts() const {
  StoreCounts counts;
  counts.complete_blobs = complete_blobs_;
  counts.complete_bytes = complete_bytes_;
  counts.partial_blobs = partial_blobs_;
  counts.partial_bytes = partial_bytes_;
  counts.doubtful_blobs = doubtful_;
  return counts;
}

}  // namespace blobd::store
