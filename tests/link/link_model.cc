#include "link_model.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "base/check.h"

namespace blobd::link {

void LinkModel::Set(Instant now, const Settings& settings) {
  DrainQueue(now);
  settings_ = settings;
}

void LinkModel::SetDark(Instant now, bool dark) {
  DrainQueue(now);
  dark_ = dark;
  if (!dark) return;
  for (const Count* held : {&stats_.waiting, &stats_.in_flight}) {
    stats_.dropped_dark.Add(held->packets, held->bytes);
  }
  stats_.waiting = {};
  stats_.in_flight = {};
  queue_.clear();
  flight_.clear();
  late_.clear();
  last_due_ = now;
}

void LinkModel::Offer(Instant now, Packet packet) {
  DrainQueue(now);
  const uint64_t bytes = packet.wire_bytes();
  stats_.offered.Add(packet.segments(), bytes);
  if (dark_) {
    stats_.dropped_dark.Add(packet.segments(), bytes);
    return;
  }
  const size_t fitting = FittingSegments(packet);
  if (fitting < packet.segments()) {
    const size_t over = packet.segments() - fitting;
    stats_.dropped_queue.Add(over, packet.wire_bytes(fitting, over));
    if (fitting == 0) return;
    packet = packet.Slice(0, fitting);
  }
  stats_.waiting.Add(fitting, packet.wire_bytes());
  queue_.push_back({now, std::move(packet), 0});
  DrainQueue(now);
}

std::optional<Packet> LinkModel::Take(Instant now) {
  DrainQueue(now);
  std::optional<Packet> taken;
  if (LateOneIsNext()) {
    if (late_.front().due > now) return std::nullopt;
    std::pop_heap(late_.begin(), late_.end(), IsLater());
    taken = std::move(late_.back().packet);
    late_.pop_back();
  } else {
    if (flight_.empty() || flight_.front().due > now) return std::nullopt;
    taken = std::move(flight_.front().packet);
    flight_.pop_front();
  }
  stats_.in_flight.Subtract(taken->segments(), taken->wire_bytes());
  stats_.delivered.Add(taken->segments(), taken->wire_bytes());
  return taken;
}

std::optional<Instant> LinkModel::NextDue() const {
  std::optional<Instant> next;
  const auto consider = [&next](Instant due) { next = next ? std::min(*next, due) : due; };
  if (!flight_.empty()) consider(flight_.front().due);
  if (!late_.empty()) consider(late_.front().due);
  if (!queue_.empty()) {
    // With jitter the delay is not known before the dice are thrown, and may be none.
    const Duration delay = settings_.jitter > Duration::zero() ? Duration::zero() : settings_.delay;
    consider(NextPiece().left_at + delay);
  }
  return next;
}

uint64_t LinkModel::queue_limit_bytes() const {
  if (const auto* bytes = std::get_if<uint64_t>(&settings_.queue)) return *bytes;
  const double seconds = std::chrono::duration<double>(std::get<Duration>(settings_.queue)).count();
  const double bytes = seconds * static_cast<double>(settings_.rate);
  return static_cast<uint64_t>(std::min(bytes, static_cast<double>(kHeldBytesMax)));
}

Duration LinkModel::TimeOnWire(uint64_t bytes) const {
  if (settings_.rate == 0) return Duration::zero();
  return Duration(static_cast<int64_t>(bytes * 1'000'000'000 / settings_.rate));
}

size_t LinkModel::FittingSegments(const Packet& packet) const {
  // Counted in segments of full size; a shorter last one is not let in where they are refused.
  const auto that_fit = [&packet](uint64_t limit, uint64_t used) {
    const uint64_t room = limit - std::min(limit, used);
    if (packet.wire_bytes() <= room) return packet.segments();
    return std::min(static_cast<size_t>(room / packet.wire_bytes(0, 1)), packet.segments());
  };
  const size_t fitting = that_fit(kHeldBytesMax, stats_.waiting.bytes + stats_.in_flight.bytes);
  if (settings_.rate == 0) return fitting;
  // A queue shorter than one packet would let nothing pass.
  const size_t least = queue_.empty() ? 1 : 0;
  return std::min(fitting, std::max(least, that_fit(queue_limit_bytes(), stats_.waiting.bytes)));
}

LinkModel::Piece LinkModel::NextPiece() const {
  const Waiting& head = queue_.front();
  const size_t left = head.packet.segments() - head.sent;
  size_t segments = left;
  if (settings_.rate != 0 && left > 1) {
    const Duration each = TimeOnWire(head.packet.wire_bytes(head.sent, 1));
    const auto fitting = kPieceTimeMax / std::max(each, Duration(1));
    segments = std::clamp(static_cast<size_t>(fitting), size_t{1}, left);
  }
  const Instant begun = std::max(head.since, wire_free_at_);
  return {segments, begun + TimeOnWire(head.packet.wire_bytes(head.sent, segments))};
}

void LinkModel::DrainQueue(Instant now) {
  while (!queue_.empty()) {
    const Piece piece = NextPiece();
    if (piece.left_at > now) return;
    wire_free_at_ = piece.left_at;
    Waiting& head = queue_.front();
    Transmit(head, piece);
    if (head.sent == head.packet.segments()) queue_.pop_front();
  }
}

void LinkModel::Transmit(Waiting& head, const Piece& piece) {
  const size_t first = head.sent;
  const size_t end = first + piece.segments;
  head.sent = end;
  stats_.waiting.Subtract(piece.segments, head.packet.wire_bytes(first, piece.segments));
  const Instant due = std::max(piece.left_at + settings_.delay + DrawJitter(), last_due_);
  last_due_ = due;

  size_t run = first;  // where the segments begin that pass together
  const auto launch_run = [&](size_t run_end) {
    if (run_end > run) Launch(head.packet.Slice(run, run_end - run), due);
    run = run_end + 1;
  };
  for (size_t i = first; i < end; ++i) {
    const Fate fate = DrawFate();
    if (fate == Fate::kPasses) continue;
    const uint64_t bytes = head.packet.wire_bytes(i, 1);
    switch (fate) {
      case Fate::kPasses:
        break;
      case Fate::kLost:
        launch_run(i);
        stats_.dropped_loss.Add(1, bytes);
        break;
      case Fate::kLostInBurst:
        launch_run(i);
        stats_.dropped_burst.Add(1, bytes);
        break;
      case Fate::kCorrupted: {
        launch_run(i);
        stats_.corrupted.Add(1, bytes);
        Packet one = head.packet.Slice(i, 1);
        if (one.segments() == 1 && one.flippable_bits() > 0)
          one.FlipBit(rng_.Below(one.flippable_bits()));
        Launch(std::move(one), due);
        break;
      }
      case Fate::kReordered:
        launch_run(i);
        stats_.reordered.Add(1, bytes);
        stats_.in_flight.Add(1, bytes);
        late_.push_back({due + settings_.reorder_by, launched_++, head.packet.Slice(i, 1)});
        std::push_heap(late_.begin(), late_.end(), IsLater());
        break;
      case Fate::kDuplicated:
        launch_run(i);
        stats_.duplicated.Add(1, bytes);
        Launch(head.packet.Slice(i, 1), due);
        Launch(head.packet.Slice(i, 1), due);
        break;
    }
  }
  if (run == 0 && end == head.packet.segments()) {
    Launch(std::move(head.packet), due);
  } else {
    launch_run(end);
  }
}

LinkModel::Fate LinkModel::DrawFate() {
  // A die that cannot hit is not thrown: most packets of a fast link need none.
  const auto hits = [this](double probability) {
    return probability > 0 && rng_.Chance(probability);
  };
  if (burst_) {
    burst_ = !hits(settings_.burst_leave);
  } else {
    burst_ = hits(settings_.burst_enter);
  }
  if (hits(settings_.loss)) return Fate::kLost;
  if (burst_ && hits(settings_.burst_loss)) return Fate::kLostInBurst;
  if (hits(settings_.corrupt)) return Fate::kCorrupted;
  if (hits(settings_.reorder)) return Fate::kReordered;
  if (hits(settings_.duplicate)) return Fate::kDuplicated;
  return Fate::kPasses;
}

Duration LinkModel::DrawJitter() {
  if (settings_.jitter == Duration::zero()) return Duration::zero();
  Duration jitter{0};
  switch (settings_.jitter_shape) {
    case JitterShape::kUniform:
      jitter = rng_.Between(-settings_.jitter, settings_.jitter);
      break;
    case JitterShape::kNormal: {
      // Box and Muller, "A note on the generation of random normal deviates", 1958.
      const double radius = static_cast<double>((rng_.Next() >> 11) + 1) * 0x1.0p-53;
      const double angle = static_cast<double>(rng_.Next() >> 11) * 0x1.0p-53;
      const double normal =
          std::sqrt(-2 * std::log(radius)) * std::cos(2 * std::numbers::pi * angle);
      jitter =
          Duration(static_cast<int64_t>(normal * static_cast<double>(settings_.jitter.count())));
      break;
    }
  }
  return std::max(jitter, -settings_.delay);
}

void LinkModel::Launch(Packet packet, Instant due) {
  stats_.in_flight.Add(packet.segments(), packet.wire_bytes());
  flight_.push_back({due, launched_++, std::move(packet)});
}

bool LinkModel::LateOneIsNext() const {
  if (late_.empty()) return false;
  return flight_.empty() || IsLater()(flight_.front(), late_.front());
}

void LinkModel::CheckInvariants() const {
  Count ended = stats_.delivered;
  for (const Count* part : {&stats_.dropped_queue, &stats_.dropped_loss, &stats_.dropped_burst,
                            &stats_.dropped_dark, &stats_.waiting, &stats_.in_flight}) {
    ended.Add(part->packets, part->bytes);
  }
  Count begun = stats_.offered;
  begun.Add(stats_.duplicated.packets, stats_.duplicated.bytes);
  BLOBD_CHECK(ended == begun);

  Count waiting;
  for (const Waiting& one : queue_) {
    const size_t left = one.packet.segments() - one.sent;
    BLOBD_CHECK(left > 0);
    waiting.Add(left, one.packet.wire_bytes(one.sent, left));
  }
  BLOBD_CHECK(waiting == stats_.waiting);
  Count in_flight;
  for (const Flying& one : flight_) in_flight.Add(one.packet.segments(), one.packet.wire_bytes());
  for (const Flying& one : late_) in_flight.Add(one.packet.segments(), one.packet.wire_bytes());
  BLOBD_CHECK(in_flight == stats_.in_flight);
  BLOBD_CHECK(std::is_sorted(flight_.begin(), flight_.end(),
                             [](const Flying& a, const Flying& b) { return IsLater()(b, a); }));
  BLOBD_CHECK(!dark_ || (queue_.empty() && flight_.empty() && late_.empty()));
}

}  // namespace blobd::link
