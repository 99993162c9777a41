// OutboardBuilder: hashes content that arrives in pieces, and makes its outboard: the pairs of all
// subtrees larger than a chunk group, in pre-order, 64 bytes each (protocol/formats.md, section 8).
//
// Where a pair stands depends on the size of the whole blob. If that is not known ahead, only the
// value of each group is kept while content comes in, and Finish hashes the (1/256 as large) upper
// tree. With Expect the pairs are given out as content comes, those of a part (64 MiB) at a time,
// and those above all parts in Finish. Content of which only the hash is wanted is better hashed by
// blake3::Hasher, which keeps nothing.
//
// Thread: one owner.
// Memory: 32 bytes per group, that is 2 MiB per GiB of content; with Expect 128 KiB and 512 bytes
//         per GiB. While pairs are given out half a MiB besides, and in Finish 1 MiB per TiB. The
//         outboard itself (4 MiB per GiB) is given out in pieces of at most kMaxOutboardPiece
//         bytes, never held whole.
// Errors: none.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "bao/tree.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/task.h"

namespace blobd::bao {

inline constexpr size_t kMaxOutboardPiece = 256 * 1024;

class OutboardBuilder {
 public:
  // Takes a piece of the outboard, which stands at `offset` there. Each byte comes once; without
  // Expect they come in order.
  using Emit = UniqueFunction<void(uint64_t offset, ByteView piece)>;
  struct Result {
    Hash root;
    uint64_t size = 0;
  };

  // There will be `size` bytes: `emit` is called by Append, too, and by Finish().
  // REQUIRES: nothing was appended
  void Expect(uint64_t size, Emit emit);

  // Adds content. Fastest in pieces of whole groups, 16 or more.
  // REQUIRES: at most kMaxBlobSize in all, or what is expected
  void Append(ByteView content);
  uint64_t size() const { return size_; }

  // Gives out what is left of OutboardSize(size()) bytes. REQUIRES: called once, and nothing is
  // appended afterwards. Without arguments: all that was expected has come.
  Result Finish();
  Result Finish(Emit emit);
  // All of the outboard is added to `outboard`.
  Result Finish(Bytes* outboard);

 private:
  using Values = std::vector<ChainingValue>;

  void AddGroups(ByteView whole_groups);
  Values& BlockWithRoom();
  void GiveOut(const Values& block);  // the next one
  Hash GiveOutRest(Emit& emit);

  uint64_t size_ = 0;
  std::optional<uint64_t> expected_;
  Emit emit_;
  Bytes part_;  // of a group that has begun; less than a group
  // The values of all groups that have ended and were not given out, in blocks of kBlockGroups, the
  // last of which may be shorter. In blocks, because a growing vector would hold everything twice.
  std::vector<Values> blocks_;
  // Those of the subtrees over the blocks that were given out, which are all before blocks_.
  Values tops_;
  // The hash of the blob if it is no longer than its first group.
  ChainingValue first_group_as_root_{};
};

}  // namespace blobd::bao
