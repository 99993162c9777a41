// How fast content is hashed, its outboard built, and an answer of 256 MiB verified and produced,
// all in memory and on one thread. The first one, BLAKE3 by itself, is what the others are measured
// against.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "bao/decoder.h"
#include "bao/encoder.h"
#include "bao/outboard.h"
#include "base/check.h"
#include "base/rng.h"
#include "base/units.h"
#include "blake3/chaining_value.h"
#include "blake3/hasher.h"

namespace blobd::bao {
namespace {

constexpr size_t kSize = 256 * kMiB;

class MemorySource : public BlobSource {
 public:
  MemorySource(ByteView data, ByteView outboard) : data_(data), outboard_(outboard) {}
  Status ReadData(uint64_t offset, MutableBytes out) override {
    std::memcpy(out.data(), data_.data() + offset, out.size());
    return OkStatus();
  }
  Status ReadPair(uint64_t index, std::array<uint8_t, 64>* out) override {
    std::memcpy(out->data(), outboard_.data() + index * kPairSize, kPairSize);
    return OkStatus();
  }

 private:
  ByteView data_;
  ByteView outboard_;
};

// One blob with its outboard and the answer that carries all of it.
struct Blob {
  Bytes data;
  Bytes outboard;
  Hash root;
  Bytes response;

  Blob() : data(kSize) {
    Rng rng(1);
    for (size_t at = 0; at < kSize; at += 8) {
      const uint64_t random = rng.Next();
      std::memcpy(data.data() + at, &random, 8);
    }
    OutboardBuilder builder;
    builder.Append(data);
    root = builder.Finish(&outboard).root;
    response.resize(WholeResponseSize(kSize));
    MemorySource source(data, outboard);
    Encoder encoder(root, kSize, wire::ChunkRanges::All(), source);
    BLOBD_CHECK(*encoder.Fill(response) == response.size());
  }
};

const Blob& TheBlob() {
  static const Blob blob;
  return blob;
}

// Calls `take` with one piece of `bytes` after the other.
template <typename Take>
void InPieces(ByteView bytes, benchmark::State& state, Take take) {
  const size_t piece = static_cast<size_t>(state.range(0)) * kKiB;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    take(bytes.subspan(at, std::min(piece, bytes.size() - at)));
  }
}

void CountBytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(kSize));
}

void BM_Blake3(benchmark::State& state) {
  const Blob& blob = TheBlob();
  for (auto _ : state) {
    blake3::Hasher hasher;
    InPieces(blob.data, state, [&](ByteView piece) { hasher.Update(piece); });
    BLOBD_CHECK(hasher.Finish() == blob.root);
  }
  CountBytes(state);
}

void BM_BuildOutboard(benchmark::State& state) {
  const Blob& blob = TheBlob();
  for (auto _ : state) {
    OutboardBuilder builder;
    InPieces(blob.data, state, [&](ByteView piece) { builder.Append(piece); });
    uint64_t length = 0;
    const auto result = builder.Finish([&](uint64_t, ByteView pairs) { length += pairs.size(); });
    BLOBD_CHECK(result.root == blob.root && length == blob.outboard.size());
  }
  CountBytes(state);
}

void BM_Decode(benchmark::State& state) {
  class CountingSink : public DecodeSink {
   public:
    void OnSize(uint64_t) override {}
    void OnLeaf(const Leaf& leaf) override {
      bytes += leaf.data.size();
      pairs += leaf.pairs.size();
    }
    uint64_t bytes = 0;
    uint64_t pairs = 0;
  };
  const Blob& blob = TheBlob();
  for (auto _ : state) {
    CountingSink sink;
    Decoder decoder(blob.root, wire::ChunkRanges::All(), kMaxBlobSize);
    InPieces(blob.response, state, [&](ByteView piece) { decoder.Feed(piece, sink); });
    BLOBD_CHECK(decoder.done() && sink.bytes == kSize &&
                sink.pairs * kPairSize == blob.outboard.size());
  }
  CountBytes(state);
}

void BM_Encode(benchmark::State& state) {
  const Blob& blob = TheBlob();
  Bytes out(static_cast<size_t>(state.range(0)) * kKiB);
  for (auto _ : state) {
    MemorySource source(blob.data, blob.outboard);
    Encoder encoder(blob.root, kSize, wire::ChunkRanges::All(), source);
    uint64_t length = 0;
    while (!encoder.done()) length += *encoder.Fill(out);
    BLOBD_CHECK(length == blob.response.size());
  }
  CountBytes(state);
}

BENCHMARK(BM_Blake3)->Arg(64)->Arg(1024)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_BuildOutboard)->Arg(64)->Arg(1024)->Unit(benchmark::kMillisecond);
// Pieces in KiB: the size of a datagram's worth, of a read, and of a large buffer.
BENCHMARK(BM_Decode)->Arg(1)->Arg(64)->Arg(1024)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Encode)->Arg(64)->Arg(1024)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace blobd::bao

BENCHMARK_MAIN();
