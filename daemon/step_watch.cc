#include "daemon/step_watch.h"

#include <sys/resource.h>

#include <utility>

#include "loop/thread_name.h"

namespace blobd::daemon {

uint64_t DiskWork() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<uint64_t>(usage.ru_inblock) + static_cast<uint64_t>(usage.ru_oublock);
}

StepWatch::StepWatch(Options options, std::function<void()> goes_on)
    : options_(std::move(options)), goes_on_(std::move(goes_on)), seen_(options_.work()) {
  auto loop = loop::Loop::Create();
  if (!loop.ok()) return;
  loop_ = *std::move(loop);
  loop_->AddTimer(loop_->Now() + options_.interval, [this] { Look(); });
  thread_ = loop::NamedThread("watchdog", [this] { loop_->Run(); });
}

StepWatch::~StepWatch() {
  if (loop_ == nullptr) return;
  loop_->Stop();
  thread_.join();
}

void StepWatch::Look() {
  const uint64_t now = options_.work();
  if (std::exchange(seen_, now) != now) goes_on_();
  loop_->AddTimer(loop_->Now() + options_.interval, [this] { Look(); });
}

}  // namespace blobd::daemon
