// Mirrors, proofs and comparisons in any order: nothing wrong is verified, and who is honest is
// never proven wrong. Source 1 is honest; what it and others do is the input.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <variant>

#include "bao/unproven.h"
#include "bao/unproven_for_test.h"
#include "base/check.h"

namespace {

using namespace blobd;
using namespace blobd::bao;

const ValuedBlob& Blob() {
  static const ValuedBlob blob(4 * 64 * kGroupSize + 3 * kGroupSize + 9);
  return blob;
}

void Look(Unproven& unproven, Findings& findings) {
  unproven.CheckInvariants();
  while (!findings.empty()) {
    const Findings now = std::exchange(findings, {});
    for (const Finding& finding : now) {
      const auto* blame = std::get_if<Blame>(&finding);
      if (blame == nullptr) continue;
      BLOBD_CHECK(!blame->proven || blame->source != 1);
      unproven.OnSourceGone(blame->source, findings);
    }
    unproven.CheckInvariants();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ValuedBlob& blob = Blob();
  const uint64_t groups = blob.values.size();
  Unproven unproven(blob.hash, blob.size);
  Findings findings;
  for (SourceId source = 1; source <= 4; ++source) unproven.OnSource(source);
  for (size_t at = 0; at + 4 <= size; at += 4) {
    const uint64_t begin = data[at + 1] * uint64_t{3} % groups;
    const uint64_t end = std::min(groups, begin + 1 + data[at + 2]);
    const uint8_t extra = data[at + 3];
    const auto right = std::span(blob.values).subspan(begin, end - begin);
    switch (data[at] % 8) {
      case 0:
        unproven.OnVerified(begin, right.first(std::min<size_t>(right.size(), 5)), findings);
        break;
      case 1:
        unproven.OnSizeProven();
        break;
      case 2:
        unproven.Compare(findings);
        break;
      case 3: {
        // A pair, true or not, at a place that exists.
        const uint64_t index = (data[at + 1] + uint64_t{256} * data[at + 2]) % (groups - 1);
        Bytes pair(blob.outboard.begin() + static_cast<ptrdiff_t>(index * kPairSize),
                   blob.outboard.begin() + static_cast<ptrdiff_t>((index + 1) * kPairSize));
        const bool is_true = extra < 128;
        if (!is_true) pair[extra % kPairSize] ^= 1;
        BLOBD_CHECK(unproven.OnPair(index, pair, findings) || !is_true);
        break;
      }
      case 4:
        unproven.OnSourceGone(1 + extra % 4u, findings);
        break;
      default: {
        const SourceId source = 1 + extra % 4u;
        unproven.OnGroups(source, begin, right, findings);
        if (source == 1 || extra < 128) break;
        const ChainingValue wrong = WrongValue(blob.values[begin], source);
        unproven.OnGroups(source, begin, {&wrong, 1}, findings);
        break;
      }
    }
    Look(unproven, findings);
  }
  return 0;
}
