// Reaching nodes: what is wanted goes to NodePaths, and what comes of it to the scheduler. See
// engine.h.
#include <fmt/format.h>

#include <utility>

#include "engine/engine.h"

namespace blobd::engine {
namespace {

// How often what came back ends every wait.
constexpr Duration kBackAgain = seconds(10);

}  // namespace

void Engine::ExecuteDial(const NodeId& node) {
  remotes_.Dialling(node);
  paths_.Want(node);
}

void Engine::OnReached(const NodeId& node, const SocketAddress& address, Duration rtt) {
  remotes_.Connected(node, address, deps_.clock.WallNow());
  KeepRemote(node);
  deps_.log.Write(LogLevel::kInfo, {.provider = node}, "connected at " + address.ToString());
  Deliver(schedule::Connected{node, rtt});
}

void Engine::OnUnreached(const NodeId& node, bool local_fault, std::string reason) {
  deps_.log.Write(LogLevel::kInfo, {.provider = node}, "dial failed: " + reason);
  remotes_.Failed(node, reason, deps_.clock.WallNow());
  KeepRemote(node);
  Deliver(schedule::DialFailed{node, local_fault, std::move(reason)});
}

void Engine::OnPathChanged(const NodeId& node, const SocketAddress& to, bool anew) {
  remotes_.Connected(node, to, deps_.clock.WallNow());
  deps_.log.Write(
      LogLevel::kInfo, {.provider = node},
      fmt::format("the connection {} {}", anew ? "was made anew at" : "moved to", to.ToString()));
}

// Paths are measured while something comes over them.
void Engine::CountGet(const ProviderId& provider, bool begins) {
  const auto* node = std::get_if<NodeId>(&provider);
  if (node == nullptr) return;
  remote_watch_.Note(*node);
  if (begins) {
    if (++gets_of_[*node] == 1) paths_.SetBusy(*node, true);
    return;
  }
  const auto gets = gets_of_.find(*node);
  if (gets == gets_of_.end() || --gets->second > 0) return;
  gets_of_.erase(gets);
  paths_.SetBusy(*node, false);
}

void Engine::OnKeepAddress(const NodeId& node, const path::KnownAddress& known,
                           const std::optional<SocketAddress>& evicted) {
  changes_.push_back(registry::PutRemoteAddress{RowOf(node, known)});
  if (evicted) changes_.push_back(registry::DropRemoteAddress{node, *evicted});
}

void Engine::OnFound(const NodeId& node, std::string_view service, size_t count, bool late) {
  deps_.log.Write(LogLevel::kInfo, {.provider = node},
                  fmt::format("lookup: {} found {} new addresses", service, count));
  if (late) return Deliver(schedule::PathNews{node});
  CommitChanges();
}

void Engine::OnStepped(const NodeId& node) { remote_watch_.Note(node); }

void Engine::SetOwnAddresses(std::vector<SocketAddress> own) {
  addresses_.SetOwnAddresses(std::move(own));
}

void Engine::OnNetworkChanged(bool major, bool back) {
  paths_.NetworkChanged(major);
  if (!back) return;
  network_back_ = true;
  if (network_timer_ == 0) NetworkIsBack();
}

// Every wait for a retry ends. A network that comes and goes must not end them all the time.
void Engine::NetworkIsBack() {
  network_back_ = false;
  network_timer_ = deps_.timers.AddTimer(deps_.timers.Now() + kBackAgain, [this] {
    network_timer_ = 0;
    if (network_back_) NetworkIsBack();
  });
  if (scheduler_ != nullptr) Deliver(schedule::NetworkBack{});
}

void Engine::ViewLookup(UniqueFunction<void(std::vector<LookupServiceView>)> done) {
  if (deps_.lookup == nullptr) return done({});
  deps_.lookup->View(std::move(done));
}

// ---- What the network tells ----

void Engine::OnConnected(const NodeId& node, const SocketAddress& address, Duration rtt) {
  paths_.Connected(node, address, rtt);
}

void Engine::OnAttemptFailed(const NodeId& node, const SocketAddress& address, std::string reason) {
  paths_.AttemptFailed(node, address, std::move(reason));
}

void Engine::OnDialFailed(const NodeId& node, bool local_fault, std::string reason) {
  paths_.DialFailed(node, local_fault, std::move(reason));
}

void Engine::OnPathRtt(const NodeId& node, Duration rtt, Instant heard) {
  paths_.PathRtt(node, rtt, heard);
}

void Engine::OnPathDark(const NodeId& node) {
  deps_.log.Write(LogLevel::kInfo, {.provider = node}, "the path has gone dark");
  paths_.PathDark(node);
}

void Engine::OnMoved(const NodeId& node, const SocketAddress& to) { paths_.Moved(node, to); }

void Engine::OnReplaced(const NodeId& node, const SocketAddress& at, Duration rtt) {
  paths_.Replaced(node, at, rtt);
}

void Engine::OnMoveFailed(const NodeId& node, const SocketAddress& to, bool not_yet) {
  paths_.MoveFailed(node, to, not_yet);
}

void Engine::OnProbeAnswered(const NodeId& node, const SocketAddress& address, Duration rtt) {
  paths_.ProbeAnswered(node, address, rtt);
}

void Engine::OnDisconnected(const NodeId& node, bool in_order, std::string reason) {
  deps_.log.Write(in_order ? LogLevel::kDebug : LogLevel::kInfo, {.provider = node},
                  "disconnected: " + reason);
  if (in_order) {
    remotes_.Closed(node);
  } else {
    remotes_.Failed(node, reason, deps_.clock.WallNow());
    KeepRemote(node);
  }
  paths_.Disconnected(node);
  Deliver(schedule::Disconnected{node, in_order, std::move(reason)});
}

}  // namespace blobd::engine
