// The tree written down once more, by its definition: recursive, one chunk at a time, without
// sharing a line with the room's own code. And a sink that checks what a Decoder gives on. For
// tests only; blobs of any size that fits memory.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "bao/decoder.h"
#include "bao/encoder.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/range_set.h"
#include "base/rng.h"
#include "blake3/chaining_value.h"
#include "blake3/hasher.h"

namespace blobd::bao {

inline Bytes RandomContent(size_t size, uint64_t seed) {
  Rng rng(seed);
  Bytes content(size);
  for (size_t at = 0; at < size; at += 8) {
    const uint64_t random = rng.Next();
    std::memcpy(content.data() + at, &random, std::min<size_t>(8, size - at));
  }
  return content;
}

class NaiveBlob {
 public:
  explicit NaiveBlob(Bytes content)
      : content_(std::move(content)), hash_(blake3::HashOf(content_)) {
    count_ = std::max<uint64_t>(1, (content_.size() + 1023) / 1024);
    AppendOutboard(0, count_);
  }

  const Bytes& content() const { return content_; }
  const Bytes& outboard() const { return outboard_; }
  const Hash& hash() const { return hash_; }
  uint64_t size() const { return content_.size(); }
  uint64_t chunk_count() const { return count_; }

  // The answer to a request of the chunks in `wanted` ("last" being chunk 2^64-1).
  Bytes Response(const wire::ChunkRanges& wanted) const {
    if (wanted.empty()) return {};
    const std::vector<bool> selected = Selected(wanted);
    Bytes out;
    for (int i = 0; i < 8; ++i) out.push_back(static_cast<uint8_t>(size() >> (8 * i)));
    Encode(0, count_, selected, out);
    return out;
  }

  std::vector<bool> Selected(const wire::ChunkRanges& wanted) const {
    std::vector<bool> selected(count_);
    for (uint64_t i = 0; i < count_; ++i) selected[i] = wanted.chunks().Contains(i);
    for (const Range& range : wanted.chunks().ranges()) {
      if (range.end > count_ - 1) selected[count_ - 1] = true;
    }
    if (wanted.last_chunk()) selected[count_ - 1] = true;
    return selected;
  }

 private:
  static uint64_t Split(uint64_t chunks) {
    uint64_t left = 1;
    while (2 * left < chunks) left *= 2;
    return left;
  }
  ByteView Data(uint64_t begin, uint64_t end) const {
    const size_t from = static_cast<size_t>(begin * 1024);
    const size_t to = std::min(content_.size(), static_cast<size_t>(end * 1024));
    return ByteView(content_).subspan(from, to - from);
  }
  blake3::ChainingValue Value(uint64_t begin, uint64_t end) const {
    const bool is_root = end - begin == count_;
    if (end - begin == 1) return blake3::SubtreeValue(Data(begin, end), begin, is_root);
    const auto known = values_.find({begin, end});
    if (known != values_.end()) return known->second;
    const uint64_t middle = begin + Split(end - begin);
    const auto value = blake3::ParentValue(Value(begin, middle), Value(middle, end), is_root);
    values_[{begin, end}] = value;
    return value;
  }
  void AppendPair(uint64_t begin, uint64_t end, Bytes& out) const {
    const uint64_t middle = begin + Split(end - begin);
    const auto left = Value(begin, middle);
    const auto right = Value(middle, end);
    out.insert(out.end(), left.begin(), left.end());
    out.insert(out.end(), right.begin(), right.end());
  }
  void AppendOutboard(uint64_t begin, uint64_t end) {
    if (end - begin <= 16) return;
    AppendPair(begin, end, outboard_);
    const uint64_t middle = begin + Split(end - begin);
    AppendOutboard(begin, middle);
    AppendOutboard(middle, end);
  }
  void Encode(uint64_t begin, uint64_t end, const std::vector<bool>& selected, Bytes& out) const {
    uint64_t count = 0;
    for (uint64_t i = begin; i < end; ++i) count += selected[i] ? 1 : 0;
    if (count == 0) return;
    if (end - begin == 1 || (end - begin <= 16 && count == end - begin)) {
      const ByteView data = Data(begin, end);
      out.insert(out.end(), data.begin(), data.end());
      return;
    }
    AppendPair(begin, end, out);
    const uint64_t middle = begin + Split(end - begin);
    Encode(begin, middle, selected, out);
    Encode(middle, end, selected, out);
  }

  Bytes content_;
  Bytes outboard_;
  Hash hash_;
  uint64_t count_ = 0;
  mutable std::map<std::pair<uint64_t, uint64_t>, blake3::ChainingValue> values_;
};

// Checks that everything given on is true of the blob, however the bytes fed were falsified.
class TruthSink : public DecodeSink {
 public:
  explicit TruthSink(const NaiveBlob& blob) : blob_(blob) {}

