// Connections of a remote, its open paths, and which of them is selected. See remote.h.
#include <algorithm>
#include <iterator>
#include <utility>

#include "path/remote.h"

namespace blobd::path {
namespace {

constexpr int kMissedAndClosed = 3;  // probes in a row
constexpr int kRttsToProveAgain = 4;
constexpr int kRttsToFollow = 4;

}  // namespace

void Remote::On(const Moment& at, const ConnectionUp& up) {
  Connection& connection = connections_[up.connection];
  connection.ours = static_cast<bool>(up.dial) || static_cast<bool>(up.replaces);
  connection.can_migrate = up.can_migrate;
  connection.rtt = up.rtt;
  // Its end is yet to be told. What it is asked until then the new one would be asked.
  if (const auto old = connections_.find(up.replaces); old != connections_.end()) {
    StayPut(old->second);
    old->second.ours = false;
  }
  if (!connection.ours) {
    const AddressBook::Added added = book_.Add(node_, up.address, "incoming");
    if (added.is_new && added.evicted) {
      Emit(KeepAddress{book_.Of(node_).back(), added.evicted});
    }
  }
  if (upgrade_check_ == Instant::Max()) upgrade_check_ = at.now + options_.upgrade_check;
  Use(at, up.connection, up.address);
  if (!dial_ || up.dial != dial_->id) return;
  dial_.reset();
  Emit(Reached{up.connection});
}

void Remote::On(const Moment& at, const ConnectionDown& down) {
  static_cast<void>(at);
  const auto it = connections_.find(down.connection);
  if (it == connections_.end()) return;
  Path& path = paths_[it->second.address];
  if (it->second.rtt) path.last = path.before = it->second.rtt;
  connections_.erase(it);
  if (!connections_.empty()) return;
  for (const auto& [address, closed] : paths_) Emit(ClosePath{address});
  paths_.clear();
  unfit_until_.clear();
  upgrade_check_ = Instant::Max();
}

void Remote::On(const Moment& /*at*/, const ConnectionRtt& measured) {
  const auto it = connections_.find(measured.connection);
  if (it == connections_.end()) return;
  it->second.rtt = measured.rtt;
  Hear(measured.heard, it->second.address);
}

void Remote::On(const Moment& at, const ConnectionMoved& moved) {
  const auto it = connections_.find(moved.connection);
  if (it == connections_.end()) return;
  Connection& connection = it->second;
  if (moved.address != connection.address) {
    // The old path's time stays known while it is a spare one.
    Path& old = paths_[connection.address];
    if (connection.rtt) old.last = old.before = connection.rtt;
    connection.rtt.reset();
  }
  StayPut(connection);
  connection.left = false;
  connection.move_again.reset();
  if (std::exchange(connection.doubted, false)) connection.can_migrate = true;
  Use(at, moved.connection, moved.address);
}

void Remote::On(const Moment& at, const MoveFailed& failed) {
  const auto it = connections_.find(failed.connection);
  if (it == connections_.end() || it->second.moving_to != failed.address) return;
  Connection& connection = it->second;
  // Either the peer does not follow, which no handshake tells, or it is not there: a dial shows.
  const bool dial_it = !failed.not_yet && !connection.reconnecting && connection.can_migrate;
  StayPut(connection);
  if (dial_it) {
    connection.doubted = true;
    connection.can_migrate = false;
    return;
  }
  connection.move_again = at.now + options_.move_again;
  if (failed.not_yet) return;
  if (std::exchange(connection.doubted, false)) connection.can_migrate = true;
  unfit_until_[failed.address] = at.now + options_.unfit;
  NoteFailure(at, failed.address, "the connection could not be moved there");
  if (!InUse(failed.address) && paths_.erase(failed.address) != 0) Emit(ClosePath{failed.address});
}

void Remote::On(const Moment& at, const WentDark& dark) {
  const auto it = connections_.find(dark.connection);
  if (it != connections_.end()) GoDark(at.now, it->second.address);
}

void Remote::On(const Moment& at, const ProbeAnswered& answer) {
  if (connections_.empty() || book_.IsOwn(answer.address)) return;
  const auto unfit = unfit_until_.find(answer.address);
  if (unfit != unfit_until_.end() && at.now < unfit->second && !InUse(answer.address)) return;
  // Anybody can send us datagrams; only what we may have asked is a path.
  const std::vector<KnownAddress>& known = book_.Of(node_);
  const bool is_known = paths_.count(answer.address) != 0 ||
                        std::any_of(known.begin(), known.end(), [&](const KnownAddress& each) {
                          return each.address == answer.address;
                        });
  if (!is_known) return;
  probes_.Answered(answer.address);
  Path& path = paths_[answer.address];
  path.before = std::exchange(path.last, answer.rtt);
  Hear(at.now, answer.address);
}

void Remote::On(const Moment& at, const NetworkChanged& changed) {
  if (changed.major && (dial_ || !connections_.empty())) Emit(PunchHoles{});
  unfit_until_.clear();
  for (auto& [address, path] : paths_) {
    const Duration rtt = RttOf(address, path).value_or(Duration::zero());
    path.changed = at.now;
    path.answer_by = at.now + std::max(options_.prove_again, rtt * kRttsToProveAgain);
  }
  probes_.AskAll(at.now);
}

// The connection is on this path from now on, and so the path works.
void Remote::Use(const Moment& at, ConnectionId id, const SocketAddress& address) {
  Connection& connection = connections_[id];
  connection.address = address;
  Path& path = paths_[address];
  if (connection.rtt && !path.last) path.last = path.before = connection.rtt;
  unfit_until_.erase(address);
  Hear(at.now, address);
  const Duration rtt = RttOf(address, path).value_or(Duration::zero());
  AddressBook::Proof proof = book_.Worked(node_, address, at.wall, rtt);
  if (proof.is_kept) Emit(KeepAddress{std::move(proof.known), proof.evicted});
}

void Remote::Hear(Instant heard, const SocketAddress& address) {
  Path& path = paths_[address];
  path.heard = std::max(path.heard, heard);
  if (heard < path.changed) return;
  path.dark = false;
  path.answer_by.reset();
}

// Nothing comes over this path any more. What can be done now is to find out which others work.
void Remote::GoDark(Instant now, const SocketAddress& address) {
  Path& path = paths_[address];
  path.answer_by.reset();
  if (std::exchange(path.dark, true)) return;
  for (auto& [id, connection] : connections_) {
    // One that was being moved carefully has no time for that any more.
    if (connection.address != address) continue;
    if (!connection.reconnecting) StayPut(connection);
    connection.move_again.reset();
  }
  probes_.AskAll(now);
}

bool Remote::InUse(const SocketAddress& address) const {
  return std::any_of(connections_.begin(), connections_.end(),
                     [&](const auto& entry) { return entry.second.address == address; });
}

// The lowest of the connections that use it; of a spare one what probes say.
std::optional<Duration> Remote::RttOf(const SocketAddress& address, const Path& path) const {
  std::optional<Duration> lowest;
  for (const auto& [id, connection] : connections_) {
    if (connection.address != address || !connection.rtt) continue;
    if (!lowest || *connection.rtt < *lowest) lowest = connection.rtt;
  }
  if (lowest || !path.last) return lowest;
  return path.before ? std::min(*path.last, *path.before) : path.last;
}

void Remote::CloseStale(Instant now) {
  for (auto it = unfit_until_.begin(); it != unfit_until_.end();) {
    it = now >= it->second ? unfit_until_.erase(it) : std::next(it);
  }
  for (auto it = paths_.begin(); it != paths_.end();) {
    const auto& [address, path] = *it;
    const bool unproven = path.answer_by && now >= *path.answer_by;
    if (InUse(address)) {
      if (unproven) GoDark(now, address);
      ++it;
      continue;
    }
    const bool backup = IsBackup(TransportOf(address));
    const Duration idle = backup ? options_.backup_idle : options_.primary_idle;
    const bool stale = unproven || path.dark || now >= path.heard + idle ||
                       probes_.Missed(address) >= kMissedAndClosed || book_.IsOwn(address);
    if (stale) Emit(ClosePath{address});
    it = stale ? paths_.erase(it) : std::next(it);
  }
}

void Remote::Reselect(Instant now) {
  static_cast<void>(now);
  if (connections_.empty()) {
    selection_ = {};
    return;
  }
  std::vector<OpenPath> open;
  for (const auto& [address, path] : paths_) {
    if (!path.dark) open.push_back({address, RttOf(address, path)});
  }
  const Selection chosen = Select(open, selection_.address, options_.selection);
  if (chosen.address) {
    selection_ = chosen;
    return;
  }
  // All are dark: the last one that worked is not given up.
  if (selection_.address && paths_.count(*selection_.address) != 0) return;
  selection_ = {connections_.begin()->second.address, Why::kOnlyPath};
}

void Remote::MoveConnections(Instant now) {
  for (auto& [id, connection] : connections_) {
    if (connection.move_again && now >= *connection.move_again) connection.move_again.reset();
    if (connection.follow_by && now >= *connection.follow_by) {
      connection.follow_by.reset();
      // The old path may be well again, and then there is time for the move's own answer.
      if (paths_[connection.address].dark && connection.moving_to == selection_.address) {
        connection.reconnecting = true;
        Emit(Reconnect{id, *connection.moving_to});
      }
    }
    const bool is_there = connection.address == *selection_.address && !connection.left;
    if (!connection.ours || is_there) continue;
    if (connection.moving_to == selection_.address || connection.move_again) continue;
    GoTo(now, id, connection);
  }
}

// Another connection may be well where this one failed to go. It tries again later, or while it
// has nothing to lose.
void Remote::GoTo(Instant now, ConnectionId id, Connection& connection) {
  const SocketAddress to = *selection_.address;
  const bool immediate = paths_[connection.address].dark || connection.left;
  if (!immediate && unfit_until_.count(to) != 0) return;
  StayPut(connection);
  connection.moving_to = to;
  if (!connection.can_migrate) {
    connection.reconnecting = true;
    return Emit(Reconnect{id, to});
  }
  if (immediate) {
    const Duration rtt = RttOf(to, paths_[to]).value_or(Duration::zero());
    connection.follow_by = now + std::max(options_.follow_within, rtt * kRttsToFollow);
    connection.left = true;
  }
  Emit(Move{id, to, immediate});
}

void Remote::StayPut(Connection& connection) {
  connection.moving_to.reset();
  connection.reconnecting = false;
  connection.follow_by.reset();
}

bool Remote::GoodEnough() const {
  return std::all_of(connections_.begin(), connections_.end(), [&](const auto& entry) {
    const SocketAddress& address = entry.second.address;
    const Path& path = paths_.at(address);
    const std::optional<Duration> rtt = RttOf(address, path);
    return !path.dark && !IsBackup(TransportOf(address)) && rtt && *rtt <= options_.good_enough;
  });
}

void Remote::PlanProbes(Instant now) {
  if (connections_.empty()) return probes_.Clear();
  const bool good_enough = GoodEnough();
  if (now >= upgrade_check_) {
    upgrade_check_ = now + options_.upgrade_check;
    if (!good_enough) probes_.AskAll(now);
  }
  const bool in_the_dark = paths_.at(*selection_.address).dark;
  std::map<SocketAddress, Rhythm> rhythms;
  for (const SocketAddress& address : book_.ToDial(node_)) {
    rhythms[address] = busy_ && !good_enough ? Rhythm::kSeeking : Rhythm::kResting;
  }
  for (const auto& [address, path] : paths_) {
    if (book_.IsOwn(address)) continue;
    // What a connection uses it measures itself.
    const bool spare = !InUse(address) && busy_;
    rhythms[address] = spare ? Rhythm::kSteady : Rhythm::kResting;
  }
  for (auto& [address, rhythm] : rhythms) {
    if (in_the_dark) rhythm = Rhythm::kSteady;
    if (unfit_until_.count(address) != 0) rhythm = Rhythm::kResting;
  }
  probes_.Follow(rhythms, now);
  std::vector<SocketAddress> due = probes_.TakeDue(now);
  if (!due.empty()) Emit(Probe{std::move(due)});
}

}  // namespace blobd::path
