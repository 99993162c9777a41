#include "http/ramp.h"

#include <algorithm>

#include "base/check.h"

namespace blobd::http {

Ramp::Ramp(RampOptions options, uint64_t seed) : options_(options), rng_(seed) {
  BLOBD_CHECK(options.cap > 0 && options.batch > 0);
}

void Ramp::SetOptions(const RampOptions& options) {
  BLOBD_CHECK(options.cap > 0 && options.batch > 0);
  options_ = options;
  shrunk_ = std::min(shrunk_, options_.cap - 1);
}

void Ramp::Grow(Instant now) {
  while (shrunk_ > 0 && now >= regrow_at_) {
    --shrunk_;
    regrow_at_ = regrow_at_ + options_.regrow;
  }
}

uint32_t Ramp::cap(Instant now) {
  Grow(now);
  return options_.cap - shrunk_;
}

uint32_t Ramp::surplus(Instant now) {
  const uint32_t allowed = cap(now);
  return running_ > allowed ? running_ - allowed : 0;
}

bool Ramp::IsFresh(Instant now) {
  Grow(now);
  return running_ == 0 && shrunk_ == 0 && now >= idle_since_ + options_.forget;
}

bool Ramp::MayOpen(Instant now) {
  if (running_ >= cap(now)) return false;
  if (running_ == 0 && now >= idle_since_ + options_.forget) {
    level_ = 0;
    one_at_a_time_ = false;
  }
  if (!options_.ramp) return true;
  if (level_ == 0 && !one_at_a_time_) return running_ == 0;
  if (running_ < level_ || batch_left_ > 0) return true;
  return unconfirmed_ == 0 && now >= next_batch_;
}

std::optional<Instant> Ramp::NextOpening(Instant now) {
  if (MayOpen(now)) return now;
  if (running_ >= cap(now)) {
    // Full. If it was cut, it grows back with time alone.
    return shrunk_ > 0 ? std::optional(regrow_at_) : std::nullopt;
  }
  return unconfirmed_ == 0 ? std::optional(next_batch_) : std::nullopt;
}

void Ramp::OnOpened(Instant now) {
  if (running_ == 0) busy_since_ = now;
  if (options_.ramp && running_ >= level_) {
    if (batch_left_ == 0) batch_left_ = one_at_a_time_ || level_ == 0 ? 1 : options_.batch;
    --batch_left_;
  }
  ++running_;
  ++unconfirmed_;
}

void Ramp::OnDelivered(Instant now, Duration took) {
  BLOBD_CHECK(unconfirmed_ > 0);
  --unconfirmed_;
  const bool was_probe = level_ == 0;
  if (was_probe || first_byte_ == Duration::zero()) first_byte_ = took;
  level_ = std::max(level_, confirmed());
  // One that was already on its way when another failed proves nothing about the next.
  if (now - took > fell_back_) one_at_a_time_ = false;
  if (unconfirmed_ > 0) return;
  // The first batch follows the probe at once; pauses are between batches.
  EndBatch(was_probe && !options_.polite ? now : now + Pause());
}

void Ramp::OnClosed(Instant now, bool delivered, bool ours) {
  BLOBD_CHECK(running_ > 0 && (delivered || unconfirmed_ > 0));
  --running_;
  if (!delivered) --unconfirmed_;
  if (!delivered && !ours) {
    one_at_a_time_ = true;
    fell_back_ = now;
    // What delivers now is all that is proven.
    level_ = confirmed();
    if (shrunk_ + 1 < options_.cap) ++shrunk_;
    regrow_at_ = now + options_.regrow;
    EndBatch(now + Pause());
  } else if (!delivered && unconfirmed_ == 0) {
    EndBatch(now + Pause());
  }
  if (running_ == 0) idle_since_ = now;
}

void Ramp::EndBatch(Instant next) {
  batch_left_ = 0;
  next_batch_ = next;
}

Duration Ramp::Pause() {
  if (options_.polite) return rng_.Between(options_.polite_pause_min, options_.pause_max);
  return std::min(options_.pause_max, rng_.Between(first_byte_ * options_.pause_factor_min,
                                                   first_byte_ * options_.pause_factor_max));
}

bool Ramp::IsWorthIt(Instant now, uint64_t remaining, double bytes_per_second) const {
  if (running_ == 0) return true;
  if (bytes_per_second <= 0) return false;  // nothing is known that could be compared
  // Those that run bring the rest in `ends`; one more of their kind would take its share of it.
  const double ends = static_cast<double>(remaining) / bytes_per_second;
  const double saves = ends / (running_ + 1);
  const auto in_seconds = [](Duration d) { return std::chrono::duration<double>(d).count(); };
  if (options_.polite) {
    if (now < busy_since_ + options_.polite_wait) return false;
    if (ends <= in_seconds(options_.polite_remaining)) return false;
  }
  return saves > options_.worth_factor * in_seconds(first_byte_);
}

}  // namespace blobd::http
