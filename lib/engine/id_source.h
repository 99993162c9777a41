// IdSource: hands out ids from durable blocks, so that no id is ever used twice, also not after
// kill -9. The next block is asked for while half of the last one is left.
//
// Thread: the control loop.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/task.h"
#include "registry/registry.h"

namespace blobd::engine {

class IdSource {
 public:
  // REQUIRES: `registry` outlives this and answers on this thread
  IdSource(registry::Registry& registry, registry::IdSpace space, uint64_t block);

  // Calls `ready` once at least one block is here.
  void Start(UniqueFunction<void(Status)> ready);
  // The first of `count` ids in a row, or nullopt: more are on their way; try again from `OnMore`.
  // REQUIRES: count <= block
  std::optional<uint64_t> Take(uint64_t count);
  // Called whenever a block arrived after Take had to refuse, or could not be had.
  void SetOnMore(UniqueFunction<void(Status)> on_more) { on_more_ = std::move(on_more); }

 private:
  void Reserve(UniqueFunction<void(Status)> done);

  registry::Registry& registry_;
  const registry::IdSpace space_;
  const uint64_t block_;
  std::deque<registry::IdBlock> blocks_;
  bool reserving_ = false;
  bool refused_ = false;
  UniqueFunction<void(Status)> on_more_;
};

}  // namespace blobd::engine
