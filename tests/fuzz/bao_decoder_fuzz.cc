// Answers falsified in any way: whatever the decoder gives on is true of the blob, and a proven
// size is its size.
#include "bao/decoder.h"

#include "bao_fuzz.h"

namespace blobd::bao::fuzz {
namespace {

class TruthSink : public DecodeSink {
 public:
  explicit TruthSink(const Blob& blob) : blob_(blob) {}

  void OnSize(uint64_t) override {}
  void OnLeaf(const Leaf& leaf) override {
    BLOBD_CHECK(leaf.offset >= next_offset_ && leaf.offset + leaf.data.size() <= blob_.data.size());
    next_offset_ = leaf.offset + leaf.data.size();
    BLOBD_CHECK(std::equal(leaf.data.begin(), leaf.data.end(),
                           blob_.data.begin() + static_cast<ptrdiff_t>(leaf.offset)));
    for (const PathPair& pair : leaf.pairs) {
      BLOBD_CHECK(pair.index < blob_.outboard.size() / 64);
      BLOBD_CHECK(std::equal(pair.hashes.begin(), pair.hashes.end(),
                             blob_.outboard.begin() + static_cast<ptrdiff_t>(pair.index * 64)));
    }
  }

 private:
  const Blob& blob_;
  uint64_t next_offset_ = 0;
};

Bytes TrueResponse(const Blob& blob, const wire::ChunkRanges& wanted) {
  MemorySource source(blob.data, blob.outboard);
  Encoder encoder(blob.root, blob.data.size(), wanted, source);
  Bytes response(200'000);
  response.resize(*encoder.Fill(response));
  BLOBD_CHECK(encoder.done());
  return response;
}

// Returns whether anything was changed.
bool Falsify(FuzzedDataProvider& input, Bytes& response) {
  const Bytes original = response;
  if (input.ConsumeBool() && response.size() >= 8) {
    const uint64_t size = input.ConsumeIntegral<uint64_t>();
    for (size_t i = 0; i < 8; ++i) response[i] = static_cast<uint8_t>(size >> (8 * i));
  }
  for (size_t left = input.ConsumeIntegralInRange<size_t>(0, 8); left > 0 && !response.empty();
       --left) {
    response[input.ConsumeIntegralInRange<size_t>(0, response.size() - 1)] ^=
        input.ConsumeIntegral<uint8_t>();
  }
  if (input.ConsumeBool()) {
    const size_t from = input.ConsumeIntegralInRange<size_t>(0, response.size());
    const size_t to = input.ConsumeIntegralInRange<size_t>(from, response.size());
    response.erase(response.begin() + static_cast<ptrdiff_t>(from),
                   response.begin() + static_cast<ptrdiff_t>(to));
  }
  return response != original;
}

}  // namespace
}  // namespace blobd::bao::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace blobd;
  using namespace blobd::bao;
  FuzzedDataProvider input(data, size);
  const fuzz::Blob& blob = fuzz::ConsumeBlob(input);
  const wire::ChunkRanges wanted = fuzz::ConsumeSelection(input);
  const size_t piece = input.ConsumeIntegralInRange<size_t>(1, 70'000);
  Bytes response;
  bool changed = true;
  if (input.ConsumeBool()) {
    response = fuzz::TrueResponse(blob, wanted);
    changed = fuzz::Falsify(input, response);
  } else {
    response = input.ConsumeRemainingBytes<uint8_t>();
  }

  Decoder decoder(blob.root, wanted, kMaxBlobSize);
  fuzz::TruthSink sink(blob);
  size_t taken = 0;
  while (taken < response.size()) {
    const ByteView rest = ByteView(response).subspan(taken);
    const size_t now = decoder.Feed(rest.first(std::min(piece, rest.size())), sink);
    taken += now;
    if (decoder.done() || decoder.error() != DecodeError::kNone) break;
    BLOBD_CHECK(now > 0);
  }
  BLOBD_CHECK(!(decoder.done() && decoder.error() != DecodeError::kNone));
  BLOBD_CHECK(!decoder.size_proven() || decoder.claimed_size() == blob.data.size());
  if (!changed) BLOBD_CHECK(decoder.done() && taken == response.size());
  return 0;
}
