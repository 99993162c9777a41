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
  Opened(Apply());
}

void MirrorBlob::RestoreSize(uint64_t size) {
  if (size > max_size_ || (size_proven_ && size != *size_)) return;
  if (!size_) {
    MakeUnproven(size);
    LearnNext();
  }
  if (*size_ == size) restored_size_ = size;
}

// Only what still lies there as the record says.
void MirrorBlob::RestoreGroups(bao::SourceId source, uint64_t first,
                               std::span<const bao::ChainingValue> values) {
  if (unproven_ == nullptr || restored_size_ != size_ || phase_ != Phase::kOpen) return;
  Bytes bytes(kGroupsAtOnce * kGroupSize);
  for (uint64_t at = 0; at < values.size(); at += kGroupsAtOnce) {
    const uint64_t count = std::min<uint64_t>(kGroupsAtOnce, values.size() - at);
    const uint64_t begin = (first + at) * kGroupSize;
    const uint64_t end = std::min(begin + count * kGroupSize, *size_);
    const MutableBytes part = MutableBytes(bytes).first(end - begin);
    const StatusOr<size_t> read = writer_->ReadUnproven(begin, part);
    const uint64_t there = read.ok() ? *read : 0;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t group_end = std::min((i + 1) * kGroupSize, end - begin);
      if (group_end > there || !unproven_->Takes(source, first + at + i)) continue;
      const ByteView group = ByteView(part).subspan(i * kGroupSize, group_end - i * kGroupSize);
      const uint64_t chunk = (first + at + i) * bao::kGroupChunks;
      const bao::ChainingValue& value = values[at + i];
      if (blake3::SubtreeValue(group, chunk, false) != value) continue;
      unproven_->OnGroups(source, first + at + i, {&value, 1}, findings_);
    }
  }
}

void MirrorBlob::Abandon() {
  if (logs_ != nullptr && writer_ != nullptr && !complete()) logs_->ForgetUnproven(hash_);
}

}  // namespace blobd::transfer
