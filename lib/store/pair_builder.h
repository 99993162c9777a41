// The pairs of an outboard, computed anew from the data: what makes an outboard right again that
// rotted or went while the data is whole.
//
// Thread: one at a time; blocks on the disk.
// Memory: half a MiB, whatever the blob's size.
// Errors: the disk's.
#pragma once

#include <cstdint>

#include "bao/tree.h"
#include "base/bytes.h"
#include "base/status.h"
#include "store/file_system.h"

namespace blobd::store {

class PairBuilder {
 public:
  // REQUIRES: 0 < size <= kMaxStoredSize; `data` outlives this
  PairBuilder(File& data, uint64_t size);

  // If the data of `subtree` has the value `expected`: writes all its pairs to `outboard` and says
  // true. Otherwise writes nothing. Reads and hashes the data once, and once more to write.
  StatusOr<bool> Mend(const bao::Subtree& subtree, const bao::ChainingValue& expected,
                      File& outboard);

 private:
  // kDataLoss: the file is too short. Writes nothing if `outboard` is null.
  StatusOr<bao::ChainingValue> Value(const bao::Subtree& subtree, File* outboard);
  StatusOr<bao::ChainingValue> BatchValue(const bao::Subtree& subtree, uint64_t first_pair,
                                          MutableBytes pairs);
  StatusOr<ByteView> Read(const bao::Subtree& group);
  bool IsRoot(const bao::Subtree& subtree) const;

  File& data_;
  const uint64_t size_;
  Bytes piece_;  // of the data, from piece_begin_
  uint64_t piece_begin_ = 0;
};

}  // namespace blobd::store
