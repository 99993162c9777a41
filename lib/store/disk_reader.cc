#include "store/disk_reader.h"

#include <algorithm>

namespace blobd::store {
namespace {

// Whether all of [offset, offset + size) is verified.
Status CheckVerified(const BlobInfo& info, uint64_t offset, uint64_t size) {
  const uint64_t end = offset + size;
  const bool overflows = end < offset;
  // Without a proven size the last group is not verified, so every verified one is whole.
  const bool is_past_end = info.size_proven && end > info.size;
  if (overflows || is_past_end) return OutOfRange("{} bytes at {} are past the end", size, offset);
  const Range groups{offset / kGroupSize, end / kGroupSize + (end % kGroupSize == 0 ? 0 : 1)};
  if (!info.groups.ContainsAll(groups))
    return OutOfRange("{} bytes at {} are not all verified", size, offset);
  return OkStatus();
}

}  // namespace

Status FileReader::ReadAt(uint64_t offset, MutableBytes out) {
  BLOBD_RETURN_IF_ERROR(CheckVerified(info_, offset, out.size()));
  BLOBD_ASSIGN_OR_RETURN(const size_t count, data_->ReadAt(offset, out));
  if (count != out.size()) return DataLoss("the file of blob {} is too short", info_.hash.Short());
  return OkStatus();
}

Status MemoryReader::ReadAt(uint64_t offset, MutableBytes out) {
  BLOBD_RETURN_IF_ERROR(CheckVerified(info_, offset, out.size()));
  std::copy_n(content_.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
  return OkStatus();
}

}  // namespace blobd::store
