// ServeSelection: what a request asks for, blob after blob in the order of the answer
// (protocol/blobs.md, sections 3 and 8).
//
// Value type; pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/hash.h"
#include "wire/request.h"

namespace blobd::transfer {

class ServeSelection {
 public:
  explicit ServeSelection(wire::GetRequest request);
  explicit ServeSelection(wire::GetManyRequest request);

  // Where the hash of the blob is found.
  struct Named {
    Hash hash;
  };
  struct Child {
    Hash root;
    uint64_t number = 0;  // which hash of the root, from 0
  };
  using Place = std::variant<Named, Child>;

  // The blob it stands at; nullopt at the end of what was asked, which for a Get of children is
  // never, or of what was listed.
  std::optional<Place> place() const;
  // REQUIRES: not at the end
  const wire::ChunkRanges& wanted() const { return ranges_.At(*index_); }
  void Advance();
  // It stands at the root of what the request takes for a hash sequence.
  bool at_root_of_sequence() const { return wants_children_ && index_ == 0; }

 private:
  wire::RangeSpecSeq ranges_;
  bool is_hash_seq_ = false;     // of a Get: blobs behind the first are children of it
  bool wants_children_ = false;  // and some are asked for
  std::vector<Hash> hashes_;     // the root, or the list
  std::optional<uint64_t> index_;
};

// About how many bytes a decoded request takes in memory. Up to some 25 times those on the wire,
// which is why it is counted.
size_t MemoryOf(const wire::Request& request);

}  // namespace blobd::transfer
