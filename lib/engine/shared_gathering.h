// SharedGathering: one gathering at a time for all who ask what is protected. Who asks while one is
// under way is answered by the next, together with all others who wait: so none is answered with
// less than was protected when it asked, and there is never more than one in memory.
//
// Thread:    the control loop.
// Ownership: outlives what it waits for.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "base/error_reason.h"
#include "base/status.h"
#include "base/task.h"
#include "engine/gathering.h"

namespace blobd::engine {

class SharedGathering {
 public:
  // For use in the turn in which it is called.
  using Answer = UniqueFunction<void(StatusOr<const Gathering*>)>;

  // `make`: a gathering that has not begun.
  explicit SharedGathering(std::function<std::shared_ptr<Gathering>()> make)
      : make_(std::move(make)) {}

  // kResourceExhausted at once: too many wait. Other errors are those of the gathering.
  void Ask(Answer answer) {
    if (waiting_.size() >= kMaxWaiting) {
      return answer(ErrorFor(Reason::kTooManyCalls, "{} such calls are waiting; try again soon",
                             kMaxWaiting));
    }
    waiting_.push_back(std::move(answer));
    if (!is_running_) Next();
  }

 private:
  static constexpr size_t kMaxWaiting = 1024;

  void Next() {
    if (waiting_.empty()) return;
    is_running_ = true;
    auto gathering = make_();
    gathering->Start(
        [this, gathering, answers = std::exchange(waiting_, {})](const Status& status) mutable {
          for (Answer& answer : answers) {
            status.ok() ? answer(gathering.get()) : answer(status);
          }
          gathering = nullptr;
          is_running_ = false;
          Next();
        });
  }

  const std::function<std::shared_ptr<Gathering>()> make_;
  std::vector<Answer> waiting_;
  bool is_running_ = false;
};

}  // namespace blobd::engine
