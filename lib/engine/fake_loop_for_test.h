// FakeLoop: a loop that turns by hand, under a virtual clock. Test code only.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "base/task.h"
#include "base/timers.h"

namespace blobd::engine {

class FakeLoop final : public Executor, public Timers, public Clock {
 public:
  void Post(Task task) override { tasks_.push_back(std::move(task)); }
  Instant Now() const override { return now_; }
  WallTime WallNow() const override { return WallTime{1'700'000'000'000} + (now_ - Instant{}); }
  TimerId AddTimer(Instant at, Task task) override {
    timers_.emplace(std::make_pair(at, next_), std::move(task));
    return next_++;
  }
  bool CancelTimer(TimerId id) override {
    for (auto it = timers_.begin(); it != timers_.end(); ++it) {
      if (it->first.second != id) continue;
      timers_.erase(it);
      return true;
    }
    return false;
  }

  size_t timers() const { return timers_.size(); }

  // Runs what is posted until nothing is.
  void Settle() {
    while (!tasks_.empty()) {
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
  }
  // Lets `time` pass, with every timer on its way.
  void Advance(Duration time) {
    const Instant end = now_ + time;
    Settle();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      auto node = timers_.extract(timers_.begin());
      now_ = std::max(now_, node.key().first);
      node.mapped()();
      Settle();
    }
    now_ = end;
  }

 private:
  Instant now_{seconds(1000)};
  std::deque<Task> tasks_;
  std::map<std::pair<Instant, TimerId>, Task> timers_;
  TimerId next_ = 1;
};

}  // namespace blobd::engine
