// Gather: many answers that come one by one become one.
//
// Thread: one at a time.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/task.h"

namespace blobd::store {

template <typename Value>
class Gather {
 public:
  // `done` gets all values in order, or the last error, when `count` answers have come.
  Gather(size_t count, UniqueFunction<void(StatusOr<std::vector<Value>>)> done)
      : values_(count), missing_(count), done_(std::move(done)) {}

  void Put(size_t index, StatusOr<Value> value) {
    if (value.ok()) {
      values_[index] = *std::move(value);
    } else {
      failure_ = value.status();
    }
    if (--missing_ > 0) return;
    if (!failure_.ok()) return done_(failure_);
    done_(std::move(values_));
  }

 private:
  std::vector<Value> values_;
  size_t missing_;
  Status failure_;
  UniqueFunction<void(StatusOr<std::vector<Value>>)> done_;
};

}  // namespace blobd::store
