#include "store/bad_blocks.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/units.h"

namespace blobd::store {
namespace {

constexpr uint64_t kPiece = 256 * kKiB;

// False: some of it is bad. REQUIRES: bytes.size() <= buffer.size()
StatusOr<bool> CanRead(File& file, Range bytes, MutableBytes buffer) {
  const Status read = file.ReadAt(bytes.begin, buffer.first(bytes.size())).status();
  if (read.code() == StatusCode::kDataLoss) return false;
  BLOBD_RETURN_IF_ERROR(read);
  return true;
}

}  // namespace

Status DiscardBadBlocks(File& outboard, Range bytes) {
  if (bytes.empty()) return OkStatus();
  BLOBD_ASSIGN_OR_RETURN(const uint64_t size, outboard.Size());
  const uint64_t end = std::min(bytes.end, size);
  Bytes buffer(kPiece);
  for (uint64_t piece = bytes.begin / kDiskBlock * kDiskBlock; piece < end; piece += kPiece) {
    const uint64_t piece_end = std::min(piece + kPiece, end);
    BLOBD_ASSIGN_OR_RETURN(const bool reads, CanRead(outboard, {piece, piece_end}, buffer));
    if (reads) continue;
    for (uint64_t block = piece; block < piece_end; block += kDiskBlock) {
      const uint64_t block_end = std::min(block + kDiskBlock, piece_end);
      BLOBD_ASSIGN_OR_RETURN(const bool block_reads, CanRead(outboard, {block, block_end}, buffer));
      // What cannot be discarded stays as it is.
      if (!block_reads) (void)outboard.Discard({block, block + kDiskBlock});
    }
  }
  return OkStatus();
}

}  // namespace blobd::store
