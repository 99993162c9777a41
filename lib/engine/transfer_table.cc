#include "engine/transfer_table.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace blobd::engine {
namespace {

TransferState StateOf(transfer::GetState state) {
  switch (state) {
    case transfer::GetState::kWaiting:
      return TransferState::kWaiting;
    case transfer::GetState::kRequesting:
      return TransferState::kRequesting;
    case transfer::GetState::kReceiving:
      return TransferState::kReceiving;
    case transfer::GetState::kVerifying:
      return TransferState::kVerifying;
  }
  return TransferState::kWaiting;
}

}  // namespace

void TransferTable::Start(TransferId id, const ProviderId& provider, const Kind& kind,
                          WallTime now) {
  Entry& entry = running_[id];
  entry.view.id = id;
  entry.view.provider = provider;
  entry.view.kind = kind;
  entry.view.started = now;
  if (const auto* node = std::get_if<NodeId>(&provider)) of_node_[*node].insert(id);
  of_kind_[kind].insert(id);
}

TransferTable::More TransferTable::Progress(TransferId id, const transfer::GetProgress& progress) {
  const auto it = running_.find(id);
  if (it == running_.end()) return {};
  TransferView& view = it->second.view;
  const uint64_t moved = progress.moved_bytes.value_or(progress.verified_bytes);
  const More more = {progress.verified_bytes - view.verified_bytes,
                     moved - std::exchange(it->second.moved_bytes, moved)};
  view.state = StateOf(progress.state);
  view.received_bytes = progress.received_bytes;
  view.verified_bytes = progress.verified_bytes;
  view.unproven_bytes = progress.unproven_bytes;
  view.total_bytes = progress.total_bytes.value_or(0);
  return more;
}

std::optional<TransferId> TransferTable::End(TransferId id, TransferState state, std::string reason,
                                             WallTime now) {
  auto entry = running_.extract(id);
  if (entry.empty()) return std::nullopt;
  TransferView view = std::move(entry.mapped().view);
  if (const auto* node = std::get_if<NodeId>(&view.provider)) {
    const auto of_node = of_node_.find(*node);
    of_node->second.erase(id);
    if (of_node->second.empty()) of_node_.erase(of_node);
  }
  const auto of_kind = of_kind_.find(view.kind);
  of_kind->second.erase(id);
  if (of_kind->second.empty()) of_kind_.erase(of_kind);
  view.state = state;
  view.reason = std::move(reason);
  view.finished = now;
  view.unproven_bytes = 0;
  return Keep(std::move(view));
}

void TransferTable::Restore(TransferView view) { Keep(std::move(view)); }

std::optional<TransferId> TransferTable::Keep(TransferView view) {
  const TransferId id = view.id;
  if (ended_.insert_or_assign(id, std::move(view)).second) order_of_ended_.push_back(id);
  if (order_of_ended_.size() <= kKeptEnded) return std::nullopt;
  const TransferId forgotten = order_of_ended_.front();
  ended_.erase(forgotten);
  order_of_ended_.pop_front();
  return forgotten;
}

bool TransferTable::SampleRates(Instant now, std::vector<TransferId>* changed) {
  for (auto& [id, entry] : running_) {
    const double before = entry.meter.rate();
    entry.meter.Sample(now, entry.moved_bytes);
    if (entry.meter.rate() != before) changed->push_back(id);
  }
  return !running_.empty();
}

std::vector<TransferId> TransferTable::OfKind(const Kind& kind) const {
  const auto of_kind = of_kind_.find(kind);
  if (of_kind == of_kind_.end()) return {};
  return {of_kind->second.begin(), of_kind->second.end()};
}

double TransferTable::RateOf(const Kind& kind) const {
  double rate = 0;
  const auto of_kind = of_kind_.find(kind);
  if (of_kind == of_kind_.end()) return rate;
  for (const TransferId id : of_kind->second) rate += running_.at(id).meter.rate();
  return rate;
}

std::vector<TransferId> TransferTable::After(TransferId after, size_t limit) const {
  std::vector<TransferId> ids;
  auto running = running_.upper_bound(after);
  auto ended = ended_.upper_bound(after);
  while (ids.size() < limit && (running != running_.end() || ended != ended_.end())) {
    const bool take_running =
        ended == ended_.end() || (running != running_.end() && running->first < ended->first);
    ids.push_back(take_running ? (running++)->first : (ended++)->first);
  }
  return ids;
}

double TransferTable::total_rate() const {
  double rate = 0;
  for (const auto& [id, entry] : running_) rate += entry.meter.rate();
  return rate;
}

TransferView TransferTable::ViewOf(const Entry& entry) const {
  TransferView view = entry.view;
  view.rate = entry.meter.rate();
  return view;
}

TransferTable::Use TransferTable::UseOf(const NodeId& node) const {
  Use use;
  const auto of_node = of_node_.find(node);
  if (of_node == of_node_.end()) return use;
  for (const TransferId id : of_node->second) {
    use.transfers.push_back(id);
    use.rate += running_.at(id).meter.rate();
  }
  return use;
}

std::vector<NodeId> TransferTable::NodesAfter(const std::optional<NodeId>& after,
                                              size_t limit) const {
  std::vector<NodeId> nodes;
  auto it = after ? of_node_.upper_bound(*after) : of_node_.begin();
  for (; it != of_node_.end() && nodes.size() < limit; ++it) nodes.push_back(it->first);
  return nodes;
}

std::set<ProviderId> TransferTable::ProvidersSeen(const Hash& hash) const {
  std::set<ProviderId> providers;
  const auto look = [&](const TransferView& view) {
    if (view.kind.hash == hash && view.verified_bytes > 0) providers.insert(view.provider);
  };
  for (const auto& [id, entry] : running_) look(entry.view);
  for (const auto& [id, view] : ended_) look(view);
  return providers;
}

std::optional<TransferView> TransferTable::View(TransferId id) const {
  if (const auto it = running_.find(id); it != running_.end()) return ViewOf(it->second);
  if (const auto it = ended_.find(id); it != ended_.end()) return it->second;
  return std::nullopt;
}

std::vector<TransferView> TransferTable::List(const TransferFilter& filter, TransferId after,
                                              size_t limit) const {
  std::vector<TransferView> views;
  const auto add = [&](const TransferView& view) {
    if (filter.hash && view.kind.hash != *filter.hash) return;
    if (filter.provider && view.provider != *filter.provider) return;
    if (filter.states.Has(view.state)) views.push_back(view);
  };
  if (filter.newest_first) {
    const bool from_end = !after;
    auto running = from_end ? running_.end() : running_.lower_bound(after);
    auto ended = from_end ? ended_.end() : ended_.lower_bound(after);
    if (filter.running_only) ended = ended_.begin();
    while (views.size() < limit && (running != running_.begin() || ended != ended_.begin())) {
      const bool take_running =
          ended == ended_.begin() ||
          (running != running_.begin() && std::prev(running)->first > std::prev(ended)->first);
      take_running ? add(ViewOf((--running)->second)) : add((--ended)->second);
    }
    return views;
  }
  auto running = running_.upper_bound(after);
  auto ended = filter.running_only ? ended_.end() : ended_.upper_bound(after);
  while (views.size() < limit && (running != running_.end() || ended != ended_.end())) {
    const bool take_running =
        ended == ended_.end() || (running != running_.end() && running->first < ended->first);
    take_running ? add(ViewOf((running++)->second)) : add((ended++)->second);
  }
  return views;
}

}  // namespace blobd::engine
