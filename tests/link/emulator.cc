#include "emulator.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <span>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/overloaded.h"

namespace blobd::link {
namespace {

// Packets read from one device before the others have their turn.
constexpr int kReadBatch = 64;
// An IP packet is at most 65535 bytes, and a super-packet no more unless a device was told so.
constexpr size_t kBufferBytes = 128 * kKiB;

// FNV-1a over the name, so that a direction's dice depend on nothing but seed and names.
uint64_t SeedOf(uint64_t seed, std::string_view link, std::string_view direction) {
  uint64_t hash = 0xcbf29ce484222325u ^ seed;
  for (const std::string_view part : {link, direction}) {
    for (const char c : part) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  }
  return hash;
}

std::string ToJson(const Count& count) {
  return fmt::format(R"({{"packets":{},"bytes":{}}})", count.packets, count.bytes);
}

std::string ToJson(const struct Stats& stats, uint64_t refused, uint64_t missed) {
  return fmt::format(
      R"({{"offered":{},"delivered":{},"dropped_queue":{},"dropped_loss":{},"dropped_burst":{},)"
      R"("dropped_dark":{},"corrupted":{},"duplicated":{},"reordered":{},"waiting":{},)"
      R"("in_flight":{},"refused":{},"missed":{}}})",
      ToJson(stats.offered), ToJson(stats.delivered), ToJson(stats.dropped_queue),
      ToJson(stats.dropped_loss), ToJson(stats.dropped_burst), ToJson(stats.dropped_dark),
      ToJson(stats.corrupted), ToJson(stats.duplicated), ToJson(stats.reordered),
      ToJson(stats.waiting), ToJson(stats.in_flight), refused, missed);
}

// Waits until one of them can be read; false if that was not so before `deadline`.
bool Poll(std::span<pollfd> polled, Instant deadline) {
  const Duration left = std::max(deadline - SystemClock().Now(), Duration::zero());
  const timespec timeout = {.tv_sec = left.count() / 1'000'000'000,
                            .tv_nsec = left.count() % 1'000'000'000};
  const bool is_forever = deadline == Instant::Max();
  const int ready = ppoll(polled.data(), polled.size(), is_forever ? nullptr : &timeout, nullptr);
  // Only a signal ends it early; everything else would be a bug in the arguments.
  BLOBD_CHECK(ready >= 0 || errno == EINTR);
  return ready > 0;
}

}  // namespace

Emulator::Emulator(uint64_t seed) : seed_(seed), buffer_(kBufferBytes) {}

StatusOr<std::string> Emulator::Execute(const Command& command) {
  const Instant now = SystemClock().Now();
  return std::visit(Overloaded{[&](const MakeLink& make) -> StatusOr<std::string> {
                                 BLOBD_RETURN_IF_ERROR(Make(make.spec));
                                 return std::string();
                               },
                               [&](const ChangeSettings& change) -> StatusOr<std::string> {
                                 BLOBD_ASSIGN_OR_RETURN(Link* const link, Find(change.link));
                                 const auto apply = [&](LinkModel& model) {
                                   Settings settings = model.settings();
                                   for (const auto& one : change.changes) one(settings);
                                   model.Set(now, settings);
                                 };
                                 if (change.directions.a_to_b) apply(link->a_to_b.model);
                                 if (change.directions.b_to_a) apply(link->b_to_a.model);
                                 return std::string();
                               },
                               [&](const SetDark& set) -> StatusOr<std::string> {
                                 BLOBD_ASSIGN_OR_RETURN(Link* const link, Find(set.link));
                                 if (set.directions.a_to_b)
                                   link->a_to_b.model.SetDark(now, set.dark);
                                 if (set.directions.b_to_a)
                                   link->b_to_a.model.SetDark(now, set.dark);
                                 return std::string();
                               },
                               [&](const ReportStats& report) { return Stats(report.link); },
                               [&](const Quit&) -> StatusOr<std::string> {
                                 quit_ = true;
                                 return std::string();
                               }},
                    command);
}

Status Emulator::Make(const LinkSpec& spec) {
  if (links_.contains(spec.name)) return AlreadyExists("link {} is there already", spec.name);
  BLOBD_ASSIGN_OR_RETURN(TunDevice a, TunDevice::Open(spec, spec.a, spec.b));
  BLOBD_ASSIGN_OR_RETURN(TunDevice b, TunDevice::Open(spec, spec.b, spec.a));
  links_[spec.name] = std::make_unique<Link>(Link{std::move(a), std::move(b),
                                                  Direction(SeedOf(seed_, spec.name, "a>b")),
                                                  Direction(SeedOf(seed_, spec.name, "b>a"))});
  return OkStatus();
}

StatusOr<Emulator::Link*> Emulator::Find(const std::string& name) {
  const auto found = links_.find(name);
  if (found == links_.end()) return NotFound("no link {}", name);
  return found->second.get();
}

StatusOr<std::string> Emulator::Stats(const std::string& name) {
  BLOBD_ASSIGN_OR_RETURN(Link* const link, Find(name));
  BLOBD_ASSIGN_OR_RETURN(const uint64_t missed_a, link->a.missed());
  BLOBD_ASSIGN_OR_RETURN(const uint64_t missed_b, link->b.missed());
  return fmt::format(R"({{"a>b":{},"b>a":{}}})",
                     ToJson(link->a_to_b.model.stats(), link->a_to_b.refused, missed_a),
                     ToJson(link->b_to_a.model.stats(), link->b_to_a.refused, missed_b));
}

int Emulator::ReadBatch(TunDevice& from, Direction& direction) {
  for (int i = 0; i < kReadBatch; ++i) {
    const size_t size = from.Read(buffer_);
    if (size == 0) return i;
    std::optional<Packet> packet = Packet::FromDevice(ByteView(buffer_).first(size));
    if (packet) direction.model.Offer(SystemClock().Now(), std::move(*packet));
  }
  return kReadBatch;
}

void Emulator::ReadAll() {
  // Bounded by what a device holds: a sender that never rests must not keep us here.
  const auto read_all = [this](TunDevice& from, Direction& direction) {
    for (uint32_t left = kDeviceQueuePackets; left >= kReadBatch; left -= kReadBatch) {
      if (ReadBatch(from, direction) < kReadBatch) return;
    }
  };
  for (auto& [name, link] : links_) {
    read_all(link->a, link->a_to_b);
    read_all(link->b, link->b_to_a);
  }
}

bool Emulator::Deliver(Instant now) {
  bool delivered = false;
  const auto deliver = [&](Direction& direction, TunDevice& to) {
    while (std::optional<Packet> packet = direction.model.Take(now)) {
      if (!to.Write(packet->raw())) direction.refused += packet->segments();
      delivered = true;
    }
  };
  for (auto& [name, link] : links_) {
    deliver(link->a_to_b, link->b);
    deliver(link->b_to_a, link->a);
  }
  return delivered;
}

Instant Emulator::NextDue() const {
  Instant next = Instant::Max();
  for (const auto& [name, link] : links_) {
    for (const Direction* direction : {&link->a_to_b, &link->b_to_a}) {
      if (const auto due = direction->model.NextDue()) next = std::min(next, *due);
    }
  }
  return next;
}

Emulator::Wake Emulator::RunUntil(Instant deadline, int control_fd) {
  std::vector<pollfd> polled = {{control_fd, POLLIN, 0}};
  const auto end = [this](Wake wake) {
    ReadAll();
    Deliver(SystemClock().Now());
    return wake;
  };
  std::vector<Link*> links;  // with devices 1 and 2, 3 and 4 ... of `polled`
  for (auto& [name, link] : links_) {
    polled.push_back({link->a.fd(), POLLIN, 0});
    polled.push_back({link->b.fd(), POLLIN, 0});
    links.push_back(link.get());
  }
  Instant moved_at = {};  // when the last packet came or went
  int most_read = 0;
  for (;;) {
    const Instant now = SystemClock().Now();
    const bool moved = Deliver(now) || most_read > 0;
    if (now >= deadline) return end(Wake::kDeadline);
    // A nap is over a little late, and what moves then still belongs to the same traffic.
    const bool is_busy = moved && now - moved_at < kNap + kNap / 4;
    if (moved) moved_at = now;
    // A full batch may not have been all that there was to read.
    if (is_busy && most_read < kReadBatch) {
      const Instant nap_end = std::min(now + kNap, deadline);
      if (Poll(std::span(polled).first(1), nap_end)) return end(Wake::kControl);
    }
    most_read = 0;
    if (!Poll(polled, std::min(deadline, NextDue()))) continue;
    for (size_t i = 0; i < links.size(); ++i) {
      Link& link = *links[i];
      if (polled[2 * i + 1].revents != 0)
        most_read = std::max(most_read, ReadBatch(link.a, link.a_to_b));
      if (polled[2 * i + 2].revents != 0)
        most_read = std::max(most_read, ReadBatch(link.b, link.b_to_a));
    }
    if (polled[0].revents != 0) return end(Wake::kControl);
  }
}

}  // namespace blobd::link
