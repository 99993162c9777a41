#include "path/silence_detector.h"

#include <algorithm>

namespace blobd::path {

void SilenceDetector::Want(Instant now) {
  if (state_ != State::kIdle) return;
  state_ = State::kListening;
  since_ = now;
}

void SilenceDetector::Unwant() { state_ = State::kIdle; }

void SilenceDetector::Heard(Instant now) {
  if (state_ == State::kIdle) return;
  state_ = State::kListening;
  since_ = now;
}

void SilenceDetector::Moved(Instant now) { Heard(now); }

SilenceDetector::Advice SilenceDetector::Check(Instant now, Duration rtt) {
  const std::optional<Instant> deadline = NextDeadline(rtt);
  if (!deadline || now < *deadline) return Advice::kNothing;
  since_ = now;
  switch (state_) {
    case State::kIdle:
      return Advice::kNothing;
    case State::kListening:
      state_ = State::kAsking;
      return Advice::kPing;
    case State::kAsking:
      state_ = State::kDark;
      return Advice::kWentDark;
    case State::kDark:
      return Advice::kPing;
  }
  return Advice::kNothing;
}

std::optional<Instant> SilenceDetector::NextDeadline(Duration rtt) const {
  switch (state_) {
    case State::kIdle:
      return std::nullopt;
    case State::kListening:
      return since_ + SilenceOf(rtt);
    case State::kAsking:
      return since_ + PatienceOf(rtt);
    case State::kDark:
      return since_ + kAskAgain;
  }
  return std::nullopt;
}

Duration SilenceDetector::SilenceOf(Duration rtt) {
  return std::max(kLeastSilence, rtt * kRttsOfSilence);
}

Duration SilenceDetector::PatienceOf(Duration rtt) {
  return std::max(kLeastPatience, rtt * kRttsOfPatience);
}

}  // namespace blobd::path
