// A damaged or incomplete source, any selection, a size that may be wrong: what the encoder lets
// out, a decoder accepts, and it is complete exactly if the encoder says so.
#include "bao/encoder.h"

#include "bao/decoder.h"
#include "bao_fuzz.h"

namespace blobd::bao::fuzz {
namespace {

void Damage(FuzzedDataProvider& input, Bytes& bytes) {
  for (size_t left = input.ConsumeIntegralInRange<size_t>(0, 3); left > 0 && !bytes.empty();
       --left) {
    bytes[input.ConsumeIntegralInRange<size_t>(0, bytes.size() - 1)] ^=
        input.ConsumeIntegral<uint8_t>();
  }
  if (input.ConsumeBool()) bytes.resize(input.ConsumeIntegralInRange<size_t>(0, bytes.size()));
}

class IgnoringSink : public DecodeSink {
 public:
  void OnSize(uint64_t) override {}
  void OnLeaf(const Leaf&) override {}
};

}  // namespace
}  // namespace blobd::bao::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace blobd;
  using namespace blobd::bao;
  FuzzedDataProvider input(data, size);
  const fuzz::Blob& blob = fuzz::ConsumeBlob(input);
  const wire::ChunkRanges wanted = fuzz::ConsumeSelection(input);
  Bytes out(input.ConsumeIntegralInRange<size_t>(1, 70'000));
  const uint64_t claimed = input.ConsumeBool()
                               ? blob.data.size()
                               : input.ConsumeIntegralInRange<uint64_t>(0, kMaxBlobSize);
  fuzz::MemorySource source(blob.data, blob.outboard);
  fuzz::Damage(input, source.data);
  fuzz::Damage(input, source.outboard);
  const bool intact =
      claimed == blob.data.size() && source.data == blob.data && source.outboard == blob.outboard;

  Encoder encoder(blob.root, claimed, wanted, source);
  Decoder decoder(blob.root, wanted, kMaxBlobSize);
  fuzz::IgnoringSink sink;
  bool ok = true;
  while (true) {
    const auto filled = encoder.Fill(out);
    ok = filled.ok();
    if (!ok || *filled == 0) break;
    const size_t taken = decoder.Feed(ByteView(out).first(*filled), sink);
    // Only a size header that cannot be right is refused, and nothing follows it that would be
    // accepted.
    if (decoder.error() == DecodeError::kWrongSize) {
      BLOBD_CHECK((claimed == 0) != blob.data.empty());
      return 0;
    }
    BLOBD_CHECK(taken == *filled && decoder.error() == DecodeError::kNone);
  }
  BLOBD_CHECK(ok == encoder.done());
  BLOBD_CHECK(decoder.done() == encoder.done());
  if (intact) BLOBD_CHECK(ok);
  return 0;
}
