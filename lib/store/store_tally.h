// StoreTally: how much there is in the store, counted where it changes. So monitoring learns it
// without a look at the disk, which may hang.
//
// Thread: changed on the index strand; Counts from any. Each of the numbers is right by itself; two
//         of them may be a moment apart.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/hash.h"
#include "store/blob_store.h"
#include "store/store_db.h"

namespace blobd::store {

class StoreTally {
 public:
  explicit StoreTally(const CompleteTotals& complete)
      : complete_blobs_(complete.blobs), complete_bytes_(complete.bytes) {}

  // A blob is complete, or no longer.
  void CountIn(uint64_t size);
  void CountOut(uint64_t size);
  // What is verified of a blob that is not complete; nullopt: nothing of it is here.
  void SetPartial(const Hash& hash, std::optional<uint64_t> bytes);
  void SetDoubtful(uint64_t blobs) { doubtful_ = blobs; }

  CompleteTotals complete() const { return {complete_blobs_, complete_bytes_}; }
  // Partial blobs of which nothing is verified.
  const std::unordered_set<Hash>& unverified() const { return unverified_; }
  StoreCounts Counts() const;

 private:
  std::unordered_map<Hash, uint64_t> partial_;
  std::unordered_set<Hash> unverified_;
  std::atomic<uint64_t> complete_blobs_;
  std::atomic<uint64_t> complete_bytes_;
  std::atomic<uint64_t> partial_blobs_ = 0;
  std::atomic<uint64_t> partial_bytes_ = 0;
  std::atomic<uint64_t> doubtful_ = 0;
};

}  // namespace blobd::store
