#include "faults.h"

namespace blobd::sim {
namespace {

double UpTo(Rng& rng, double most) {
  // Half of the histories do not have a given fault at all.
  if (rng.Chance(0.5)) return 0;
  return most * static_cast<double>(rng.Below(1000)) / 1000.0;
}

Character DrawCharacter(Rng& rng) {
  static constexpr Character kAll[] = {
      Character::kHonest,  Character::kSlow,   Character::kDead, Character::kFlapping,
      Character::kWithout, Character::kLiar,   Character::kBusy, Character::kLossy,
      Character::kPartial, Character::kGrowing};
  return kAll[rng.Below(std::size(kAll))];
}

uint32_t Between(Rng& rng, uint32_t low, uint32_t high) {
  return low + static_cast<uint32_t>(rng.Below(high - low + 1));
}

}  // namespace

schedule::Limits DrawLimits(Rng& rng) {
  schedule::Limits limits;
  limits.requests = Between(rng, 1, 8);
  limits.requests_per_node = Between(rng, 1, 4);
  limits.connections = Between(rng, 1, 6);
  limits.dials_per_hash = Between(rng, 1, 4);
  return limits;
}

WorldOptions WorldOptions::Draw(uint64_t seed) {
  Rng rng(seed * 0x9e3779b97f4a7c15u + 1);
  WorldOptions options;
  options.seed = seed;
  options.steps = Between(rng, 150, 400);
  options.hashes = Between(rng, 1, 24);
  const uint32_t nodes = Between(rng, 1, 9);
  for (uint32_t i = 0; i < nodes; ++i) {
    options.nodes.push_back(i == 0 ? Character::kHonest : DrawCharacter(rng));
  }
  const uint32_t mirrors = Between(rng, 0, 2);
  for (uint32_t i = 0; i < mirrors; ++i) options.mirrors.push_back(DrawCharacter(rng));
  options.limits = DrawLimits(rng);
  options.between_actions = rng.Between(milliseconds(1), seconds(4));
  options.ends_with_drain = rng.Chance(0.25);
  options.store_fails = UpTo(rng, 0.1);
  options.store_has_it = UpTo(rng, 0.3);
  options.local_fault = UpTo(rng, 0.2);
  options.breaks = UpTo(rng, 0.3);
  options.impossible = UpTo(rng, 0.05);
  options.late_answers = UpTo(rng, 0.5);
  options.queue_weight = 0.3 + 0.4 * static_cast<double>(rng.Below(1000)) / 1000.0;
  options.change_limits = UpTo(rng, 0.1);
  options.deadline = UpTo(rng, 0.3);
  options.no_patience = UpTo(rng, 0.5);
  options.short_patience = UpTo(rng, 0.5);
  options.names_nobody = UpTo(rng, 0.4);
  options.pause = UpTo(rng, 0.2);
  options.cancels = UpTo(rng, 0.1);
  options.news = UpTo(rng, 0.1);
  options.holds = UpTo(rng, 0.3);
  options.parts = rng.Chance(0.7);
  options.scale = rng.Chance(0.3) ? 4 : 1;
  options.arrivals = UpTo(rng, 0.15);
  options.crash = UpTo(rng, 0.02);
  if (rng.Chance(0.3)) options.standing = Between(rng, 1, nodes);
  return options;
}

}  // namespace blobd::sim