  void OnSize(uint64_t claimed) override {
    EXPECT_FALSE(claimed_.has_value());
    claimed_ = claimed;
  }
  void OnLeaf(const Leaf& leaf) override {
    ++leaves_;
    ASSERT_TRUE(claimed_.has_value());
    ASSERT_LE(leaf.offset + leaf.data.size(), blob_.size());
    EXPECT_TRUE(std::equal(leaf.data.begin(), leaf.data.end(),
                           blob_.content().begin() + static_cast<ptrdiff_t>(leaf.offset)));
    EXPECT_GE(leaf.offset, next_offset_);
    next_offset_ = leaf.offset + leaf.data.size();
    const uint64_t group_end = std::min(leaf.offset / 16384 * 16384 + 16384, blob_.size());
    EXPECT_EQ(leaf.whole_group, leaf.offset % 16384 == 0 && next_offset_ == group_end);
    bytes_.Insert({leaf.offset, next_offset_});
    for (const PathPair& pair : leaf.pairs) {
      ASSERT_LE((pair.index + 1) * 64, blob_.outboard().size());
      EXPECT_TRUE(std::equal(pair.hashes.begin(), pair.hashes.end(),
                             blob_.outboard().begin() + static_cast<ptrdiff_t>(pair.index * 64)));
      // Pre-order, and none comes twice.
      EXPECT_TRUE(pairs_.empty() || pairs_.back() < pair.index);
      pairs_.push_back(pair.index);
    }
  }

  std::optional<uint64_t> claimed() const { return claimed_; }
  size_t leaves() const { return leaves_; }
  const RangeSet& bytes() const { return bytes_; }
  const std::vector<uint64_t>& pairs() const { return pairs_; }

 private:
  const NaiveBlob& blob_;
  std::optional<uint64_t> claimed_;
  size_t leaves_ = 0;
  uint64_t next_offset_ = 0;
  RangeSet bytes_;
  std::vector<uint64_t> pairs_;
};

// A source that holds the groups in `held` only, and the pairs above them.
class NaiveSource : public BlobSource {
 public:
  explicit NaiveSource(const NaiveBlob& blob, RangeSet held = RangeSet::All())
      : data(blob.content()), outboard(blob.outboard()), held_(std::move(held)) {
    MarkPairs(0, (blob.size() + 16383) / 16384);
  }

  Status ReadData(uint64_t offset, MutableBytes out) override {
    EXPECT_LE(offset + out.size(), data.size());
    EXPECT_EQ(offset / 16384, (offset + out.size() - 1) / 16384);
    if (!held_.Contains(offset / 16384)) return NotFound("not held");
    std::copy_n(data.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
    return OkStatus();
  }
  Status ReadPair(uint64_t index, std::array<uint8_t, 64>* out) override {
    EXPECT_LE((index + 1) * 64, outboard.size());
    if (!pair_held_[index]) return NotFound("not held");
    std::copy_n(outboard.begin() + static_cast<ptrdiff_t>(index * 64), 64, out->begin());
    return OkStatus();
  }

  Bytes data;  // may be damaged by a test
  Bytes outboard;

 private:
  void MarkPairs(uint64_t begin, uint64_t end) {
    if (end - begin <= 1 || end == 0) return;
    pair_held_.push_back(held_.Intersects({begin, end}));
    uint64_t left = 1;
    while (2 * left < end - begin) left *= 2;
    MarkPairs(begin, begin + left);
    MarkPairs(begin + left, end);
  }

  RangeSet held_;
  std::vector<bool> pair_held_;
};

// Feeds `bytes` in random pieces, the first of which may be empty. Returns how many were taken.
inline size_t FeedInPieces(Decoder& decoder, ByteView bytes, size_t max_piece, Rng& rng,
                           DecodeSink& sink) {
  size_t at = 0;
  while (true) {
    const size_t piece = std::min<size_t>(bytes.size() - at, rng.Below(max_piece + 1));
    const size_t taken = decoder.Feed(bytes.subspan(at, piece), sink);
    at += taken;
    if (taken < piece || at == bytes.size()) return at;
  }
}

inline wire::ChunkRanges RandomSelection(uint64_t chunk_count, Rng& rng) {
  RangeSet chunks;
  const uint64_t kind = rng.Below(8);
  if (kind == 0) return wire::ChunkRanges::All();
  if (kind == 1) return wire::ChunkRanges::LastChunk();
  const uint64_t ranges = 1 + rng.Below(4);
  for (uint64_t i = 0; i < ranges; ++i) {
    uint64_t begin = rng.Below(chunk_count + 3);
    uint64_t length = 1 + rng.Below(kind < 5 ? 20 : chunk_count + 1);
    if (rng.Chance(0.4)) {
      begin = begin / 16 * 16;
      length = (length + 15) / 16 * 16;
    }
    chunks.Insert({begin, rng.Chance(0.1) ? RangeSet::kOpenEnd : begin + length});
  }
  return {std::move(chunks), rng.Chance(0.2)};
}

// Sizes where the shape of the tree changes, and any others.
inline uint64_t RandomSize(Rng& rng) {
  switch (rng.Below(4)) {
    case 0:
      return rng.Below(3000);
    case 1:
      return rng.Below(70'000);
    case 2:
      return std::max<uint64_t>(1, rng.Below(20)) * 16384 + rng.Below(3) - 1;
    default:
      return rng.Below(400) * 1024 + rng.Below(3);
  }
}

}  // namespace blobd::bao
