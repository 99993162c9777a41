// Interrupt: Ctrl-C as a value instead of a sudden end. While one exists, SIGINT, SIGTERM and
// SIGHUP call `on_interrupt`, once, on a thread of its own; a second one ends the process. Signals
// that programs send within a second are one: timeout(1) sends each to its child and to the child's
// group, and a wrapper passes on what the terminal sent to both. Two that are typed are two. A
// SIGHUP that is ignored, as nohup(1) has it, stays so.
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

  // Replaces what is called; if a signal has come already, it is called at once.
  void OnInterrupt(std::function<void()> on_interrupt);
  // Replaces what is called before a second signal ends the process, to leave the terminal as it
  // was, or to say a last word. It runs on the thread of the signals, and holds up this call.
  void OnSecond(std::function<void()> on_second);
  bool happened() const { return signal_ != 0; }
  // The one that has come; 0: none.
  int signal() const { return signal_; }
  // Readable from then on, after `on_interrupt` was called: for poll(2).
  int descriptor() const { return happened_event_; }

 private:
  void Run();

  int signal_fd_ = -1;
  int stop_event_ = -1;
  int happened_event_ = -1;
  std::atomic<int> signal_ = 0;
  Mutex mutex_;
  std::function<void()> on_interrupt_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> on_second_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace blobd::client
