// GcPlan decides what garbage collection removes. It is shown blob after blob, the oldest use
// first, and says of each whether it goes, or why it stays (design/transfers.md, "The store").
//
// A value without IO; one thread. `protection` outlives it.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/protection.h"
#include "store/blob_use.h"

namespace blobd::engine {

class GcPlan {
 public:
  // `bytes_now`: the content of all blobs together. `to_bytes`: nothing more has to go when there
  // are no more than that; nullopt: everything goes that nothing protects.
  GcPlan(uint64_t bytes_now, std::optional<uint64_t> to_bytes, const Protection& protection)
      : bytes_(bytes_now), to_bytes_(to_bytes), protection_(protection) {}

  // kNothing: it goes, and is counted as gone. `wanted`: an unfinished intent wants it now.
  // REQUIRES: !satisfied()
  Keeping Judge(const store::BlobUse& blob, bool wanted);
  // It could not be removed after all.
  void Stays(const store::BlobUse& blob) { bytes_ += BytesOf(blob); }
  bool satisfied() const { return to_bytes_ && bytes_ <= *to_bytes_; }

  // The content that goes with it; of a partial blob about that.
  static uint64_t BytesOf(const store::BlobUse& blob) {
    return blob.state == store::BlobState::kComplete ? blob.size : blob.disk_bytes;
  }

 private:
  uint64_t bytes_;
  const std::optional<uint64_t> to_bytes_;
  const Protection& protection_;
};

}  // namespace blobd::engine
