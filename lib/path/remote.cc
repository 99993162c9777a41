#include "path/remote.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace blobd::path {

Remote::Remote(const NodeId& node, const RemoteOptions& options, AddressBook& book,
               IdCounters& counters, Instant now)
    : node_(node), options_(options), book_(book), counters_(counters), idle_since_(now) {}

void Remote::Step(const Moment& at, const Event& event, std::vector<Effect>& effects) {
  effects_ = &effects;
  const bool was_idle = connections_.empty() && !dial_;
  std::visit([&](const auto& what) { On(at, what); }, event.what);
  MayLookUp(at.now);
  CloseStale(at.now);
  Reselect(at.now);
  MoveConnections(at.now);
  PlanProbes(at.now);
  if (!was_idle && connections_.empty() && !dial_) idle_since_ = at.now;
  effects_ = nullptr;
}

void Remote::On(const Moment& at, const Busy& busy) {
  static_cast<void>(at);
  busy_ = busy.busy;
}

std::optional<Instant> Remote::NextDeadline() const {
  std::optional<Instant> next;
  const auto consider = [&next](const std::optional<Instant>& at) {
    if (at && (!next || *at < *next)) next = at;
  };
  if (dial_) {
    if (options_.lookup && !dial_->asked) consider(dial_->started + options_.lookup_after);
  } else if (connections_.empty()) {
    if (!lookup_) consider(idle_since_ + options_.idle);
  }
  if (connections_.empty()) return next;
  consider(probes_.NextDeadline());
  consider(upgrade_check_);
  for (const auto& [address, path] : paths_) {
    consider(path.answer_by);
    if (InUse(address)) continue;
    const bool backup = IsBackup(TransportOf(address));
    consider(path.heard + (backup ? options_.backup_idle : options_.primary_idle));
  }
  for (const auto& [id, connection] : connections_) {
    consider(connection.move_again);
    consider(connection.follow_by);
  }
  for (const auto& [address, until] : unfit_until_) consider(until);
  return next;
}

bool Remote::done(Instant now) const {
  return connections_.empty() && !dial_ && !lookup_ && now >= idle_since_ + options_.idle;
}

std::vector<PathView> Remote::Paths() const {
  std::vector<PathView> views;
  for (const auto& [address, path] : paths_) {
    const auto uses =
        std::count_if(connections_.begin(), connections_.end(),
                      [at = &address](const auto& entry) { return entry.second.address == *at; });
    views.push_back({address, RttOf(address, path), path.dark, address == selection_.address,
                     static_cast<size_t>(uses)});
  }
  return views;
}

void Remote::CheckInvariants() const {
  BLOBD_CHECK(!connections_.empty() || paths_.empty());
  BLOBD_CHECK(connections_.empty() != selection_.address.has_value());
  BLOBD_CHECK(!selection_.address || paths_.count(*selection_.address) == 1);
  for (const auto& [id, connection] : connections_) {
    BLOBD_CHECK(paths_.count(connection.address) == 1);
    BLOBD_CHECK(!connection.moving_to || connection.ours);
    BLOBD_CHECK(connection.moving_to || (!connection.reconnecting && !connection.follow_by));
  }
  if (!dial_) return;
  BLOBD_CHECK(std::includes(dial_->given.begin(), dial_->given.end(), dial_->untried.begin(),
                            dial_->untried.end()));
  for (const SocketAddress& address : dial_->given) BLOBD_CHECK(!book_.IsOwn(address));
}

}  // namespace blobd::path
