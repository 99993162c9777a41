// What an earlier life of the process left of the blob. See mirror_blob.h.
#include <algorithm>
#include <utility>

#include "bao/tree.h"
#include "base/units.h"
#include "blake3/chaining_value.h"
#include "store/file_system.h"
#include "transfer/mirror_blob.h"

namespace blobd::transfer {
namespace {

using store::kGroupSize;

// A smaller blob is got again as quickly.
constexpr uint64_t kLeastLogged = kMiB;
constexpr uint64_t kGroupsAtOnce = 64;

}  // namespace

class MirrorBlob::Restored final : public bao::CvLogSink {
 public:
  explicit Restored(MirrorBlob& blob) : blob_(blob) {}
  void OnSize(uint64_t size) override { blob_.RestoreSize(size); }
  void OnSource(uint32_t source, std::string_view url) override {
    blob_.sources_[source].url = url;
  }
  void OnGroups(uint32_t source, uint64_t first,
                std::span<const bao::ChainingValue> values) override {
    blob_.RestoreGroups(source, first, values);
  }
  void OnDiscard(Range) override {}

 private:
  MirrorBlob& blob_;
};

void MirrorBlob::BeginLog() {
  log_.reset();
  if (logs_ == nullptr || *size_ < kLeastLogged) return;
  auto file = logs_->OpenUnprovenLog(hash_, true);
  if (!file.ok()) return;
  log_ = std::make_unique<MirrorLog>(*std::move(file), hash_);
  log_->Begin(*size_);
}

// In slices, so that others have their turn at the workers.
void MirrorBlob::Restore() {
  if (log_ == nullptr && logs_ != nullptr && phase_ == Phase::kOpen) {
    auto file = logs_->OpenUnprovenLog(hash_, false);
    if (file.ok()) log_ = std::make_unique<MirrorLog>(*std::move(file), hash_);
  }
  Restored sink(*this);
  if (log_ != nullptr && log_->Restore(sink)) {
    return strand_->Post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->Restore();
    });
  }
  is_restoring_ = false;
  // There is none, or it is of another size.
  const bool is_its = size_ && restored_size_ == size_;
  if (!is_its) log_.reset();
  if (!is_its && size_ && phase_ == Phase::kOpen) BeginLog();
  const Status applied = Apply();
  // What an earlier life brought.
  for (const auto& [id, source] : sources_) (void)TakeVerifiedBytesFrom(id);
  Opened(applied);
}

void MirrorBlob::RestoreSize(uint64_t size) {
  if (size > max_size_ || (size_proven_ && size != *size_)) return;
  if (!size_) {
    MakeUnproven(size);
    LearnNext();
  }
  if (*size_ == size) restored_size_ = size;
}

// Only what still lies there as the record says. It is written once more: a sync may have failed in
// the life that wrote it, and then the kernel shows what it will not write by itself (recovery.h).
void MirrorBlob::RestoreGroups(bao::SourceId source, uint64_t first,
                               std::span<const bao::ChainingValue> values) {
  Bytes bytes(kGroupsAtOnce * kGroupSize);
  for (uint64_t at = 0; at < values.size(); at += kGroupsAtOnce) {
    if (unproven_ == nullptr || restored_size_ != size_ || phase_ != Phase::kOpen) return;
    const uint64_t count = std::min<uint64_t>(kGroupsAtOnce, values.size() - at);
    const uint64_t begin = (first + at) * kGroupSize;
    const uint64_t end = std::min(begin + count * kGroupSize, *size_);
    const MutableBytes part = MutableBytes(bytes).first(end - begin);
    const StatusOr<size_t> read = writer_->ReadUnproven(begin, part);
    const ByteView there = ByteView(part).first(read.ok() ? *read : 0);
    const RangeSet fitting = Fitting(source, first + at, there, values.subspan(at, count));
    for (const Range& run : fitting.ranges()) {
      const uint64_t from = run.begin * kGroupSize - begin;
      const ByteView groups =
          there.subspan(from, std::min(run.size() * kGroupSize, there.size() - from));
      const auto those = values.subspan(run.begin - first, run.size());
      if (!WriteValued(source, run.begin, groups, those).ok()) return;
    }
  }
}

// Those of the groups in `bytes`, the first of which is `first`, that have these values.
RangeSet MirrorBlob::Fitting(bao::SourceId source, uint64_t first, ByteView bytes,
                             std::span<const bao::ChainingValue> values) const {
  RangeSet fitting;
  for (uint64_t i = 0; i < values.size(); ++i) {
    const uint64_t number = first + i;
    const uint64_t size = std::min(kGroupSize, *size_ - number * kGroupSize);
    if (i * kGroupSize + size > bytes.size() || !unproven_->Takes(source, number)) continue;
    const ByteView group = bytes.subspan(i * kGroupSize, size);
    if (blake3::SubtreeValue(group, number * bao::kGroupChunks, false) != values[i]) continue;
    fitting.Insert({number, number + 1});
  }
  return fitting;
}

}  // namespace blobd::transfer
