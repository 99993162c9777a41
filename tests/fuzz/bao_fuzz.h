// What the fuzz programs of the room bao share: blobs of every interesting shape, and selections
// made of fuzzed bytes.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "bao/encoder.h"
#include "bao/outboard.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/rng.h"
#include "wire/chunk_ranges.h"

namespace blobd::bao::fuzz {

struct Blob {
  Bytes data;
  Bytes outboard;
  Hash root;
};

inline const std::vector<Blob>& Blobs() {
  static const std::vector<Blob> blobs = [] {
    std::vector<Blob> result;
    for (size_t size : {0u, 1u, 1023u, 1024u, 1025u, 3000u, 16383u, 16384u, 16385u, 32768u, 40'000u,
                        49'153u, 65'537u, 99'999u}) {
      Blob blob;
      Rng rng(size);
      for (size_t i = 0; i < size; ++i) blob.data.push_back(static_cast<uint8_t>(rng.Next()));
      OutboardBuilder builder;
      builder.Append(blob.data);
      blob.root = builder.Finish(&blob.outboard).root;
      result.push_back(std::move(blob));
    }
    return result;
  }();
  return blobs;
}

class MemorySource : public BlobSource {
 public:
  MemorySource(Bytes data_in, Bytes outboard_in)
      : data(std::move(data_in)), outboard(std::move(outboard_in)) {}

  Status ReadData(uint64_t offset, MutableBytes out) override {
    if (data.size() < out.size() || data.size() - out.size() < offset)
      return NotFound("past the end");
    std::copy_n(data.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
    return OkStatus();
  }
  Status ReadPair(uint64_t index, std::array<uint8_t, 64>* out) override {
    if (outboard.size() / 64 <= index) return NotFound("past the end");
    std::copy_n(outboard.begin() + static_cast<ptrdiff_t>(index * 64), 64, out->begin());
    return OkStatus();
  }

  Bytes data;
  Bytes outboard;
};

inline const Blob& ConsumeBlob(FuzzedDataProvider& input) {
  return Blobs()[input.ConsumeIntegralInRange<size_t>(0, Blobs().size() - 1)];
}

inline wire::ChunkRanges ConsumeSelection(FuzzedDataProvider& input) {
  if (input.ConsumeBool()) return wire::ChunkRanges::All();
  RangeSet chunks;
  const bool last_chunk = input.ConsumeBool();
  for (size_t left = input.ConsumeIntegralInRange<size_t>(0, 5); left > 0; --left) {
    const uint64_t begin = input.ConsumeIntegralInRange<uint64_t>(0, 110);
    const uint64_t length = input.ConsumeIntegralInRange<uint64_t>(1, 40);
    chunks.Insert({begin, length == 40 ? RangeSet::kOpenEnd : begin + length});
  }
  return {std::move(chunks), last_chunk};
}

}  // namespace blobd::bao::fuzz
