#include "lookup/swarm_rhythm.h"

#include <algorithm>

namespace blobd::lookup {

SwarmRhythm::SwarmRhythm(const Options& options, Rng& rng, Instant now)
    : options_(options), rng_(rng), next_(now), may_answer_(now) {}

void SwarmRhythm::BeQuiet(Instant now) {
  answering_ = false;
  const Duration spread = options_.cadence * size_ / 10;
  next_ = now + options_.cadence + rng_.Between(Duration::zero(), spread);
}

void SwarmRhythm::Prepare(Instant now) {
  answering_ = true;
  heard_ = 0;
  if (answered_last_) {
    extra_ = kAnswerTime * std::min<size_t>(size_ / options_.enough, 10);
  } else {
    extra_ = std::max(extra_ - kAnswerTime, Duration::zero());
  }
  answered_last_ = false;
  const Duration spread = kAnswerTime * size_ / options_.enough;
  next_ = std::max(now + extra_ + rng_.Between(Duration::zero(), spread), may_answer_);
}

void SwarmRhythm::Asked(Instant now) {
  if (!answering_) Prepare(now);
}

void SwarmRhythm::Answered(size_t peers, Instant now) {
  if (!answering_) return;
  heard_ += peers;
  if (heard_ >= options_.enough) BeQuiet(now);
}

void SwarmRhythm::AskSoon(Instant now) {
  if (!answering_) next_ = std::min(next_, now);
}

SwarmRhythm::Act SwarmRhythm::Tick(Instant now) {
  if (now < next_) return Act::kNothing;
  if (!answering_) {
    Prepare(now);
    return Act::kAsk;
  }
  answered_last_ = true;
  may_answer_ = now + kLeastGap;
  BeQuiet(now);
  return Act::kAnswer;
}

}  // namespace blobd::lookup
