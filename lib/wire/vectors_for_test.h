// The captured exchanges in protocol/vectors, for the tests of this room and of those above it.
// They throw when a file is missing: a test that cannot find its vectors has failed.
//
// For tests only. Needs nlohmann_json.
#pragma once

#include <cstdint>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/range_set.h"
#include "base/vectors_for_test.h"
#include "wire/chunk_ranges.h"
#include "wire/range_spec.h"

namespace blobd::wire::vectors {

// The bytes of the file `name`, as the index gives it ("responses/whole-1.bin").
inline Bytes ReadFile(const std::string& name) {
  const std::string path = VectorsFolder() + "/" + name;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  return Bytes(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

inline nlohmann::json LoadJson(const std::string& name) {
  const Bytes bytes = ReadFile(name);
  return nlohmann::json::parse(bytes.begin(), bytes.end());
}

// protocol/blobs.md, section 9, says what is in it. Read once and kept, so that loops may run over
// parts of it.
inline const nlohmann::json& LoadIndex() {
  static const nlohmann::json index = LoadJson("index.json");
  return index;
}

// The content of the blob with this seed, by the index's formula.
inline Bytes BlobContent(uint32_t seed, size_t size) {
  Bytes content(size);
  for (size_t i = 0; i < size; ++i) {
    const uint32_t value = static_cast<uint32_t>(i) * 2654435761u + seed * 40503u;
    content[i] = static_cast<uint8_t>(value >> 24);
  }
  return content;
}

inline Bytes FromHexOrThrow(const std::string& hex) {
  auto bytes = FromHex(hex);
  if (!bytes) throw std::runtime_error("no hex: " + hex);
  return *std::move(bytes);
}
inline Hash HashOf(const nlohmann::json& hex) {
  return Hash::FromBytes(FromHexOrThrow(hex.get<std::string>())).value();
}

// A chunk number: a number, or text if it would not survive as a JSON number.
inline uint64_t ChunkNumber(const nlohmann::json& value) {
  return value.is_string() ? std::stoull(value.get<std::string>()) : value.get<uint64_t>();
}

// "ranges": [[start, end], ...] in chunks, the last end null if there is none.
inline ChunkRanges RangesOf(const nlohmann::json& ranges) {
  RangeSet chunks;
  bool last_chunk = false;
  for (const auto& range : ranges) {
    const uint64_t begin = ChunkNumber(range[0]);
    chunks.Insert({begin, range[1].is_null() ? RangeSet::kOpenEnd : ChunkNumber(range[1])});
    last_chunk |= begin == RangeSet::kOpenEnd;
  }
  return ChunkRanges(chunks, last_chunk);
}

// A list of those, one per blob.
inline RangeSpecSeq RangeSpecSeqOf(const nlohmann::json& ranges_per_blob, bool last_repeats) {
  std::vector<ChunkRanges> blobs;
  for (const auto& ranges : ranges_per_blob) blobs.push_back(RangesOf(ranges));
  return RangeSpecSeq::OfBlobs(blobs, last_repeats);
}

}  // namespace blobd::wire::vectors
