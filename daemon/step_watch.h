// StepWatch: sees whether a step that blocks the main thread, such as the migration of a large
// database on a slow disk, still does something. What it does is what it reads from and writes to
// the disk: a step that only turns is stuck.
//
// Thread:    made and destroyed by one thread; a thread of its own looks and calls.
// Ownership: what the functions use outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "base/time.h"
#include "loop/loop.h"

namespace blobd::daemon {

// How much this process has read from and written to disks, in blocks.
uint64_t DiskWork();

class StepWatch {
 public:
  struct Options {
    Duration interval;  // how often it looks
    std::function<uint64_t()> work = DiskWork;
  };
  // `goes_on` is called each time that there was work since the last look. Without memory for a
  // loop of its own it is never called.
  StepWatch(Options options, std::function<void()> goes_on);
  ~StepWatch();
  StepWatch(const StepWatch&) = delete;
  StepWatch& operator=(const StepWatch&) = delete;

 private:
  void Look();

  const Options options_;
  const std::function<void()> goes_on_;
  uint64_t seen_;
  std::unique_ptr<loop::Loop> loop_;
  std::thread thread_;
};

}  // namespace blobd::daemon
