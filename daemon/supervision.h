// Supervision: what the service manager hears of the daemon (sd_notify(3)): how a start goes, that
// it is ready, what it does, that it still turns. Without a service manager nothing is said and no
// timer runs.
//
// The watchdog is fed when a question has gone from the control loop to the network loop and back:
// a daemon of which one of the two is stuck is not fed, and is killed and started again.
//
// Thread:    the control loop, and its creator before that turns.
// Ownership: destroyed while neither loop turns; the loops outlive it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/time.h"
#include "daemon/step_watch.h"
#include "loop/loop.h"

namespace blobd::daemon {

class Supervision {
 public:
  // Whether there is a service manager.
  static bool IsHeard();

  Supervision(loop::Loop& control, loop::Loop& network);
  ~Supervision();
  Supervision(const Supervision&) = delete;
  Supervision& operator=(const Supervision&) = delete;

  // A step of the start begins that may take long: the manager waits for it, and longer as long as
  // it reads and writes (step_watch.h).
  void Step(const std::string& what);
  // From now on `describe` is asked every few seconds, and the watchdog is fed; before Ready, it is
  // said that the start goes on.
  void Begin(std::function<std::string()> describe);
  void Ready();
  // Between them the configuration is read again. Before Ready that is nobody's business.
  void Reloading();
  void Reloaded();
  // The end may take `grace`, and a little more for what comes behind it; and longer as long as
  // `waits_for`, asked every few seconds, names something.
  void Stopping(Duration grace, std::function<std::string()> waits_for);

 private:
  enum class Phase { kStarting, kReady, kStopping };

  void Arm();
  void Tick();
  void AskNetwork();
  void Say(const std::string& state) const;
  void SayStatus(const std::string& status);

  loop::Loop& control_;
  loop::Loop& network_;
  const bool heard_;     // somebody listens
  Duration watchdog_{};  // zero: it is not asked for
  Phase phase_ = Phase::kStarting;
  std::unique_ptr<StepWatch> step_watch_;  // of a step of the start
  std::function<std::string()> describe_;
  std::function<std::string()> waits_for_;
  std::string said_;  // the status as it was said last
  TimerId timer_ = 0;
  bool asking_ = false;  // the network loop has not answered yet
  Instant feed_at_;      // when it is asked next
  // Gone when this is: an answer that comes later finds nobody.
  const std::shared_ptr<Supervision*> self_;
};

}  // namespace blobd::daemon
