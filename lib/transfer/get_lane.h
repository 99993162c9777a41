// GetLane: one stream of a transfer, seen from the disk's side. It holds what came and is not
// decoded yet, verifies it, and writes what is verified. What is to follow is its session's
// decision: it calls Advance and looks at what the lane came upon.
//
//   (target) --header--> kSized --Collect, WriteTo--> content --all verified--> kAnswered
//       ^                                                                           |
//       `---------------------------------- NextTarget -----------------------------'
//
// Thread: the strand of its transfer. Advance may wait for the disk.
// Memory: what was added and not consumed, which flow control bounds; one small blob.
// Errors: the first one stays; what was written before is right.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "bao/decoder.h"
#include "base/bytes.h"
#include "base/status.h"
#include "store/blob_store.h"
#include "transfer/get_port.h"
#include "transfer/get_work.h"

namespace blobd::transfer {

class GetLane final : private bao::DecodeSink {
 public:
  enum class Step {
    kStarved,   // all that came is decoded
    kDecoded,   // something was decoded; there may be more
    kSized,     // the size header of target() has come: Collect or WriteTo is to follow
    kAnswered,  // all that was asked of target() has come: NextTarget is to follow
    kFailed,    // see error() and write_status()
  };

  // `patient`: how it was opened (get_port.h). REQUIRES: the part has targets
  GetLane(uint64_t stream, GetPart part, uint64_t max_blob_size, bool patient);

  uint64_t stream() const { return stream_; }
  bool patient() const { return patient_; }
  const GetPart& part() const { return part_; }
  const GetTarget& target() const { return part_.targets[target_]; }
  // No more of the part is wanted than its first `targets` targets, and of the last of these only
  // the groups before `end`. What else of it came already is kept.
  // REQUIRES: targets > the number of target()
  void Cut(size_t targets, uint64_t end);
  // It was cut: more than it wants may come.
  bool is_cut() const { return is_cut_; }
  size_t number_of_target() const { return target_; }
  // The targets behind target(), to be asked for again.
  GetPart Tail() const;

  void Add(Bytes bytes);
  // A reset may overtake data: what came before is decoded first.
  void End(StreamEnd end) { end_ = std::move(end); }
  const std::optional<StreamEnd>& end() const { return end_; }

  // REQUIRES: !waiting()
  Step Advance();
  // The size of target() is known, but not where it is to go.
  bool waiting() const { return waiting_; }
  // The blob is collected in memory, for TakeSmall. REQUIRES: all of it was asked for
  void Collect();
  // Null: it is verified and let go.
  void WriteTo(std::shared_ptr<store::BlobWriter> writer);
  bool collecting() const { return collecting_; }
  Bytes TakeSmall() { return std::exchange(small_, {}); }
  const std::shared_ptr<store::BlobWriter>& writer() const { return writer_; }
  // False if target() was the last one.
  bool NextTarget();

  bool sized() const { return decoder_->claimed_size().has_value(); }
  uint64_t claimed_size() const { return decoder_->claimed_size().value_or(0); }
  bao::DecodeError error() const { return decoder_->error(); }
  const Status& write_status() const { return write_status_; }
  bool received() const { return received_; }  // any byte at all
  bool fruitful() const { return fruitful_; }  // something of it verified
  // Of target(), what is wanted of it and has not come.
  RangeSet MissingGroups() const;
  // Of the last target only the groups before this are wanted.
  uint64_t cut_end() const { return cut_end_; }

  // Counts since the last call. Only whole groups count as verified; what else comes is a proof.
  uint64_t TakeVerified() { return std::exchange(verified_, 0); }
  // Groups of target() that were verified and given to its writer.
  RangeSet TakeGroups() { return std::exchange(verified_groups_, {}); }
  uint64_t TakeConsumed() { return std::exchange(consumed_, 0); }
  // True once for each target whose size has been proven.
  bool TakeProof();
  uint64_t undecoded() const;  // bytes that wait here
  // Lets go of what is not decoded; returns how many bytes were not told as consumed.
  uint64_t Discard();

 private:
  // bao::DecodeSink
  void OnSize(uint64_t claimed) override;
  void OnLeaf(const bao::Leaf& leaf) override;

  void BeginTarget();
  bool TargetIsDone() const;
  void FlushWrites();

  const uint64_t stream_;
  GetPart part_;
  const uint64_t max_blob_size_;
  const bool patient_;
  size_t target_ = 0;
  std::optional<bao::Decoder> decoder_;
  size_t header_bytes_ = 0;  // of the size header, fed so far
  bool waiting_ = false;
  bool proof_told_ = false;

  std::deque<Bytes> input_;
  size_t input_used_ = 0;  // of input_.front()
  std::optional<StreamEnd> end_;
  bool received_ = false;
  bool fruitful_ = false;
  bool is_cut_ = false;
  uint64_t cut_end_ = RangeSet::kOpenEnd;  // of the last target, in groups
  uint64_t next_group_ = 0;                // behind the last verified leaf of target()
  uint64_t verified_ = 0;
  RangeSet verified_groups_;
  uint64_t consumed_ = 0;

  bool collecting_ = false;
  Bytes small_;
  std::shared_ptr<store::BlobWriter> writer_;
  ByteView feeding_;                          // what Feed was called with
  std::vector<store::VerifiedGroup> groups_;  // point into feeding_
  std::vector<store::OutboardPair> pairs_;
  Status write_status_;
};

}  // namespace blobd::transfer
