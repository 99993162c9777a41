#include "bao/outboard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "bao/naive_for_test.h"

namespace blobd::bao {
namespace {

TEST(OutboardTest, RandomSizesAndPieces) {
  Rng rng(1);
  std::vector<uint64_t> sizes = {0, 1, 1023, 1024, 1025, 16383, 16384, 16385, 32768, 49152, 49153};
  for (int i = 0; i < 150; ++i) sizes.push_back(RandomSize(rng));
  for (uint64_t size : sizes) {
    SCOPED_TRACE(size);
    const NaiveBlob blob(RandomContent(static_cast<size_t>(size), rng.Next()));
    OutboardBuilder builder;
    ByteView rest = blob.content();
    const size_t max_piece = rng.Chance(0.3) ? 1000 : 300'000;
    while (!rest.empty()) {
      const size_t piece = std::min<size_t>(rest.size(), rng.Below(max_piece));
      builder.Append(rest.first(piece));
      rest = rest.subspan(piece);
    }
    EXPECT_EQ(builder.size(), size);
    Bytes outboard;
    const OutboardBuilder::Result result = builder.Finish(&outboard);
    EXPECT_EQ(result.size, size);
    EXPECT_EQ(result.root, blob.hash());
    EXPECT_EQ(outboard, blob.outboard());
    EXPECT_EQ(outboard.size(), OutboardSize(size));
  }
}

// More groups than one block keeps; the outboard is checked by decoding with it, since hashing it
// naively takes long.
TEST(OutboardTest, ManyBlocks) {
  for (uint64_t groups : {4096u, 4097u, 8193u, 12289u}) {
    SCOPED_TRACE(groups);
    const uint64_t size = (groups - 1) * kGroupSize + 100;
    const Bytes piece = RandomContent(64 * kGroupSize, groups);
    const auto data_at = [&](uint64_t offset) {
      return piece[static_cast<size_t>(offset % piece.size())];
    };
    OutboardBuilder builder;
    blake3::Hasher hasher;
    for (uint64_t at = 0; at < size; at += piece.size()) {
      const ByteView part =
          ByteView(piece).first(static_cast<size_t>(std::min<uint64_t>(piece.size(), size - at)));
      builder.Append(part);
      hasher.Update(part);
    }
    Bytes outboard;
    const auto result = builder.Finish([&](uint64_t offset, ByteView part) {
      EXPECT_LE(part.size(), kMaxOutboardPiece);
      EXPECT_EQ(offset, outboard.size());
      outboard.insert(outboard.end(), part.begin(), part.end());
    });
    EXPECT_EQ(result.root, hasher.Finish());
    ASSERT_EQ(outboard.size(), OutboardSize(size));

    class Source : public BlobSource {
     public:
      Source(const Bytes& outboard, std::function<uint8_t(uint64_t)> data_at)
          : outboard_(outboard), data_at_(std::move(data_at)) {}
      Status ReadData(uint64_t offset, MutableBytes out) override {
        for (uint8_t& byte : out) byte = data_at_(offset++);
        return OkStatus();
      }
      Status ReadPair(uint64_t index, std::array<uint8_t, 64>* out) override {
        std::copy_n(outboard_.begin() + static_cast<ptrdiff_t>(index * 64), 64, out->begin());
        return OkStatus();
      }

     private:
      const Bytes& outboard_;
      std::function<uint8_t(uint64_t)> data_at_;
    };
    Source source(outboard, data_at);
    // The first chunk of every seventh group, and the end: every block, and all levels.
    RangeSet chunks;
    for (uint64_t group = 0; group < groups; group += 700)
      chunks.Insert({group * 16, group * 16 + 1});
    for (uint64_t group = 4094; group < groups && group < 4100; ++group) {
      chunks.Insert({group * 16, group * 16 + 16});
    }
    Encoder encoder(result.root, size, wire::ChunkRanges(chunks, true), source);
    Bytes out(1 << 20);
    while (!encoder.done()) {
      const auto filled = encoder.Fill(out);
      ASSERT_TRUE(filled.ok()) << filled.status();
    }
  }
}

// What an outboard consists of, put together as it comes.
class Placed {
 public:
  explicit Placed(uint64_t size) : bytes_(static_cast<size_t>(OutboardSize(size))) {}
  void Add(uint64_t offset, ByteView piece) {
    EXPECT_LE(piece.size(), kMaxOutboardPiece);
    ASSERT_LE(offset + piece.size(), bytes_.size());
    std::copy(piece.begin(), piece.end(), bytes_.begin() + static_cast<ptrdiff_t>(offset));
    come_ += piece.size();
  }
  // No byte twice.
  uint64_t come() const { return come_; }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
  uint64_t come_ = 0;
};

TEST(OutboardTest, OfAKnownSizeItIsGivenOutAsContentComes) {
  constexpr uint64_t kBlock = 4096 * kGroupSize;
  const Bytes piece = RandomContent(1 << 20, 1);
  for (uint64_t size : {uint64_t{0}, uint64_t{1}, kGroupSize, kGroupSize + 1, 5 * kGroupSize,
                        kBlock - 1, kBlock, kBlock + 1, kBlock + kGroupSize + 1, 2 * kBlock,
                        2 * kBlock + 100 * kGroupSize + 1, 3 * kBlock, 3 * kBlock + 1}) {
    SCOPED_TRACE(size);
    Placed placed(size);
    OutboardBuilder known;
    known.Expect(size, [&](uint64_t offset, ByteView pairs) { placed.Add(offset, pairs); });
    OutboardBuilder unknown;
    for (uint64_t at = 0; at < size; at += piece.size()) {
      const uint64_t count = std::min<uint64_t>(piece.size(), size - at);
      const ByteView part = ByteView(piece).first(static_cast<size_t>(count));
      known.Append(part);
      unknown.Append(part);
      const uint64_t whole_blocks = size > kBlock ? known.size() / kBlock : 0;
      EXPECT_EQ(placed.come(), whole_blocks * 4095 * kPairSize);
    }
    Bytes outboard;
    const auto expected = unknown.Finish(&outboard);
    const auto result = known.Finish();
    EXPECT_EQ(result.root, expected.root);
    EXPECT_EQ(result.size, size);
    EXPECT_EQ(placed.come(), outboard.size());
    EXPECT_EQ(placed.bytes(), outboard);
  }
}

}  // namespace
}  // namespace blobd::bao
