// World, callers' part: they queue, cancel, queue again, name providers and change limits.
#include <iterator>

#include "world.h"

namespace blobd::sim {

using namespace schedule;

Hash World::DrawHash() {
  Hash hash;
  hash.bytes[0] = static_cast<uint8_t>(rng_.Below(options_.hashes) + 1);
  return hash;
}

Priority World::DrawPriority() { return static_cast<Priority>(rng_.Below(3)); }

std::vector<ProviderId> World::DrawProviders() {
  std::vector<ProviderId> providers;
  if (rng_.Chance(options_.names_nobody)) return providers;
  const uint64_t count = 1 + rng_.Below(4);
  for (uint64_t i = 0; i < count; ++i)
    providers.push_back(providers_[rng_.Below(providers_.size())]);
  return providers;
}

void World::QueueSomething() {
  Queue queue;
  queue.id = IntentId{next_intent_++};
  queue.kind.hash = DrawHash();
  queue.kind.format = rng_.Chance(0.3) ? BlobFormat::kHashSeq : BlobFormat::kRaw;
  // Often what somebody else wants already.
  const std::vector<IntentId> open = checkers_.OpenIntents();
  if (!open.empty() && rng_.Chance(0.3)) {
    queue.kind = *checkers_.KindOf(open[rng_.Below(open.size())]);
  }
  queue.providers = DrawProviders();
  queue.priority = DrawPriority();
  if (rng_.Chance(options_.deadline)) {
    queue.deadline = now_ + rng_.Between(Duration(0), minutes(5));
  }
  if (rng_.Chance(options_.no_patience)) {
    queue.patience = Duration(0);
  } else if (rng_.Chance(options_.short_patience)) {
    queue.patience = rng_.Between(milliseconds(1), minutes(2));
  }
  Deliver(queue);
  // As when the commit failed.
  if (rng_.Chance(0.02)) return Deliver(Withdraw{queue.id});
  if (rng_.Chance(2 * options_.pause)) Deliver(SetPaused{queue.id, true});
}

TransferId World::SomeTransfer() {
  const auto at = static_cast<std::ptrdiff_t>(rng_.Below(transfers_.size()));
  return std::next(transfers_.begin(), at)->first;
}

// Also one that has ended, or has yet to come.
void World::CancelSomeTransfer() {
  if (transfers_.empty() || rng_.Chance(0.1)) {
    return Deliver(CancelTransfer{TransferId{1 + rng_.Below(scheduler_->next_transfer_id() + 3)}});
  }
  Deliver(CancelTransfer{SomeTransfer()});
}

void World::PauseSomething() {
  const std::vector<IntentId> open = checkers_.OpenIntents();
  if (open.empty() || rng_.Chance(0.2)) {
    all_paused_ = !all_paused_;
    return Deliver(SetPaused{std::nullopt, all_paused_});
  }
  Deliver(SetPaused{open[rng_.Below(open.size())], rng_.Chance(0.6)});
}

void World::TellNews() {
  switch (rng_.Below(5)) {
    case 0:
      return Deliver(PathNews{node_ids_[rng_.Below(node_ids_.size())]});
    case 1:
      return Deliver(NetworkBack{});
    case 2:
      return Deliver(DiskRoom{});
    case 3:
      // Never the first one, which has everything in the end.
      return Deliver(BanWanted{providers_[1 + rng_.Below(providers_.size() - 1)],
                               rng_.Between(seconds(1), hours(1)), "unwanted"});
    default:
      return Deliver(Unban{providers_[rng_.Below(providers_.size())]});
  }
}

void World::Act() {
  if (rng_.Chance(options_.crash)) return Crash();
  if (rng_.Chance(options_.arrivals) && !transfers_.empty()) {
    const FakeTransfer& fake = transfers_.at(SomeTransfer());
    const uint64_t to = std::min(LengthOf(fake.start.kind), fake.position + rng_.Below(9 << 20));
    if (to <= fake.position) return;
    have_[fake.start.kind].Insert({fake.position, to});
    return Deliver(Arrived{fake.start.request, {fake.position, to}});
  }
  if (rng_.Chance(options_.pause)) return PauseSomething();
  if (rng_.Chance(options_.cancels)) return CancelSomeTransfer();
  if (rng_.Chance(options_.news)) return TellNews();
  if (rng_.Chance(options_.change_limits)) return Deliver(SetLimits{DrawLimits(rng_)});
  if (rng_.Chance(options_.queue_weight)) return QueueSomething();
  const std::vector<IntentId> open = checkers_.OpenIntents();
  if (rng_.Chance(0.5) || open.empty()) {
    const Hash hash = DrawHash();
    return Deliver(NodesHave{hash, DrawProviders()});
  }
  const IntentId victim = open[rng_.Below(open.size())];
  const Kind kind = *checkers_.KindOf(victim);
  Deliver(Cancel{victim});
  if (rng_.Chance(0.1)) Deliver(Cancel{victim});
  if (rng_.Chance(0.3)) {
    Queue again;
    again.id = IntentId{next_intent_++};
    again.kind = kind;
    again.providers = DrawProviders();
    Deliver(again);
  }
}

}  // namespace blobd::sim
