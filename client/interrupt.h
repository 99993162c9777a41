// Interrupt: Ctrl-C as a value instead of a sudden end. While one exists, SIGINT and SIGTERM call
// `on_interrupt`, once, on a thread of its own.
//
// Make it before any other thread exists (before gRPC is used): the signals are blocked in every
// thread from then on.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "base/mutex.h"

namespace blobd::client {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Replaces what is called; a signal that has come already is not repeated.
  void OnInterrupt(std::function<void()> on_interrupt);
  bool happened() const { return happened_; }

 private:
  void Run();

  int signal_fd_ = -1;
  int stop_event_ = -1;
  std::atomic<bool> happened_ = false;
  Mutex mutex_;
  std::function<void()> on_interrupt_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace blobd::client
