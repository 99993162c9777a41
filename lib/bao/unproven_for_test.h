// A blob by its values alone, and mirrors of it that are honest or lie, for tests and fuzzing of
// Unproven.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "bao/fold.h"
#include "bao/outboard.h"
#include "bao/tree.h"
#include "base/bytes.h"
#include "base/hash.h"

namespace blobd::bao {

// Content that is quickly made: only its values matter.
struct ValuedBlob {
  explicit ValuedBlob(uint64_t blob_size) : size(blob_size) {
    Bytes content(static_cast<size_t>(size));
    for (size_t i = 0; i < content.size(); i += 1000) content[i] = static_cast<uint8_t>(i / 1000);
    OutboardBuilder builder;
    builder.Append(content);
    hash = builder.Finish(&outboard).root;
    for (uint64_t at = 0; at < size || at == 0; at += kGroupSize) {
      const auto length = static_cast<size_t>(std::min<uint64_t>(kGroupSize, size - at));
      values.push_back(
          blake3::SubtreeValue(ByteView(content).subspan(static_cast<size_t>(at), length),
                               at / kChunkSize, size <= kGroupSize));
    }
  }
  ByteView PairOf(const Subtree& subtree) const {
    return ByteView(outboard).subspan(static_cast<size_t>(subtree.pair_index) * kPairSize,
                                      kPairSize);
  }

  uint64_t size;
  Hash hash;
  Bytes outboard;
  std::vector<ChainingValue> values;  // of the groups
};

// What a source that is wrong in this group says of it: another value for each source.
inline ChainingValue WrongValue(const ChainingValue& right, uint32_t source) {
  ChainingValue wrong = right;
  wrong[31] = static_cast<uint8_t>(wrong[31] + 1 + source);
  return wrong;
}

}  // namespace blobd::bao
