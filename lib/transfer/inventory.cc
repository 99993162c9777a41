#include "transfer/inventory.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/error_reason.h"

namespace blobd::transfer {
namespace {

using store::BlobInfo;
using store::BlobState;

// How many look-ups wait in the store at once: enough to keep it busy, few enough to bound memory.
constexpr size_t kLookupsAtOnce = 1024;

// What is held completely is no matter of limits.
Status CheckBlobSize(const BlobInfo& blob, const SizeLimits& limits) {
  if (blob.state == BlobState::kComplete || !blob.size_proven ||
      blob.size <= limits.max_blob_size) {
    return OkStatus();
  }
  return FailedPrecondition("blob {} has {} bytes, which is proven; the maximum is {}",
                            blob.hash.Short(), blob.size, limits.max_blob_size);
}

// Lives on the strand, held by the callbacks it waits for.
class InventoryTaker : public std::enable_shared_from_this<InventoryTaker> {
 public:
  InventoryTaker(store::BlobStore& store, std::shared_ptr<Executor> strand, const Kind& kind,
                 UniqueFunction<void(StatusOr<Inventory>)> done, const SizeLimits& limits,
                 Places places)
      : store_(store),
        strand_(std::move(strand)),
        limits_(limits),
        places_(places),
        done_(std::move(done)) {
    inventory_.kind = kind;
  }

  void Start() {
    store_.Lookup(
        inventory_.kind.hash, *strand_,
        [self = shared_from_this()](StatusOr<BlobInfo> info) { self->OnRoot(std::move(info)); });
  }

 private:
  void OnRoot(StatusOr<BlobInfo> info) {
    if (!info.ok()) return done_(info.status());
    auto inventory = InventoryOfRoot(inventory_.kind, *std::move(info), limits_);
    if (!inventory.ok() || !inventory->needs_children()) return done_(std::move(inventory));
    inventory_ = *std::move(inventory);
    store_.OpenReader(
        inventory_.kind.hash, *strand_,
        [self = shared_from_this()](StatusOr<std::shared_ptr<store::BlobReader>> reader) {
          self->OnRootReader(std::move(reader));
        });
  }

  void OnRootReader(StatusOr<std::shared_ptr<store::BlobReader>> reader) {
    if (!reader.ok()) return done_(reader.status());
    Bytes content(inventory_.root.size);
    if (const Status status = (*reader)->ReadAt(0, content); !status.ok()) return done_(status);
    std::unordered_set<Hash> seen = {
        inventory_.kind.hash};  // a sequence that lists itself has itself already
    size_t next_place = 0;
    for (uint64_t i = 0; i < content.size() / 32; ++i) {
      const Hash hash = *Hash::FromBytes(ByteView(content).subspan(i * 32, 32));
      if (!seen.insert(hash).second) continue;
      const size_t place = next_place++;
      if (place < places_.first || place >= places_.end) continue;
      Inventory::Child child;
      child.place = place;
      child.blob_index = i + 1;
      child.blob.hash = hash;
      inventory_.children.push_back(std::move(child));
    }
    inventory_.children_known = true;
    LookUpMore();
  }

  void LookUpMore() {
    if (answered_ == inventory_.children.size()) return done_(std::move(inventory_));
    while (asked_ < inventory_.children.size() && asked_ - answered_ < kLookupsAtOnce) {
      const size_t index = asked_++;
      store_.Lookup(inventory_.children[index].blob.hash, *strand_,
                    [self = shared_from_this(), index](StatusOr<BlobInfo> info) {
                      self->OnChild(index, std::move(info));
                    });
    }
  }

  void OnChild(size_t index, StatusOr<BlobInfo> info) {
    if (failed_) return;
    if (const Status status = info.ok() ? CheckBlobSize(*info, limits_) : info.status();
        !status.ok()) {
      failed_ = true;
      return done_(status);
    }
    inventory_.children[index].blob = *std::move(info);
    ++answered_;
    LookUpMore();
  }

  store::BlobStore& store_;
  const std::shared_ptr<Executor> strand_;
  const SizeLimits limits_;
  const Places places_;
  UniqueFunction<void(StatusOr<Inventory>)> done_;
  Inventory inventory_;
  size_t asked_ = 0;
  size_t answered_ = 0;
  bool failed_ = false;
};

}  // namespace

bool Inventory::needs_root() const {
  return kind.format == BlobFormat::kHashSeq && root.state != BlobState::kComplete;
}

bool Inventory::needs_children() const {
  return kind.format == BlobFormat::kHashSeq && root.state == BlobState::kComplete &&
         !children_known;
}

bool Inventory::complete() const {
  if (root.state != BlobState::kComplete) return false;
  return kind.format == BlobFormat::kRaw ||
         std::all_of(children.begin(), children.end(),
                     [](const Child& child) { return child.blob.state == BlobState::kComplete; });
}

uint64_t Inventory::verified_bytes() const {
  uint64_t bytes = root.verified_bytes;
  for (const Child& child : children) bytes += child.blob.verified_bytes;
  return bytes;
}

uint64_t Inventory::total_bytes() const {
  if (!root.size_proven) return 0;
  if (kind.format == BlobFormat::kHashSeq && !children_known) return 0;
  uint64_t bytes = root.size;
  for (const Child& child : children) {
    if (!child.blob.size_proven) return 0;
    bytes += child.blob.size;
  }
  return bytes;
}

uint64_t Inventory::total_blobs() const {
  if (kind.format == BlobFormat::kRaw) return 1;
  return children_known ? children.size() + 1 : 0;
}

uint64_t Inventory::complete_blobs() const {
  uint64_t blobs = root.state == BlobState::kComplete ? 1 : 0;
  for (const Child& child : children) blobs += child.blob.state == BlobState::kComplete ? 1 : 0;
  return blobs;
}

Status CheckHashSeqSize(const Hash& root, uint64_t size, const SizeLimits& limits) {
  if (size % 32 != 0) {
    return ErrorFor(Reason::kNotACollection,
                    "{} is no hash sequence: its size {} is not a multiple of 32", root.Short(),
                    size);
  }
  if (size / 32 > limits.max_children) {
    return FailedPrecondition("{} has {} children; the maximum is {}", root.Short(), size / 32,
                              limits.max_children);
  }
  return OkStatus();
}

StatusOr<Inventory> InventoryOfRoot(const Kind& kind, BlobInfo root, const SizeLimits& limits) {
  BLOBD_RETURN_IF_ERROR(CheckBlobSize(root, limits));
  if (kind.format == BlobFormat::kHashSeq && root.size_proven) {
    BLOBD_RETURN_IF_ERROR(CheckHashSeqSize(root.hash, root.size, limits));
  }
  Inventory inventory;
  inventory.kind = kind;
  inventory.root = std::move(root);
  return inventory;
}

void TakeInventory(store::BlobStore& store, std::shared_ptr<Executor> strand, const Kind& kind,
                   UniqueFunction<void(StatusOr<Inventory>)> done, const SizeLimits& limits,
                   Places places) {
  std::make_shared<InventoryTaker>(store, std::move(strand), kind, std::move(done), limits, places)
      ->Start();
}

}  // namespace blobd::transfer
