// GetWork: what a transfer asks for, cut into parts for its streams. Pure.
//
// A blob of unknown size is opened with one request: its first 8 MiB and its last chunk, which
// proves the size. For a smaller blob that is all of it. The rest of a larger one is cut into
// segments, which any stream can take. Small children of a hash sequence are asked for in runs.
// Only what the inventory lacks is ever asked for, and many small holes go into one request.
//
//   blobs --opening, run--> answered
//     `------ size known --> rest --segment by segment--> answered
//
// A claimed size costs nothing but the bounds of what is left: segments are cut when asked for.
//
// Thread: one owner.
// Memory: the missing blobs of the inventory, and what is left of those that are being cut.
// Units:  sizes in bytes, places in chunk groups or chunks as named.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "transfer/get_order.h"
#include "transfer/inventory.h"
#include "wire/chunk_ranges.h"

namespace blobd::transfer {

struct GetOptions {
  SizeLimits limits = {};
  // Streams of one transfer at once. A provider of 0.35 spends one core per stream, and four make
  // it two to three times as fast (platform/quic-and-hash.md, section 3).
  size_t lanes = 4;
  // Others may take a part of it any time: the proof of sizes comes early, and not much is asked
  // for at once.
  bool shared = false;
};

// What one answer brings of one blob.
struct GetTarget {
  size_t blob = 0;   // GetWork's number of it
  size_t place = 0;  // of a child: on the line of its request (get_layout.h)
  Hash hash;
  uint64_t blob_index = 0;  // as requests count: the root is 0
  wire::ChunkRanges wanted;
  bool untouched = false;  // nothing of it is held
  // What the size header has to say: the proven size, or what this provider said before.
  std::optional<uint64_t> size;
  bool size_proven = false;
};

// What one request asks for, in the order of the answer.
struct GetPart {
  std::vector<GetTarget> targets;
  bool only_sizes = false;  // nothing of it is kept but the proven sizes
  bool is_proof = false;    // beside the work: for the proof of what others bring
};

// Requests stay below the smallest limit of any provider (1 MiB): ranges take at most this, hashes
// of a run 128 KiB.
inline constexpr size_t kMaxRangeBytes = 512 * 1024;

// What others are getting of a blob, in groups (claims.h).
using GetOthers = std::function<RangeSet(const Hash&)>;

class GetWork {
 public:
  // `share`: nothing beyond it is asked for.
  GetWork(Inventory inventory, const GetOptions& options, std::optional<GetShare> share = {});

  // The next part for a free stream, in the order of the blobs as far as sizes are known. nullopt:
  // nothing now; more may come with Sized. What others are getting is left out: of a blob whose
  // size is not proven, and of a small one, all of it.
  std::optional<GetPart> Next(const GetOthers& others = nullptr);
  // The last blob of which something was left out so. The next inventory says what is left of it.
  const std::optional<Hash>& left_out() const { return left_out_; }
  // It is one part of a large blob, and what follows of that is cut from the rest.
  bool IsSegment(const GetTarget& target) const;
  // These groups of a segment will not come: they are given out again. REQUIRES: IsSegment(target)
  void GiveBack(const GetTarget& target, const RangeSet& groups);
  // The children whose sizes nobody knows, but for those beyond [4,096]: their last chunks.
  std::optional<GetPart> NextSizes() const;
  // From now on only what is in the share is given out.
  void Narrow(GetShare share);
  // The part without what is beyond the share.
  GetPart Trim(GetPart part) const;
  // Others have it, or this provider does not: it is not given out. Of a proven blob.
  void LeaveOut(const GetTarget& target, const RangeSet& groups);
  // It could not be asked for, or not all of it: Next gives it out again.
  void PutBack(GetPart part);
  Bytes RequestFor(const GetPart& part) const;

  // The provider claims a size for a target, within the limits. What that adds can be had from
  // Next. Once for each target whose size is not known.
  void Sized(const GetTarget& target, uint64_t size);
  void Proven(const GetTarget& target);
  // All that was asked of a target has come. True: nothing more is to come of its blob.
  bool Answered(const GetTarget& target);
  // The blob is held by now: what was not given out yet is not asked for.
  void Drop(const GetTarget& target);

  // The provider may hold children without the root: they can be asked for by their own hashes
  // (GetMany, which 0.90 and later know).
  bool can_ask_by_hash() const { return children_ && !by_hash_; }
  bool by_hash() const { return by_hash_; }
  void AskByHash() { by_hash_ = children_; }

  // The sum of all sizes as far as anybody said; 0 while some are unknown.
  uint64_t claimed_bytes() const { return sizes_unknown_ == 0 ? sizes_ : 0; }
  std::optional<uint64_t> total_bytes() const;  // proven

 private:
  // What was not given out yet of a blob too large for one part.
  struct Rest {
    RangeSet left;             // chunk groups
    uint64_t end = 0;          // of the blob, in groups
    uint64_t segment = 0;      // groups of one part
    uint64_t size = 0;         // claimed, or proven
    uint64_t parts_given = 0;  // and not answered
    bool proven = false;
  };

  void Count(const store::BlobInfo& blob);
  void Mask(Inventory::Child& child) const;
  uint64_t SegmentFor(uint64_t groups) const;
  RangeSet OthersOf(const Hash& hash, const GetOthers& others);
  std::optional<GetPart> NextPutBack(const GetOthers& others);
  std::optional<GetPart> NextSegment(const GetOthers& others);
  std::optional<GetPart> NextRun(const GetOthers& others);
  bool KeepForSegments(size_t blob);
  GetTarget TargetOf(size_t blob) const;
  bool IsHashSeqRoot(const GetTarget& target) const;

  const Kind kind_;
  const GetOptions options_;
  std::optional<GetShare> share_;
  bool children_ = false;  // the blobs are children; the root is held
  bool by_hash_ = false;
  bool size_is_claim_ = false;           // of the one blob: the line was laid out by a claim
  std::vector<Inventory::Child> blobs_;  // the incomplete ones, in order
  size_t next_ = 0;                      // the first that was not looked at
  size_t run_length_ = 1;
  std::map<size_t, Rest> rests_;
  std::deque<size_t> to_cut_;  // those in rests_ of which something is left
  std::deque<GetPart> put_back_;
  std::optional<Hash> left_out_;
  uint64_t sizes_ = 0;           // sum of the sizes proven or claimed
  uint64_t sizes_unknown_ = 0;   // blobs whose size nobody said yet
  uint64_t sizes_unproven_ = 0;  // blobs whose size is not proven
};

// The groups that a target brings, the one of the last chunk alone not counted.
RangeSet GroupsOf(const GetTarget& target);

// Blobs of which every group is held but which were not finished (the process ended in between).
std::vector<Hash> BlobsToFinish(const Inventory& inventory);

}  // namespace blobd::transfer
