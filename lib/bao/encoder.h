// Encoder: the provider's side of a Decoder. It produces the one right answer to a selection of
// chunks of one blob (protocol/blobs.md, sections 4 to 6), and verifies every pair and leaf against
// the root before it lets it out, so that a damaged disk never makes us send what a requester would
// ban us for.
//
// Thread: one owner; it blocks where the source blocks.
// Memory: one chunk group, and a stack of one subtree per level.
// Units:  offsets and sizes in bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "bao/tree_walk.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/status.h"
#include "wire/chunk_ranges.h"

namespace blobd::bao {

// Where data and outboard of the blob are. A source that holds only a part of the blob answers
// kNotFound for the rest, and for pairs with nothing held beneath them.
class BlobSource {
 public:
  virtual ~BlobSource() = default;
  // Fills `out` from `offset`; never asked to read past the size or across the border of a group.
  virtual Status ReadData(uint64_t offset, MutableBytes out) = 0;
  // Pair `index` of the outboard.
  virtual Status ReadPair(uint64_t index, std::array<uint8_t, 64>* out) = 0;
};

class Encoder {
 public:
  // An empty selection has an empty answer, without a size header.
  // REQUIRES: size <= kMaxBlobSize. `source` outlives the encoder.
  Encoder(const Hash& root, uint64_t size, const wire::ChunkRanges& wanted, BlobSource& source);

  // Writes the next bytes of the answer to `out` and returns how many: as many as fit, fewer only
  // at the end of what can be sent; 0 when the answer is complete. All bytes before something that
  // cannot be sent come out first; then it is kDataLoss if what the source gave does not fit the
  // root, else the source's own status (kNotFound: not held here), and remains so.
  // REQUIRES: out is not empty
  StatusOr<size_t> Fill(MutableBytes out);

  bool done() const { return header_sent_ && !walk_ && pending().empty(); }

 private:
  ByteView pending() const { return ByteView(pending_).subspan(pending_sent_); }
  size_t ItemLength() const;
  Status MakeItem(MutableBytes out);
  Status MakePair(MutableBytes out);
  Status MakeLeaf(MutableBytes out);
  Status LoadGroup(uint64_t group);
  ByteView GroupData(const Subtree& subtree) const;

  BlobSource& source_;
  std::optional<TreeWalk> walk_;  // nullopt when everything has been made
  bool header_sent_ = false;
  Status status_;  // the first failure
  Bytes pending_;  // an item that did not fit into `out` whole
  size_t pending_sent_ = 0;
  // The group of which only a part is wanted: its inner pairs are made from its data.
  std::optional<uint64_t> group_;
  Bytes group_data_;
};

}  // namespace blobd::bao
