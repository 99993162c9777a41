#include "blake3/chaining_value.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

extern "C" {
#include <blake3_impl.h>
}

namespace blobd::blake3 {
namespace {

constexpr size_t kBlocksPerChunk = kChunkSize / BLAKE3_BLOCK_LEN;
// Inputs of one call of blake3_hash_many: more than any SIMD degree, so that the lanes stay full,
// and little enough that the values of one level stay in the first-level cache.
constexpr size_t kBatchGroups = 16;
constexpr size_t kBatch = kBatchGroups * kGroupChunks;

// The C code looks up the CPU's features at its first call and keeps them without a lock. Making
// that call while the program is loaded, before there are threads, keeps later calls free of a data
// race.
[[maybe_unused]] const size_t kSimdDegree = blake3_simd_degree();

uint8_t Flags(int flags) { return static_cast<uint8_t>(flags); }

// REQUIRES: at most kBatch values
void WholeChunkValues(const uint8_t* data, uint64_t first_chunk, int end_flags,
                      std::span<ChainingValue> out) {
  if (out.empty()) return;
  std::array<const uint8_t*, kBatch> inputs;
  for (size_t i = 0; i < out.size(); ++i) inputs[i] = data + i * kChunkSize;
  blake3_hash_many(inputs.data(), out.size(), kBlocksPerChunk, IV, first_chunk, true, 0,
                   Flags(CHUNK_START), Flags(end_flags), out.front().data());
}

// blake3_hash_many takes whole chunks only; this is for the last chunk of a blob.
ChainingValue ShortChunkValue(ByteView data, uint64_t chunk, int end_flags) {
  std::array<uint32_t, 8> cv;
  std::copy(std::begin(IV), std::end(IV), cv.begin());
  int flags = CHUNK_START;
  while (true) {
    const size_t length = std::min<size_t>(data.size(), BLAKE3_BLOCK_LEN);
    std::array<uint8_t, BLAKE3_BLOCK_LEN> block{};
    std::copy_n(data.begin(), length, block.begin());
    data = data.subspan(length);
    if (data.empty()) flags |= end_flags;
    blake3_compress_in_place(cv.data(), block.data(), static_cast<uint8_t>(length), chunk,
                             Flags(flags));
    if (data.empty()) break;
    flags = 0;
  }
  ChainingValue value;
  store_cv_words(value.data(), cv.data());
  return value;
}

}  // namespace

ChainingValue ParentValue(const ChainingValue& left, const ChainingValue& right, bool is_root) {
  std::array<uint8_t, BLAKE3_BLOCK_LEN> block;
  std::copy(left.begin(), left.end(), block.begin());
  std::copy(right.begin(), right.end(), block.begin() + BLAKE3_OUT_LEN);
  std::array<uint32_t, 8> cv;
  std::copy(std::begin(IV), std::end(IV), cv.begin());
  blake3_compress_in_place(cv.data(), block.data(), BLAKE3_BLOCK_LEN, 0,
                           Flags(is_root ? PARENT | ROOT : PARENT));
  ChainingValue value;
  store_cv_words(value.data(), cv.data());
  return value;
}

void ParentValues(std::span<const ChainingValue> children, std::span<ChainingValue> out) {
  BLOBD_CHECK(out.size() == (children.size() + 1) / 2);
  // Two children lie beside each other as the 64 bytes of their parent's block.
  static_assert(sizeof(ChainingValue) == BLAKE3_OUT_LEN);
  const size_t parents = children.size() / 2;
  std::array<const uint8_t*, kBatch> inputs;
  // The results go through `values`, because `out` may be the memory that is being read.
  std::array<ChainingValue, kBatch> values;
  for (size_t done = 0; done < parents;) {
    const size_t count = std::min(parents - done, kBatch);
    for (size_t i = 0; i < count; ++i) inputs[i] = children[2 * (done + i)].data();
    blake3_hash_many(inputs.data(), count, 1, IV, 0, false, Flags(PARENT), 0, 0,
                     values.front().data());
    std::copy_n(values.begin(), count, out.begin() + static_cast<ptrdiff_t>(done));
    done += count;
  }
  if (children.size() % 2 != 0) out.back() = children.back();
}

ChainingValue SubtreeValue(ByteView data, uint64_t first_chunk, bool is_root) {
  BLOBD_CHECK(data.size() <= kGroupSize && (is_root || !data.empty()));
  std::array<ChainingValue, kGroupChunks> values;
  const size_t whole = data.size() / kChunkSize;
  const size_t chunks = std::max<size_t>(1, (data.size() + kChunkSize - 1) / kChunkSize);
  const int end_flags = is_root && chunks == 1 ? CHUNK_END | ROOT : CHUNK_END;
  WholeChunkValues(data.data(), first_chunk, end_flags, std::span(values).first(whole));
  if (whole < chunks) {
    values[whole] =
        ShortChunkValue(data.subspan(whole * kChunkSize), first_chunk + whole, end_flags);
  }
  size_t width = chunks;
  while (width > 2) {
    const size_t parents = (width + 1) / 2;
    ParentValues(std::span(values).first(width), std::span(values).first(parents));
    width = parents;
  }
  return width == 2 ? ParentValue(values[0], values[1], is_root) : values[0];
}

void GroupValues(ByteView data, uint64_t first_group, std::span<ChainingValue> out) {
  BLOBD_CHECK(data.size() % kGroupSize == 0 && data.size() / kGroupSize == out.size());
  std::array<ChainingValue, kBatch> values;
  while (!out.empty()) {
    const size_t groups = std::min(out.size(), kBatchGroups);
    size_t width = groups * kGroupChunks;
    WholeChunkValues(data.data(), first_group * kGroupChunks, CHUNK_END,
                     std::span(values).first(width));
    for (; width > groups; width /= 2) {
      ParentValues(std::span(values).first(width), std::span(values).first(width / 2));
    }
    std::copy_n(values.begin(), groups, out.begin());
    data = data.subspan(groups * kGroupSize);
    first_group += groups;
    out = out.subspan(groups);
  }
}

}  // namespace blobd::blake3
