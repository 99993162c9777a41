#include "engine/transfer_table.h"

#include <algorithm>
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
}

TransferTable::More TransferTable::Progress(TransferId id, const transfer::GetProgress& progress) {
  const auto it = running_.find(id);
  if (it == running_.end()) return {};
  TransferView& view = it->second.view;
  const uint64_t moved = std::max(progress.verified_bytes, progress.moved_bytes);
  const More more = {progress.verified_bytes - view.verified_bytes,
                     moved - std::exchange(it->second.moved_bytes, moved)};
  view.state = StateOf(progress.state);
  view.received_bytes = progress.received_bytes;
  view.verified_bytes = progress.verified_bytes;
  view.unproven_bytes = progress.unproven_bytes;
  view.total_bytes = progress.total_bytes.value_or(0);
  return more;
}

void TransferTable::End(TransferId id, TransferState state, std::string reason, WallTime now) {
  auto entry = running_.extract(id);
  if (entry.empty()) return;
  TransferView view = std::move(entry.mapped().view);
  if (const auto* node = std::get_if<NodeId>(&view.provider)) {
    const auto of_node = of_node_.find(*node);
    of_node->second.erase(id);
    if (of_node->second.empty()) of_node_.erase(of_node);
  }
  view.state = state;
  view.reason = std::move(reason);
  view.finished = now;
  view.unproven_bytes = 0;
  Keep(std::move(view));
}

void TransferTable::Restore(TransferView view) { Keep(std::move(view)); }

void TransferTable::Keep(TransferView view) {
  const TransferId id = view.id;
  if (ended_.insert_or_assign(id, std::move(view)).second) order_of_ended_.push_back(id);
  if (order_of_ended_.size() <= kKeptEnded) return;
  ended_.erase(order_of_ended_.front());
  order_of_ended_.pop_front();
}

bool TransferTable::SampleRates(Instant now) {
  for (auto& [id, entry] : running_) entry.meter.Sample(now, entry.moved_bytes);
  return !running_.empty();
}

double TransferTable::RateOf(const Kind& kind) const {
  double rate = 0;
  for (const auto& [id, entry] : running_) {
    if (entry.view.kind == kind) rate += entry.meter.rate();
  }
  return rate;
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

std::vector<TransferView> TransferTable::List(TransferId after, size_t limit, bool running_only,
                                              const std::optional<Hash>& hash) const {
  std::vector<TransferView> views;
  auto running = running_.upper_bound(after);
  auto ended = running_only ? ended_.end() : ended_.upper_bound(after);
  while (views.size() < limit && (running != running_.end() || ended != ended_.end())) {
    const bool take_running =
        ended == ended_.end() || (running != running_.end() && running->first < ended->first);
    TransferView view = take_running ? ViewOf((running++)->second) : (ended++)->second;
    if (!hash || view.kind.hash == *hash) views.push_back(std::move(view));
  }
  return views;
}

}  // namespace blobd::engine
