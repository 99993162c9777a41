#include "wire/collection.h"

#include <algorithm>
#include <utility>

#include "wire/postcard.h"

namespace blobd::wire {
namespace {

constexpr size_t kHashSize = 32;

StatusOr<std::vector<std::string>> ReadNames(ByteView metadata) {
  if (!AsText(metadata).starts_with(kCollectionMagic)) {
    return InvalidArgument("collection metadata does not begin with {}", kCollectionMagic);
  }
  Reader reader(metadata.subspan(kCollectionMagic.size()));
  BLOBD_ASSIGN_OR_RETURN(const size_t count, reader.Count(1, kMaxMetadataSize));
  if (count > kMaxCollectionFiles) {
    return ResourceExhausted("a collection of {} files; at most {} are read", count,
                             kMaxCollectionFiles);
  }
  std::vector<std::string> names;
  names.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    BLOBD_ASSIGN_OR_RETURN(std::string name, reader.String(kMaxMetadataSize));
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace

StatusOr<std::vector<Hash>> DecodeHashSeq(ByteView bytes) {
  if (bytes.size() % kHashSize != 0) {
    return InvalidArgument("{} bytes are no hash sequence: not a multiple of 32", bytes.size());
  }
  const size_t count = bytes.size() / kHashSize;
  if (count > kMaxCollectionFiles + 1) {
    return ResourceExhausted("a hash sequence of {} hashes; at most {} are read", count,
                             kMaxCollectionFiles + 1);
  }
  std::vector<Hash> hashes;
  hashes.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    hashes.push_back(*Hash::FromBytes(bytes.subspan(i * kHashSize, kHashSize)));
  }
  return hashes;
}

Bytes EncodeHashSeq(std::span<const Hash> hashes) {
  Bytes bytes(hashes.size() * kHashSize);
  auto out = bytes.begin();
  for (const Hash& hash : hashes) out = std::copy(hash.bytes.begin(), hash.bytes.end(), out);
  return bytes;
}

StatusOr<std::vector<std::string>> DecodeCollectionNames(ByteView metadata) {
  if (metadata.size() > kMaxMetadataSize) {
    return ResourceExhausted("collection metadata of {} bytes; at most {} are read",
                             metadata.size(), kMaxMetadataSize);
  }
  auto names = ReadNames(metadata);
  if (!names.ok() && names.status().code() == StatusCode::kOutOfRange) {
    return InvalidArgument("collection metadata: {}", Message(names.status()));
  }
  return names;
}

Bytes EncodeCollectionNames(std::span<const std::string> names) {
  Writer writer;
  writer.Raw(AsBytes(kCollectionMagic));
  writer.Varint(names.size());
  for (const std::string& name : names) writer.String(name);
  return writer.Take();
}

StatusOr<Collection> DecodeCollection(ByteView root, ByteView metadata) {
  BLOBD_ASSIGN_OR_RETURN(const std::vector<Hash> hashes, DecodeHashSeq(root));
  if (hashes.empty()) return InvalidArgument("an empty hash sequence is no collection");
  BLOBD_ASSIGN_OR_RETURN(std::vector<std::string> names, DecodeCollectionNames(metadata));
  if (names.size() != hashes.size() - 1) {
    return InvalidArgument("a collection with {} names for {} files", names.size(),
                           hashes.size() - 1);
  }
  Collection collection;
  collection.metadata = hashes.front();
  collection.files.reserve(names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    collection.files.push_back({std::move(names[i]), hashes[i + 1]});
  }
  return collection;
}

Bytes EncodeCollectionRoot(const Collection& collection) {
  std::vector<Hash> hashes;
  hashes.reserve(collection.files.size() + 1);
  hashes.push_back(collection.metadata);
  for (const CollectionFile& file : collection.files) hashes.push_back(file.hash);
  return EncodeHashSeq(hashes);
}

}  // namespace blobd::wire
