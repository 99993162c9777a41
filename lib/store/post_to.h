// PostTo: an answer that is given on another executor.
#pragma once

#include <utility>

#include "base/task.h"

namespace blobd::store {

// `executor` outlives the answer, or `done` keeps it alive: it is asked to post what holds `done`.
template <typename Value>
UniqueFunction<void(Value)> PostTo(Executor& executor, UniqueFunction<void(Value)> done) {
  return [&executor, done = std::move(done)](Value value) mutable {
    executor.Post(
        [done = std::move(done), value = std::move(value)]() mutable { done(std::move(value)); });
  };
}

}  // namespace blobd::store
