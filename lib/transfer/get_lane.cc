#include "transfer/get_lane.h"

#include <algorithm>
#include <utility>

#include "bao/tree.h"
#include "base/check.h"

namespace blobd::transfer {
namespace {

constexpr size_t kSmallPiece = 64 * 1024;

}  // namespace

GetLane::GetLane(uint64_t stream, GetPart part, uint64_t max_blob_size, bool patient)
    : stream_(stream), part_(std::move(part)), max_blob_size_(max_blob_size), patient_(patient) {
  BLOBD_CHECK(!part_.targets.empty());
  BeginTarget();
}

void GetLane::BeginTarget() {
  decoder_.emplace(target().hash, target().wanted, max_blob_size_);
  header_bytes_ = 0;
  waiting_ = false;
  proof_told_ = false;
  collecting_ = false;
  small_.clear();
  writer_.reset();
  next_group_ = 0;
  verified_groups_ = RangeSet();
}

void GetLane::Cut(size_t targets, uint64_t end) {
  BLOBD_CHECK(targets > target_ && targets <= part_.targets.size());
  if (targets < part_.targets.size() || end < cut_end_) is_cut_ = true;
  part_.targets.resize(targets);
  const RangeSet wanted = part_.targets.back().wanted.chunks().Intersection(
      Range{0, std::min(end, RangeSet::kOpenEnd / bao::kGroupChunks) * bao::kGroupChunks});
  // What lies between the last chunk that is wanted and the cut is not waited for.
  cut_end_ = wanted.empty() || end == RangeSet::kOpenEnd
                 ? end
                 : std::min(end, wanted.ranges().back().end / bao::kGroupChunks);
}

bool GetLane::TargetIsDone() const {
  const bool is_last = target_ + 1 == part_.targets.size();
  return decoder_->done() || (is_last && next_group_ >= cut_end_);
}

RangeSet GetLane::MissingGroups() const {
  RangeSet missing;
  for (const Range& range : target().wanted.chunks().ranges()) {
    const uint64_t end =
        range.end == RangeSet::kOpenEnd ? range.end : range.end / bao::kGroupChunks;
    missing.Insert({std::max(range.begin / bao::kGroupChunks, next_group_), end});
  }
  const bool is_last = target_ + 1 == part_.targets.size();
  return is_last ? missing.Intersection(Range{0, cut_end_}) : missing;
}

bool GetLane::NextTarget() {
  if (target_ + 1 == part_.targets.size()) return false;
  ++target_;
  BeginTarget();
  return true;
}

GetPart GetLane::Tail() const {
  const auto behind = part_.targets.begin() + static_cast<ptrdiff_t>(target_) + 1;
  return {{behind, part_.targets.end()}};
}

void GetLane::Add(Bytes bytes) {
  if (bytes.empty()) return;
  received_ = true;
  // Small pieces that wait behind another are joined, so that a trickle costs no more than its
  // bytes.
  if (input_.size() > 1 && input_.back().size() < kSmallPiece) {
    input_.back().insert(input_.back().end(), bytes.begin(), bytes.end());
  } else {
    input_.push_back(std::move(bytes));
  }
}

GetLane::Step GetLane::Advance() {
  BLOBD_CHECK(!waiting_);
  if (TargetIsDone()) return Step::kAnswered;
  if (input_.empty()) return Step::kStarved;
  // The header goes in alone: the size decides where the content goes.
  const bool in_header = !sized();
  const ByteView bytes = ByteView(input_.front()).subspan(input_used_);
  feeding_ = in_header
                 ? bytes.first(std::min<size_t>(bytes.size(), bao::kSizeHeaderSize - header_bytes_))
                 : bytes;
  const size_t used = decoder_->Feed(feeding_, *this);
  if (in_header) header_bytes_ += used;
  FlushWrites();
  if (writer_ != nullptr) {
    // Before the last group can be read its size must be known.
    if (decoder_->size_proven()) {
      writer_->ProveSize(claimed_size());
      if (write_status_.ok()) write_status_ = writer_->Admit(claimed_size());
    }
    writer_->Publish();
  }
  input_used_ += used;
  if (input_used_ == input_.front().size()) {
    consumed_ += input_.front().size();
    input_.pop_front();
    input_used_ = 0;
  }
  if (!write_status_.ok() || error() != bao::DecodeError::kNone) return Step::kFailed;
  return in_header && sized() ? Step::kSized : Step::kDecoded;
}

void GetLane::OnSize(uint64_t /*claimed*/) { waiting_ = true; }

void GetLane::OnLeaf(const bao::Leaf& leaf) {
  fruitful_ = true;
  if (leaf.whole_group) {
    verified_ += leaf.data.size();
    next_group_ = leaf.offset / store::kGroupSize + 1;
    if (writer_ != nullptr) verified_groups_.Insert({next_group_ - 1, next_group_});
  }
  if (collecting_) {
    small_.insert(small_.end(), leaf.data.begin(), leaf.data.end());
    return;
  }
  if (writer_ == nullptr) return;
  for (const bao::PathPair& pair : leaf.pairs) pairs_.push_back({pair.index, pair.hashes});
  if (!leaf.whole_group) return;  // the proof of a size; its group comes with its own request
  groups_.push_back({leaf.offset / store::kGroupSize, leaf.data});
  // Data outside of what is being fed lies in the decoder's buffer and does not outlive this call.
  const bool lasting = leaf.data.data() >= feeding_.data() &&
                       leaf.data.data() + leaf.data.size() <= feeding_.data() + feeding_.size();
  if (!lasting) FlushWrites();
}

void GetLane::FlushWrites() {
  if (groups_.empty() && pairs_.empty()) return;
  if (write_status_.ok()) write_status_ = writer_->Write(groups_, pairs_);
  groups_.clear();
  pairs_.clear();
}

void GetLane::Collect() {
  BLOBD_CHECK(waiting_);
  waiting_ = false;
  collecting_ = true;
}

void GetLane::WriteTo(std::shared_ptr<store::BlobWriter> writer) {
  BLOBD_CHECK(waiting_);
  waiting_ = false;
  writer_ = std::move(writer);
  if (writer_ == nullptr) return;
  // The empty blob, of which no byte follows.
  if (decoder_->size_proven()) writer_->ProveSize(claimed_size());
  // Its last chunk may be another's to get: then nobody asks for room later.
  if (target().size_proven) {
    writer_->ProveSize(claimed_size());
    write_status_ = writer_->Admit(claimed_size());
  }
}

bool GetLane::TakeProof() { return decoder_->size_proven() && !std::exchange(proof_told_, true); }

uint64_t GetLane::undecoded() const {
  uint64_t bytes = 0;
  for (const Bytes& piece : input_) bytes += piece.size();
  return bytes - input_used_;
}

// The first piece is told as consumed when all of it is used.
uint64_t GetLane::Discard() {
  const uint64_t bytes = TakeConsumed() + input_used_ + undecoded();
  input_.clear();
  input_used_ = 0;
  return bytes;
}

}  // namespace blobd::transfer
