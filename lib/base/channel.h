// Channel: a bounded queue of moved values between threads, with a small local backlog on the
// sender's side (design/transfers.md, "Back-pressure between parts of the daemon").
//
// A value that finds the channel full goes into the backlog; from then on everything goes behind
// it, so order is kept. The consumer's progress moves backlog into the channel. A backlog at its
// cap is a stall: the value is refused and the one who stalls pays (the caller of Send decides
// how). A cap of 0 means no backlog: a full channel is a stall at once. Closed is told apart from
// full.
//
// Thread:    any thread may send, receive or close. The wake executor is where the consumer runs.
// Ownership: values are moved in and out; what is left when the channel goes away is destroyed with
//            it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "base/task.h"

namespace blobd {

enum class SendOutcome { kSent, kBacklogged, kStalled, kClosed };

struct ChannelStats {
  size_t depth = 0;     // values in the channel
  size_t backlog = 0;   // values behind it
  uint64_t stalls = 0;  // values refused because the backlog was at its cap
};

template <typename T>
class Channel {
 public:
  struct Options {
    size_t capacity = 32;  // at least 1
    size_t backlog_cap = 256;
  };

  explicit Channel(Options options) : options_(options) { BLOBD_CHECK(options.capacity > 0); }

  // `wake` is posted to `consumer` when the channel goes from empty to not empty, and when it is
  // closed; wake-ups coalesce. Set once, before the first Send.
  void SetConsumer(Executor* consumer, std::shared_ptr<UniqueFunction<void()>> wake) {
    const MutexLock lock(mutex_);
    consumer_ = consumer;
    wake_ = std::move(wake);
  }

  SendOutcome Send(T value) {
    const MutexLock lock(mutex_);
    if (closed_) return SendOutcome::kClosed;
    if (backlog_.empty() && values_.size() < options_.capacity) {
      values_.push_back(std::move(value));
      if (values_.size() == 1) Wake();
      return SendOutcome::kSent;
    }
    if (backlog_.size() >= options_.backlog_cap) {
      ++stalls_;
      return SendOutcome::kStalled;
    }
    backlog_.push_back(std::move(value));
    return SendOutcome::kBacklogged;
  }

  // The oldest value, or nullopt when there is none now. After Close, what was sent before still
  // comes.
  std::optional<T> Receive() {
    const MutexLock lock(mutex_);
    if (values_.empty()) return std::nullopt;
    std::optional<T> value(std::move(values_.front()));
    values_.pop_front();
    while (!backlog_.empty() && values_.size() < options_.capacity) {
      values_.push_back(std::move(backlog_.front()));
      backlog_.pop_front();
    }
    return value;
  }

  void Close() {
    const MutexLock lock(mutex_);
    if (std::exchange(closed_, true)) return;
    Wake();
  }

  // True when nothing will ever come again: closed and drained.
  bool finished() const {
    const MutexLock lock(mutex_);
    return closed_ && values_.empty();
  }
  ChannelStats stats() const {
    const MutexLock lock(mutex_);
    return {values_.size(), backlog_.size(), stalls_};
  }

 private:
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (consumer_ == nullptr || wake_ == nullptr) return;
    consumer_->Post([wake = wake_] { (*wake)(); });
  }

  const Options options_;
  mutable Mutex mutex_;
  std::deque<T> values_ ABSL_GUARDED_BY(mutex_);
  std::deque<T> backlog_ ABSL_GUARDED_BY(mutex_);  // empty unless values_ is at capacity
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t stalls_ ABSL_GUARDED_BY(mutex_) = 0;
  Executor* consumer_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::shared_ptr<UniqueFunction<void()>> wake_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace blobd
