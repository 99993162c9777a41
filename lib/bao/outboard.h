// OutboardBuilder: hashes content that arrives in pieces, and makes its outboard: the pairs of all
// subtrees larger than a chunk group, in pre-order, 64 bytes each (protocol/formats.md, section 8).
//
// Where a pair stands depends on the size of the whole blob, and the first one is known last. So
// while content comes in only the value of each group is kept, and Finish hashes the (1/256 as
// large) upper tree. Content of which only the hash is wanted is better hashed by blake3::Hasher,
// which keeps nothing.
//
// Thread: one owner.
// Memory: 32 bytes per group, that is 2 MiB per GiB of content; in Finish half a MiB besides, and
//         1 MiB per TiB. The outboard itself (4 MiB per GiB) is given out in pieces of at most
//         kMaxOutboardPiece bytes, never held whole.
// Errors: none.
#pragma once

#include <cstdint>
#include <vector>

#include "bao/tree.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/task.h"

namespace blobd::bao {

inline constexpr size_t kMaxOutboardPiece = 256 * 1024;

class OutboardBuilder {
 public:
  // Takes the next piece of the outboard; the pieces follow each other without gaps from its first
  // byte on.
  using Emit = UniqueFunction<void(ByteView piece)>;
  struct Result {
    Hash root;
    uint64_t size = 0;
  };

  // Adds content. Fastest in pieces of whole groups, 16 or more.
  // REQUIRES: at most kMaxBlobSize in all
  void Append(ByteView content);
  uint64_t size() const { return size_; }

  // Gives out OutboardSize(size()) bytes. REQUIRES: called once, and nothing is appended afterwards
  Result Finish(Emit emit);
  // The same, with all of the outboard added to `outboard`.
  Result Finish(Bytes* outboard);

 private:
  void AddGroups(ByteView whole_groups);
  std::vector<ChainingValue>& BlockWithRoom();

  uint64_t size_ = 0;
  Bytes part_;  // of a group that has begun; less than a group
  // The values of all groups that have ended, in blocks of kBlockGroups, the last of which may be
  // shorter. In blocks, because a growing vector would hold everything twice.
  std::vector<std::vector<ChainingValue>> blocks_;
  // The hash of the blob if it is no longer than its first group.
  ChainingValue first_group_as_root_{};
};

}  // namespace blobd::bao
