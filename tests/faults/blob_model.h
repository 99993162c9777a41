// BlobModel: what the store promised about one blob, and the check of what it claims against that
// and against the true bytes. It knows nothing of how the store works.
//
// Thread: one.
#pragma once

#include <set>

#include "bench.h"
#include "store/blob_store.h"
#include "store/store_for_test.h"

namespace blobd::faults {

struct BlobModel {
  const store::TestBlob* blob = nullptr;
  bool is_complete = false;          // answered, so durable
  bool looks_complete = false;       // the store showed it so
  RangeSet safe;                     // groups of which a flush was answered
  RangeSet seen;                     // groups the store showed in this life
  RangeSet rotten;                   // groups we changed on the disk, until they are withdrawn
  bool was_rotten = false;           // in this life
  uint64_t removals = 0;             // that were answered
  bool is_leaving = false;           // its removal was called and not answered
  std::set<bool> is_private{false};  // what it may be
  std::multiset<bool> wishes;        // that it become so, not answered yet

  std::string name() const { return blob->hash.Short(); }
  RangeSet all() const { return RangeSet(Range{0, blob->group_count()}); }

  // The store says this now. `had_fault`: the disk has failed in this life.
  void See(const store::BlobInfo& info, bool had_fault, Bench& bench);
  // A complete blob is claimed whole.
  void Finished();
  // The pages of rotten groups were taken back.
  void Withdrawn();
  void Removed();
  // It is asked for that the blob be private, or be known; and that is answered.
  void Wished(bool wanted);
  void WishAnswered(bool wanted, bool is_granted);

  void ProcessEnded();
  // Checks what the next life claims; returns how many of the groups seen before are missing.
  uint64_t CheckAfter(const store::BlobInfo& info, bool lost_power, bool had_fault, Bench& bench);
  // Reads all that is claimed. `excused`: what was rotten when the reader was asked for.
  void CheckBytes(store::BlobReader& reader, const RangeSet& excused, Bench& bench) const;
};

}  // namespace blobd::faults
