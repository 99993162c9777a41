#include "transfer/path_watch.h"

#include <algorithm>
#include <utility>

namespace blobd::transfer {

PathWatch::News PathWatch::Look(const quic::PathState& path, bool wanted, Instant now) {
  News news;
  if (address_ != path.address) {
    if (address_) {
      silence_.Moved(now);
      wanted_since_ = now;
      settled_ = now + kSettle;
    }
    address_ = path.address;
    sampled_ = 0;
  }
  if (!wanted) {
    wanted_ = false;
    silence_.Unwant();
    return news;
  }
  if (!std::exchange(wanted_, true)) wanted_since_ = now;
  silence_.Want(now);
  if (path.heard > heard_) {
    heard_ = path.heard;
    // When it was, not when we look; but what was not heard before it was wanted is no silence.
    silence_.Heard(std::max(heard_, wanted_since_));
    if (now >= settled_) Sample(path.rtt);
    last_rtt_ = path.rtt;
    const auto end = samples_.begin() + static_cast<ptrdiff_t>(std::min(sampled_, kSamples));
    if (end != samples_.begin()) news.rtt = *std::min_element(samples_.begin(), end);
  }
  // The endpoint asks by itself: what it dialled is kept alive each second.
  news.went_dark = silence_.Check(now, path.rtt) == path::SilenceDetector::Advice::kWentDark;
  return news;
}

void PathWatch::Sample(Duration rtt) {
  if (rtt > Duration::zero() && rtt != last_rtt_) samples_[sampled_++ % kSamples] = rtt;
}

}  // namespace blobd::transfer
