#include "turns.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace blobd::faults {
namespace {

Turns* current = nullptr;

}  // namespace

void Turns::Queue::Post(Task task) {
  if (turns_ == nullptr) return;
  tasks_.push_back(std::move(task));
  if (tasks_.size() == 1) turns_->ready_.push_back(shared_from_this());
}

void Turns::Queue::Close() {
  if (turns_ != nullptr) std::erase(turns_->ready_, shared_from_this());
  turns_ = nullptr;
  // What a task owns may post when it goes away.
  std::exchange(tasks_, {}).clear();
}

Turns::Turns(Rng& rng) : rng_(rng) {
  BLOBD_CHECK(current == nullptr);
  current = this;
}

Turns::~Turns() {
  Drop();
  current = nullptr;
}

Turns& Turns::Current() {
  BLOBD_CHECK(current != nullptr);
  return *current;
}

std::shared_ptr<Turns::Queue> Turns::MakeQueue() {
  auto queue = std::make_shared<Queue>(*this);
  std::erase_if(all_, [](const std::weak_ptr<Queue>& other) { return other.expired(); });
  all_.push_back(queue);
  return queue;
}

bool Turns::RunOne() {
  if (ready_.empty()) return false;
  const size_t index = rng_.Below(ready_.size());
  const std::shared_ptr<Queue> queue = ready_[index];
  Task task = std::move(queue->tasks_.front());
  queue->tasks_.pop_front();
  if (queue->tasks_.empty()) {
    ready_[index] = ready_.back();
    ready_.pop_back();
  }
  task();
  return true;
}

void Turns::Drop() {
  for (const std::weak_ptr<Queue>& weak : std::exchange(all_, {})) {
    if (const std::shared_ptr<Queue> queue = weak.lock(); queue != nullptr) queue->Close();
  }
}

}  // namespace blobd::faults
