#include "engine/node_paths.h"

#include <algorithm>
#include <utility>

#include "base/overloaded.h"

namespace blobd::engine {
namespace {

constexpr NodeId kAllNodes = {};  // of events that concern them all; no key has this id

path::RemoteOptions OptionsFor(const NodeLookup* lookup) {
  path::RemoteOptions options;
  options.lookup = lookup != nullptr;
  return options;
}

}  // namespace

NodePaths::NodePaths(Deps deps)
    : deps_(deps), remotes_(OptionsFor(deps.lookup), deps.book), timer_(deps.timers, [this] {
        Deliver({kAllNodes, path::Tick{}});
      }) {
  if (deps_.lookup != nullptr) deps_.lookup->SetSink(this);
}

void NodePaths::Want(const NodeId& node) { Deliver({node, path::Want{}}); }

void NodePaths::Close(const NodeId& node) {
  Deliver({node, path::Unwant{}});
  const auto link = links_.find(node);
  if (link == links_.end()) return;
  const path::ConnectionId connection = link->second.connection;
  links_.erase(link);
  deps_.network.Disconnect(node);
  if (connection) Deliver({node, path::ConnectionDown{connection}});
}

void NodePaths::Learnt(const NodeId& node, const SocketAddress& address,
                       const std::string& source) {
  Deliver({node, path::AddressesLearnt{{address}, source}});
}

void NodePaths::Connected(const NodeId& node, const SocketAddress& address, Duration rtt) {
  const auto link = links_.find(node);
  if (link == links_.end() || !link->second.dial) return;
  path::ConnectionUp up;
  up.dial = *std::exchange(link->second.dial, std::nullopt);
  up.connection = link->second.connection = path::ConnectionId{++connections_};
  up.address = link->second.address = address;
  up.rtt = link->second.rtt = rtt;
  Deliver({node, up});
}

void NodePaths::AttemptFailed(const NodeId& node, const SocketAddress& address,
                              std::string reason) {
  const auto link = links_.find(node);
  if (link == links_.end() || !link->second.dial) return;
  Deliver({node, path::AttemptFailed{*link->second.dial, address, std::move(reason)}});
}

void NodePaths::DialFailed(const NodeId& node, bool local_fault, std::string reason) {
  const auto link = links_.find(node);
  if (link == links_.end() || !link->second.dial) return;
  const path::DialId dial = *link->second.dial;
  links_.erase(link);
  Deliver({node, path::DialEnded{dial, local_fault, std::move(reason)}});
}

void NodePaths::Disconnected(const NodeId& node) {
  const auto link = links_.find(node);
  if (link == links_.end() || !link->second.connection) return;
  const path::ConnectionId connection = link->second.connection;
  links_.erase(link);
  Deliver({node, path::ConnectionDown{connection}});
}

void NodePaths::PathRtt(const NodeId& node, Duration rtt, Instant heard) {
  const auto link = links_.find(node);
  if (link == links_.end() || !link->second.connection) return;
  Deliver({node, path::ConnectionRtt{link->second.connection, rtt, heard}});
}

void NodePaths::PathDark(const NodeId& node) {
  const auto link = links_.find(node);
  if (link == links_.end() || !link->second.connection) return;
  Deliver({node, path::WentDark{link->second.connection}});
}

void NodePaths::Moved(const NodeId& node, const SocketAddress& to) {
  const auto link = links_.find(node);
  if (link == links_.end() || !link->second.connection) return;
  link->second.address = to;
  Deliver({node, path::ConnectionMoved{link->second.connection, to}});
  deps_.sink.OnPathChanged(node, to, false);
}

void NodePaths::Replaced(const NodeId& node, const SocketAddress& at, Duration rtt) {
  const auto link = links_.find(node);
  if (link == links_.end() || !link->second.connection) return;
  path::ConnectionUp up;
  up.connection = path::ConnectionId{++connections_};
  up.replaces = std::exchange(link->second.connection, up.connection);
  up.address = link->second.address = at;
  up.rtt = link->second.rtt = rtt;
  up.can_migrate = false;  // or it would have followed
  const path::ConnectionId old = up.replaces;
  Deliver({node, up});
  Deliver({node, path::ConnectionDown{old}});
  deps_.sink.OnPathChanged(node, at, true);
}

void NodePaths::MoveFailed(const NodeId& node, const SocketAddress& to, bool not_yet) {
  const auto link = links_.find(node);
  if (link == links_.end() || !link->second.connection) return;
  Deliver({node, path::MoveFailed{link->second.connection, to, not_yet}});
}

void NodePaths::ProbeAnswered(const NodeId& node, const SocketAddress& address, Duration rtt) {
  Deliver({node, path::ProbeAnswered{address, rtt}});
}

void NodePaths::SetBusy(const NodeId& node, bool busy) { Deliver({node, path::Busy{busy}}); }

void NodePaths::NetworkChanged(bool major) { Deliver({kAllNodes, path::NetworkChanged{major}}); }

void NodePaths::OnLookupFound(path::LookupId lookup, const NodeId& node, const std::string& service,
                              const std::vector<SocketAddress>& addresses) {
  std::vector<SocketAddress> news = addresses;
  std::erase_if(news, [&](const SocketAddress& address) { return IsKnown(node, address); });
  const path::Remote* remote = Find(node);
  const bool late = remote == nullptr || !remote->dialling();
  Deliver({node, path::LookupFound{lookup, service, addresses}});
  const auto count = static_cast<size_t>(
      std::count_if(news.begin(), news.end(),
                    [&](const SocketAddress& address) { return IsKnown(node, address); }));
  if (count > 0) deps_.sink.OnFound(node, service, count, late);
}

void NodePaths::OnLookupEnded(path::LookupId lookup, const NodeId& node,
                              const std::string& reason) {
  Deliver({node, path::LookupEnded{lookup, reason}});
}

bool NodePaths::IsKnown(const NodeId& node, const SocketAddress& address) const {
  const std::vector<path::KnownAddress>& known = deps_.book.Of(node);
  return std::any_of(known.begin(), known.end(),
                     [&](const path::KnownAddress& each) { return each.address == address; });
}

void NodePaths::Deliver(path::Event event) {
  events_.push_back(std::move(event));
  if (std::exchange(delivering_, true)) return;
  std::vector<path::Effect> effects;
  while (!events_.empty()) {
    const path::Event next = std::move(events_.front());
    events_.pop_front();
    effects.clear();
    if (std::holds_alternative<path::Tick>(next.what)) {
      remotes_.Tick(Now(), effects);
    } else if (const auto* changed = std::get_if<path::NetworkChanged>(&next.what)) {
      remotes_.OnNetworkChanged(Now(), changed->major, effects);
    } else {
      remotes_.Step(Now(), next, effects);
    }
    if (next.node != kAllNodes) deps_.sink.OnStepped(next.node);
    for (const path::Effect& effect : effects) {
      if (effect.node != next.node) deps_.sink.OnStepped(effect.node);
      Execute(effect);
    }
  }
  delivering_ = false;
  timer_.Arm(remotes_.NextDeadline());
}

void NodePaths::Execute(const path::Effect& effect) {
  const NodeId& node = effect.node;
  std::visit(
      Overloaded{
          [&](const path::StartDial& e) {
            links_[node].dial = e.dial;
            deps_.network.Dial(node, e.addresses, e.open);
          },
          [&](const path::ExtendDial& e) { deps_.network.ExtendDial(node, e.addresses, e.open); },
          [&](const path::GiveUpDial&) {
            if (links_.erase(node) != 0) deps_.network.Disconnect(node);
          },
          [&](const path::Reached&) {
            const auto link = links_.find(node);
            if (link == links_.end()) return;  // closed meanwhile
            deps_.sink.OnReached(node, link->second.address, link->second.rtt);
          },
          [&](const path::Unreached& e) { deps_.sink.OnUnreached(node, e.local_fault, e.reason); },
          [&](const path::StartLookup& e) { deps_.lookup->Start(e.lookup, node); },
          [&](const path::StopLookup& e) { deps_.lookup->Stop(e.lookup); },
          [&](const path::KeepAddress& e) { deps_.sink.OnKeepAddress(node, e.known, e.evicted); },
          [&](const path::Probe& e) { deps_.network.Probe(node, e.addresses); },
          [&](const path::Move& e) { deps_.network.Move(node, e.to, e.immediate); },
          [&](const path::Reconnect& e) { deps_.network.Reconnect(node, e.to); },
          [&](const path::ClosePath&) {},
          [&](const path::PunchHoles&) {},
          [&](const path::Retired&) {},
      },
      effect.what);
}

}  // namespace blobd::engine
