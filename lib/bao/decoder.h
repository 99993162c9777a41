// Decoder: reads what a provider sends of one blob and gives on only what is proven to belong to it
// (protocol/blobs.md, sections 4 to 6). It takes bytes in pieces of any size.
//
// What is proven, and when:
// - A leaf has verified against the root. Its bytes and its offset are right, whatever size was
//   claimed: the value of a chunk contains its number in the blob.
// - A pair is given on only with the first leaf beneath it, not when its own hash fits. With a
//   wrong size a pair can be a true one of the blob, but stand elsewhere in its outboard than the
//   claimed size says. A leaf that starts at chunk c proves the place of all pairs above it: every
//   left part of a subtree is a power of two, so the turns to the right that lead there are the
//   binary digits of c, the turns to the left are counted by the pairs themselves, and both
//   together give the index.
// - The size is a claim until the leaf with the last chunk has verified: that leaf hangs at the
//   right edge of the tree only if the blob ends there.
//
// Thread: one owner.
// Memory: a stack of one subtree per level, and a piece that ends in the middle of a leaf (at most
//         16 KiB). Nothing is allocated in proportion to a claimed size.
// Units:  offsets and sizes in bytes.
// Errors: the first mismatch ends it; what was given on before stays true.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bao/path_pair.h"
#include "bao/tree_walk.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "wire/chunk_ranges.h"

namespace blobd::bao {

// A verified leaf. Both views are valid during the call that brings it; `data` points into the
// bytes fed if the leaf lies there in one piece, and then is valid as long as they are.
struct Leaf {
  uint64_t offset = 0;
  ByteView data;  // empty only for the empty blob, whose one leaf it is
  // `data` is all of a chunk group, be it the short last one. Otherwise it is the part of a group
  // that was asked for.
  bool whole_group = false;
  // The pairs above groups on the path to this leaf that no earlier leaf brought, root first.
  std::span<const PathPair> pairs;
};

enum class DecodeError {
  kNone,
  kWrongSize,  // cannot be the size of the blob with this hash, or is above the limit
  kWrongPair,
  kWrongLeaf,
};

// Must not call back into the decoder that calls it, nor destroy it.
class DecodeSink {
 public:
  virtual ~DecodeSink() = default;
  // The size the provider claims; once, before anything else.
  virtual void OnSize(uint64_t claimed) = 0;
  // In ascending order of offset; no byte comes twice.
  virtual void OnLeaf(const Leaf& leaf) = 0;
};

class Decoder {
 public:
  // If `wanted` is empty, nothing is expected and the decoder is done at once.
  Decoder(const Hash& root, wire::ChunkRanges wanted, uint64_t max_size);

  // Takes bytes and calls the sink for each leaf they complete. Returns how many were taken: all,
  // unless the blob ended within them or an error was found.
  size_t Feed(ByteView bytes, DecodeSink& sink);

  bool done() const { return done_; }  // everything asked for has come and verified
  DecodeError error() const { return error_; }
  // What the size header said, be it wrong; nullopt until all of it has come.
  std::optional<uint64_t> claimed_size() const { return claimed_size_; }
  bool size_proven() const { return size_proven_; }
  bool started() const { return started_; }  // a byte has been taken

 private:
  size_t ItemLength() const;
  void TakeItem(ByteView item, DecodeSink& sink);
  void TakeHeader(ByteView header, DecodeSink& sink);
  void TakePair(ByteView pair);
  void TakeLeaf(ByteView data, DecodeSink& sink);

  Hash root_;
  wire::ChunkRanges wanted_;
  uint64_t max_size_;
  bool started_ = false;
  bool done_;
  bool size_proven_ = false;
  DecodeError error_ = DecodeError::kNone;
  std::optional<uint64_t> claimed_size_;
  std::optional<TreeWalk> walk_;  // set once the size is known and possible
  Bytes part_;  // the beginning of a header, pair or leaf of which the rest has not come yet
  std::vector<PathPair> pairs_;  // fit their hash and wait for a leaf beneath them
};

}  // namespace blobd::bao
