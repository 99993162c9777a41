// SidecarReader: reads an outboard that lies beside a file (`URL` + ".obao4"; protocol/formats.md,
// section 8) and gives on its pairs, each checked against the blob's hash through the pairs above
// it. The server that has it may be the one that lies about the file; what fits the hash is true
// all the same.
//
// The size decides which pair stands where, and is a claim until somebody proves it. Pairs that
// were given on are true ones of the blob, but stand where this says only if the size is right.
//
// Thread: one owner.
// Memory: a stack of at most one waiting subtree per level of the tree, and part of a pair.
// Errors: the first pair that does not fit ends it; what was given on before stays true.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "bao/tree.h"
#include "base/bytes.h"
#include "base/hash.h"

namespace blobd::bao {

class PairSink {
 public:
  virtual ~PairSink() = default;
  // In pre-order: parents before children. `pair` is 64 bytes, borrowed for the call.
  virtual void OnPair(const Subtree& subtree, ByteView pair) = 0;
};

class SidecarReader {
 public:
  // REQUIRES: size <= kMaxBlobSize
  SidecarReader(const Hash& root, uint64_t size);

  // Takes bytes in pieces of any size. False when a pair does not fit, or more comes than an
  // outboard of this size has: nothing after it is to be used.
  bool Feed(ByteView bytes, PairSink& sink);
  // All of it has come and fits.
  bool done() const { return !failed_ && stack_.empty(); }
  bool failed() const { return failed_; }

 private:
  struct Waiting {
    Subtree subtree;
    ChainingValue expected{};
    bool is_root = false;
  };

  bool TakePair(ByteView pair, PairSink& sink);

  std::vector<Waiting> stack_;  // the top is whose pair comes next
  std::array<uint8_t, kPairSize> part_{};
  size_t part_size_ = 0;
  bool failed_ = false;
};

}  // namespace blobd::bao
