// Chaining values: what BLAKE3 says of a part of a blob. The value of a chunk covers its 1024 bytes
// and its number in the blob, so equal bytes at another place have another value; the value of a
// parent covers the values of its two children. With the flag ROOT, set on the top of the tree
// only, the value is the blob's hash. (protocol/blobs.md, section 6; the BLAKE3 paper, section 2.)
//
// Thread: any; pure functions.
// Units:  data in bytes; chunks of 1024 bytes and groups of 16, counted from the blob's start.
// Errors: none. What a caller must keep is checked.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace blobd::blake3 {

inline constexpr size_t kChunkSize = 1024;
inline constexpr size_t kGroupChunks = 16;
inline constexpr size_t kGroupSize = kGroupChunks * kChunkSize;

using ChainingValue = std::array<uint8_t, 32>;

// The value of the subtree over `data`, of which the first byte is the first of chunk
// `first_chunk`. The last chunk may be short, and then is the last of the blob. `is_root`: `data`
// is the whole blob, which alone may be empty.
// REQUIRES: data.size() <= kGroupSize
ChainingValue SubtreeValue(ByteView data, uint64_t first_chunk, bool is_root);

ChainingValue ParentValue(const ChainingValue& left, const ChainingValue& right, bool is_root);

// The values of adjacent whole groups, none of which is the whole blob. Faster than one at a time.
// REQUIRES: data.size() == out.size() * kGroupSize
void GroupValues(ByteView data, uint64_t first_group, std::span<ChainingValue> out);

// The next level of a tree: out[i] is the value of the parent of children[2i] and children[2i+1];
// an odd last child is its own parent, which gives the tree its shape (the left part of any subtree
// is the largest power of two). No parent is the root. `out` may be the same memory as `children`.
// REQUIRES: out.size() == (children.size() + 1) / 2
void ParentValues(std::span<const ChainingValue> children, std::span<ChainingValue> out);

}  // namespace blobd::blake3
