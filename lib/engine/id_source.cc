#include "engine/id_source.h"

#include <utility>

#include "base/check.h"

namespace blobd::engine {

IdSource::IdSource(registry::Registry& registry, registry::IdSpace space, uint64_t block)
    : registry_(registry), space_(space), block_(block) {}

void IdSource::Start(UniqueFunction<void(Status)> ready) { Reserve(std::move(ready)); }

std::optional<uint64_t> IdSource::Take(uint64_t count) {
  BLOBD_CHECK(count <= block_);
  // What is left of an older block and too short is let go: ids must be in a row.
  while (!blocks_.empty() && blocks_.front().end - blocks_.front().first < count)
    blocks_.pop_front();
  std::optional<uint64_t> first;
  if (!blocks_.empty()) {
    first = blocks_.front().first;
    blocks_.front().first += count;
  }
  const uint64_t left = blocks_.empty() ? 0 : blocks_.front().end - blocks_.front().first;
  if (!reserving_ && blocks_.size() < 2 && left < block_ / 2) {
    Reserve([this](const Status& status) {
      if (std::exchange(refused_, false) && on_more_) on_more_(status);
    });
  }
  if (!first) refused_ = true;
  return first;
}

void IdSource::Reserve(UniqueFunction<void(Status)> done) {
  reserving_ = true;
  registry_.ReserveIds(space_, block_,
                       [this, done = std::move(done)](StatusOr<registry::IdBlock> block) mutable {
                         reserving_ = false;
                         if (block.ok()) blocks_.push_back(*block);
                         done(block.status());
                       });
}

}  // namespace blobd::engine
