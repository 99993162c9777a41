#include "store/disk_reader.h"

#include <algorithm>

#include "bao/tree.h"
#include "base/error_reason.h"
#include "store/store_db.h"

namespace blobd::store {
namespace {

// Whether all of [offset, offset + size) is verified.
Status CheckVerified(const BlobInfo& info, uint64_t offset, uint64_t size) {
  const uint64_t end = offset + size;
  const bool overflows = end < offset;
  // Without a proven size the last group is not verified, so every verified one is whole.
  const bool is_past_end = info.size_proven && end > info.size;
  if (overflows || is_past_end)
    return ErrorFor(Reason::kPastEnd, "{} bytes at {} are past the end", size, offset);
  const Range groups{offset / kGroupSize, end / kGroupSize + (end % kGroupSize == 0 ? 0 : 1)};
  if (!info.groups.ContainsAll(groups))
    return WithReason(Reason::kBlobIncomplete,
                      OutOfRange("{} bytes at {} are not all verified", size, offset));
  return OkStatus();
}

}  // namespace

Status FileReader::ReadAt(uint64_t offset, MutableBytes out) {
  BLOBD_RETURN_IF_ERROR(CheckVerified(info_, offset, out.size()));
  BLOBD_ASSIGN_OR_RETURN(const size_t count, files_->data->ReadAt(offset, out));
  if (count != out.size())
    return ErrorFor(Reason::kBlobDamaged, "the file of blob {} is too short", info_.hash.Short());
  return OkStatus();
}

Status MemoryReader::ReadAt(uint64_t offset, MutableBytes out) {
  BLOBD_RETURN_IF_ERROR(CheckVerified(info_, offset, out.size()));
  std::copy_n(content_.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
  return OkStatus();
}

Status FileReader::ReadPair(uint64_t index, std::array<uint8_t, 64>* out) {
  const uint64_t outboard_size = bao::OutboardSize(info_.size_proven ? info_.size : kMaxStoredSize);
  if (index >= outboard_size / bao::kPairSize) return OutOfRange("there is no pair {}", index);
  if (files_->outboard == nullptr)
    return ErrorFor(Reason::kBlobDamaged, "the outboard of blob {} is missing", info_.hash.Short());
  BLOBD_ASSIGN_OR_RETURN(const size_t count,
                         files_->outboard->ReadAt(index * bao::kPairSize, *out));
  if (count == out->size()) return OkStatus();
  if (info_.state == BlobState::kComplete)
    return ErrorFor(Reason::kBlobDamaged, "the outboard of blob {} is too short",
                    info_.hash.Short());
  if (!info_.size_proven) return OutOfRange("there is no pair {} yet", index);
  // As in a hole further up in the file: nothing was written beneath it, or it does not fit.
  std::fill(out->begin() + static_cast<ptrdiff_t>(count), out->end(), uint8_t{0});
  return OkStatus();
}

Status MemoryReader::ReadPair(uint64_t index, std::array<uint8_t, 64>* /*out*/) {
  return OutOfRange("there is no pair {}", index);
}

}  // namespace blobd::store
