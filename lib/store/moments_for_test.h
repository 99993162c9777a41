// Copies of a state directory, taken at every call that changes it. Used by tests only.
#pragma once

#include <atomic>
#include <filesystem>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace blobd::store {

// The state directory as kill -9 would leave it, at every call that changes something.
class Moments {
 public:
  struct Moment {
    std::string directory;
    bool is_answered;  // what was asked for had been answered
  };

  Moments(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}
  void Start() { is_on_ = true; }
  void Stop() { is_on_ = false; }
  void SetAnswered() { is_answered_ = true; }
  void Take() {
    const std::lock_guard lock(mutex_);
    if (!is_on_) return;
    const std::string directory = to_ + "/" + std::to_string(taken_.size());
    std::filesystem::copy(from_, directory, std::filesystem::copy_options::recursive);
    std::filesystem::remove(directory + "/store.db-shm");
    taken_.push_back({directory, is_answered_});
  }
  const std::vector<Moment>& taken() const { return taken_; }

 private:
  const std::string from_;
  const std::string to_;
  std::mutex mutex_;
  std::atomic<bool> is_on_ = false;
  std::atomic<bool> is_answered_ = false;
  std::vector<Moment> taken_;
};

}  // namespace blobd::store
