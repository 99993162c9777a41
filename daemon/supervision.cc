#include "daemon/supervision.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace blobd::daemon {
namespace {

// How often a status that changed is told.
constexpr Duration kInterval = seconds(2);
// A step of the start may do nothing for so long, a damaged disk included, until it is held to be
// stuck. Whether it does something is looked at more often than that.
constexpr Duration kStepTime = minutes(10);
constexpr Duration kStepLook = minutes(2);
// While the start goes on it asks for so much more each time: many times the interval.
constexpr Duration kLoadingTime = seconds(60);
// What comes behind the grace times of a shutdown: cut transfers, a last sync, the end of calls.
constexpr Duration kEndTime = seconds(45);
// The watchdog is fed so many times within its time.
constexpr int kFeeds = 4;

int64_t Micros(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

Duration WatchdogTime() {
  uint64_t micros = 0;
  if (sd_watchdog_enabled(0, &micros) <= 0) return Duration::zero();
  return std::chrono::microseconds(micros);
}

}  // namespace

bool Supervision::IsHeard() {
  const char* socket = std::getenv("NOTIFY_SOCKET");
  return socket != nullptr && *socket != '\0';
}

Supervision::Supervision(loop::Loop& control, loop::Loop& network)
    : control_(control),
      network_(network),
      heard_(IsHeard()),
      watchdog_(heard_ ? WatchdogTime() : Duration::zero()),
      self_(std::make_shared<Supervision*>(this)) {}

Supervision::~Supervision() {
  *self_ = nullptr;
  if (timer_ != 0) control_.CancelTimer(timer_);
}

void Supervision::Step(const std::string& what) {
  step_watch_ = nullptr;
  const std::string text =
      fmt::format("STATUS={}\nEXTEND_TIMEOUT_USEC={}", what, Micros(kStepTime));
  Say(text);
  if (!heard_) return;
  step_watch_ =
      std::make_unique<StepWatch>(StepWatch::Options{kStepLook}, [this, text] { Say(text); });
}

void Supervision::Begin(std::function<std::string()> describe) {
  step_watch_ = nullptr;
  describe_ = std::move(describe);
  if (heard_) Tick();
}

void Supervision::Ready() {
  phase_ = Phase::kReady;
  said_ = describe_();
  Say("READY=1\nSTATUS=" + said_);
}

void Supervision::Reloaded() {
  if (phase_ == Phase::kReady) Ready();
}

void Supervision::Reloading() {
  if (phase_ != Phase::kReady) return;
  // The time tells managers that came later than ours apart whether READY belongs to it.
  Say(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=Reading the configuration again",
                  SystemClock().Now().nanos() / 1000));
}

void Supervision::Stopping(Duration grace, std::function<std::string()> waits_for) {
  phase_ = Phase::kStopping;
  waits_for_ = std::move(waits_for);
  Say(
      fmt::format("STOPPING=1\nSTATUS=Draining: transfers end or are cut within {} s\n"
                  "EXTEND_TIMEOUT_USEC={}",
                  std::chrono::duration_cast<seconds>(grace).count(), Micros(grace + kEndTime)));
}

void Supervision::Arm() {
  Duration interval = kInterval;
  if (watchdog_ > Duration::zero()) interval = std::min(interval, watchdog_ / kFeeds);
  timer_ = control_.AddTimer(control_.Now() + interval, [this] {
    timer_ = 0;
    Tick();
  });
}

void Supervision::Tick() {
  AskNetwork();
  switch (phase_) {
    case Phase::kStarting:
      Say(fmt::format("STATUS={}\nEXTEND_TIMEOUT_USEC={}", describe_(), Micros(kLoadingTime)));
      break;
    case Phase::kReady:
      SayStatus(describe_());
      break;
    case Phase::kStopping:
      if (const std::string what = waits_for_(); !what.empty())
        Say(fmt::format("STATUS={}\nEXTEND_TIMEOUT_USEC={}", what, Micros(kEndTime)));
      break;
  }
  Arm();
}

void Supervision::AskNetwork() {
  if (watchdog_ == Duration::zero() || control_.Now() < feed_at_) return;
  if (std::exchange(asking_, true)) return;
  feed_at_ = control_.Now() + watchdog_ / kFeeds;
  network_.Post([&control = control_, self = self_] {
    control.Post([self] {
      Supervision* const supervision = *self;
      if (supervision == nullptr) return;
      supervision->asking_ = false;
      supervision->Say("WATCHDOG=1");
    });
  });
}

void Supervision::SayStatus(const std::string& status) {
  if (status == said_) return;
  said_ = status;
  Say("STATUS=" + status);
}

void Supervision::Say(const std::string& state) const {
  if (heard_) sd_notify(0, state.c_str());
}

}  // namespace blobd::daemon
