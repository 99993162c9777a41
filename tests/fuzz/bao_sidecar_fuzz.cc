// A sidecar with damage, in pieces: what is given on is the blob's own outboard, in order.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "bao/sidecar.h"
#include "bao/unproven_for_test.h"
#include "base/check.h"

namespace {

using namespace blobd;
using namespace blobd::bao;

class Comparer final : public PairSink {
 public:
  explicit Comparer(const ValuedBlob& blob) : blob_(blob) {}
  void OnPair(const Subtree& subtree, ByteView pair) override {
    const ByteView right = blob_.PairOf(subtree);
    BLOBD_CHECK(std::equal(pair.begin(), pair.end(), right.begin(), right.end()));
    BLOBD_CHECK(subtree.pair_index == count_++);
  }

 private:
  const ValuedBlob& blob_;
  uint64_t count_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const ValuedBlob blob(37 * kGroupSize + 5);
  if (size < 4) return 0;
  Bytes sidecar = blob.outboard;
  const size_t piece = 1 + data[0];
  // Damage: a byte here and there, then more or less at the end.
  for (size_t at = 2; at + 2 <= size && at < 20; at += 2) {
    const size_t place = data[at] * size_t{16} + data[at + 1] / 16;
    sidecar[place % sidecar.size()] ^= data[at + 1] & 0xf;
  }
  sidecar.resize(sidecar.size() + data[1] % 3, data[1]);
  SidecarReader reader(blob.hash, blob.size);
  Comparer comparer(blob);
  for (size_t at = 0; at < sidecar.size(); at += piece) {
    reader.Feed(ByteView(sidecar).subspan(at, std::min(piece, sidecar.size() - at)), comparer);
  }
  BLOBD_CHECK(!(reader.done() && reader.failed()));
  BLOBD_CHECK(!reader.done() || sidecar == blob.outboard);
  // And bytes that are no sidecar of anything.
  SidecarReader(blob.hash, blob.size).Feed({data, size}, comparer);
  return 0;
}
