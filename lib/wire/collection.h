// Hash sequences and collections (protocol/formats.md, sections 3 and 4). A hash sequence is a blob
// of 32-byte hashes. A collection is one whose first hash names the metadata: the names of all the
// others, in order.
//
// Values; any thread. The bytes are expected to be verified already; here only their form is read.
// Errors: kInvalidArgument: malformed. kResourceExhausted: more than kMaxCollectionFiles or
// kMaxMetadataSize.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/status.h"

namespace blobd::wire {

inline constexpr std::string_view kCollectionMagic = "CollectionV0.";

// The bounds on what is taken apart in memory: a root of 32 MiB, and names of 32 characters for as
// many files.
inline constexpr size_t kMaxCollectionFiles = 1024 * 1024;
inline constexpr size_t kMaxMetadataSize = 32 * 1024 * 1024;

// The hashes of a hash sequence, which may be none. Its length must be a multiple of 32.
StatusOr<std::vector<Hash>> DecodeHashSeq(ByteView bytes);
Bytes EncodeHashSeq(std::span<const Hash> hashes);

// The names in a metadata blob. They are UTF-8 and otherwise anything: see base/file_names.h.
StatusOr<std::vector<std::string>> DecodeCollectionNames(ByteView metadata);
Bytes EncodeCollectionNames(std::span<const std::string> names);

struct CollectionFile {
  std::string name;
  Hash hash;
  bool operator==(const CollectionFile&) const = default;
};

struct Collection {
  Hash metadata;  // the hash of the metadata blob
  std::vector<CollectionFile> files;
  bool operator==(const Collection&) const = default;
};

// Joins both blobs of a collection; there must be one name for each hash behind the first.
StatusOr<Collection> DecodeCollection(ByteView root, ByteView metadata);
// The root blob.
Bytes EncodeCollectionRoot(const Collection& collection);

}  // namespace blobd::wire
