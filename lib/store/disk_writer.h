// DiskWriter: BlobWriter onto files, or into a row when the blob turns out small.
//
// Thread: one at a time, on a worker's strand: Write and, rarely, Publish and Finish wait for the
//         disk.
#pragma once

#include <memory>
#include <optional>

#include "store/index.h"

namespace blobd::store {

class DiskWriter final : public BlobWriter {
 public:
  // `files` are those that are open already, or null. On the index strand.
  DiskWriter(std::shared_ptr<Index> index, std::shared_ptr<LiveBlob> live, SharedFiles files);
  ~DiskWriter() override;
  DiskWriter(const DiskWriter&) = delete;
  DiskWriter& operator=(const DiskWriter&) = delete;

  Status Write(std::span<const VerifiedGroup> groups, std::span<const OutboardPair> pairs) override;
  void ClaimSize(uint64_t size) override;
  void ProveSize(uint64_t size) override;
  Status Admit(uint64_t proven_size) override;
  void Publish() override;
  StatusOr<RangeSet> WriteUnproven(uint64_t offset, ByteView bytes) override;
  StatusOr<size_t> ReadUnproven(uint64_t offset, MutableBytes out) override;
  void TakeAsVerified(const RangeSet& groups) override;
  void Finish(Executor& answer_on, UniqueFunction<void(Status)> done) override;

 private:
  Status WriteNow(std::span<const VerifiedGroup> groups, std::span<const OutboardPair> pairs);
  Status CheckBelieved() const;
  Status NeedFiles();
  void WriteBack(const RangeSet& groups);
  Status TryPublish();

  const std::shared_ptr<Index> index_;
  const std::shared_ptr<LiveBlob> live_;  // only what any thread may touch is ours
  const uint64_t generation_;
  const uint64_t withdrawals_;
  uint64_t held_bytes_;  // of the blob, as far as this writer knows
  SharedFiles files_;
  RangeSet written_;                  // since the last Publish
  RangeSet to_write_back_;            // written, and left to the kernel so far
  uint64_t unproven_since_sync_ = 0;  // bytes
  std::optional<Bytes>
      held_;  // the first group, while it may be all of a small blob: files are not made for those
  std::optional<uint64_t> claimed_size_;
  std::optional<uint64_t> proven_size_;
};

}  // namespace blobd::store
