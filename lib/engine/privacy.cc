#include "engine/privacy.h"

#include <utility>
#include <vector>

#include "base/error_reason.h"
#include "transfer/inventory.h"

namespace blobd::engine {
namespace {

// Changes blob after blob, a window of them at a time.
class PrivacySetter : public std::enable_shared_from_this<PrivacySetter> {
 public:
  PrivacySetter(store::BlobStore& store, std::shared_ptr<Executor> strand, bool is_private,
                UniqueFunction<void(StatusOr<uint64_t>)> done)
      : store_(store),
        strand_(std::move(strand)),
        is_private_(is_private),
        done_(std::move(done)) {}

  void Start(const Kind& kind) {
    transfer::TakeInventory(store_, strand_, kind, [self = shared_from_this()](auto inventory) {
      self->OnInventory(std::move(inventory));
    });
  }

 private:
  static constexpr size_t kWindow = 256;

  void OnInventory(StatusOr<transfer::Inventory> inventory) {
    if (!inventory.ok()) return done_(inventory.status());
    const store::BlobInfo& root = inventory->root;
    if (root.state == store::BlobState::kAbsent) {
      return done_(ErrorFor(Reason::kUnknownBlob, "nothing of {} is here", root.hash.ToHex()));
    }
    if (inventory->kind.format == BlobFormat::kHashSeq && !inventory->children_known) {
      return done_(ErrorFor(Reason::kBlobIncomplete,
                            "{} is not complete here, so its blobs are not known",
                            root.hash.ToHex()));
    }
    Want(root);
    for (const transfer::Inventory::Child& child : inventory->children) Want(child.blob);
    Next();
  }

  void Want(const store::BlobInfo& blob) {
    if (blob.state == store::BlobState::kAbsent || blob.is_private == is_private_) return;
    hashes_.push_back(blob.hash);
  }

  void Next() {
    if (answered_ == asked_ && (asked_ == hashes_.size() || !failure_.ok())) {
      if (!failure_.ok()) return done_(failure_);
      return done_(changed_);
    }
    while (asked_ < hashes_.size() && asked_ - answered_ < kWindow && failure_.ok()) {
      store_.SetPrivate(hashes_[asked_++], is_private_, *strand_,
                        [self = shared_from_this()](const Status& status) {
                          ++self->answered_;
                          // One that has gone meanwhile is nobody's to learn of.
                          if (status.ok()) ++self->changed_;
                          if (!status.ok() && status.code() != StatusCode::kNotFound) {
                            self->failure_ = status;
                          }
                          self->Next();
                        });
    }
  }

  store::BlobStore& store_;
  const std::shared_ptr<Executor> strand_;
  const bool is_private_;
  UniqueFunction<void(StatusOr<uint64_t>)> done_;
  std::vector<Hash> hashes_;
  size_t asked_ = 0;
  size_t answered_ = 0;
  uint64_t changed_ = 0;
  Status failure_;
};

}  // namespace

void SetPrivate(store::BlobStore& store, std::shared_ptr<Executor> strand, const Kind& kind,
                bool is_private, UniqueFunction<void(StatusOr<uint64_t>)> done) {
  std::make_shared<PrivacySetter>(store, std::move(strand), is_private, std::move(done))
      ->Start(kind);
}

}  // namespace blobd::engine
