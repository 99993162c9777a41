// ForEach: several pieces of work at once, bounded, in order of their beginning.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"

namespace blobd::client {

// Calls `work` with 0 to `count` - 1, at most `at_once` of them at the same time, each on some
// thread. After an error nothing more is begun. Returns the error of the earliest piece that failed
// when all that was begun is over.
inline Status ForEach(size_t count, size_t at_once, const std::function<Status(size_t)>& work) {
  std::atomic<size_t> next = 0;
  Mutex mutex;
  size_t failed_at = count;
  Status failure;
  const auto run = [&] {
    for (size_t i = next++; i < count; i = next++) {
      const Status status = work(i);
      if (status.ok()) continue;
      next = count;
      const MutexLock lock(mutex);
      if (i < failed_at) {
        failed_at = i;
        failure = status;
      }
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min(at_once, count); ++i) threads.emplace_back(run);
  run();
  for (std::thread& thread : threads) thread.join();
  return failure;
}

}  // namespace blobd::client
