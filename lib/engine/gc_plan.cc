#include "engine/gc_plan.h"

#include <algorithm>

#include "base/check.h"

namespace blobd::engine {

Keeping GcPlan::Judge(const store::BlobUse& blob, bool wanted) {
  BLOBD_CHECK(!satisfied());
  Keeping keeping;
  if (wanted || blob.is_pinned) {
    keeping.because = KeptBecause::kWanted;
    return keeping;
  }
  if (auto held = protection_.Strongest(blob.hash)) return *std::move(held);
  bytes_ -= std::min(bytes_, BytesOf(blob));
  return keeping;
}

}  // namespace blobd::engine
