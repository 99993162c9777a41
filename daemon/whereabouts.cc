#include "daemon/whereabouts.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace blobd::daemon {
namespace {

using engine::LogLevel;

// An address or a way out that was not there before.
bool Came(const loop::NetworkState& before, const loop::NetworkState& after) {
  const auto is_new = [&](const loop::InterfaceAddress& address) {
    return std::find(before.addresses.begin(), before.addresses.end(), address) ==
           before.addresses.end();
  };
  const auto way_is_new = [](const loop::WayOut& was, const loop::WayOut& is) {
    return is.interface != 0 && is != was;
  };
  return std::any_of(after.addresses.begin(), after.addresses.end(), is_new) ||
         way_is_new(before.ipv4, after.ipv4) || way_is_new(before.ipv6, after.ipv6);
}

std::string Describe(const loop::NetworkState& state) {
  std::string text;
  for (const loop::InterfaceAddress& each : state.addresses) {
    if (each.ip.is_loopback() || each.ip.is_link_local()) continue;
    std::string ip = each.ip.ToString();
    ip.resize(ip.rfind(':'));  // it has no port
    text += fmt::format("{}{} on {}", text.empty() ? "" : ", ", ip, each.interface);
  }
  return text.empty() ? "no address but loopback" : text;
}

}  // namespace

Whereabouts::Whereabouts(Deps deps, const quic::Identity& identity, const LookupConfig& config)
    : deps_(std::move(deps)) {
  lookup_ = std::make_unique<engine::LookupServices>(
      engine::LookupServices::Deps{deps_.network_loop, deps_.control, SystemClock(),
                                   deps_.registry},
      identity.node_id(), identity.seed(),
      config.Options(static_cast<uint64_t>(SystemClock().Now().nanos())), config.nodes);
}

Whereabouts::~Whereabouts() = default;

void Whereabouts::Watch(engine::Engine& engine) {
  engine_ = &engine;
  engine_->SetOwnAddresses(deps_.own());
  auto watch =
      loop::NetworkWatch::Open(deps_.network_loop, [this](const loop::NetworkChange& change) {
        deps_.control.Post([this, before = std::exchange(state_, change.state), change] {
          OnChange(before, change);
        });
      });
  if (!watch.ok()) {
    return deps_.log.Write(LogLevel::kWarning,
                           "changes of the network are not noticed: " + Message(watch.status()));
  }
  watch_ = *std::move(watch);
  state_ = watch_->state();
}

void Whereabouts::Publish() {
  published_ = true;
  lookup::NodeRecord own;
  for (const SocketAddress& address : deps_.reachable()) own.AddAddress(address);
  lookup_->Publish(own);
  lookup_->View([this](const std::vector<engine::LookupServiceView>& services) {
    for (const engine::LookupServiceView& service : services) {
      if (service.off.empty()) continue;
      deps_.log.Write(LogLevel::kWarning,
                      fmt::format("lookup: {} cannot be had: {}", service.name, service.off));
    }
  });
}

void Whereabouts::OnChange(const loop::NetworkState& before, const loop::NetworkChange& change) {
  deps_.log.Write(LogLevel::kNotice, "the network has changed: " + Describe(change.state));
  engine_->SetOwnAddresses(deps_.own());
  lookup_->OnNetworkChanged();
  if (published_) Publish();
  engine_->OnNetworkChanged(change.major, Came(before, change.state));
}

}  // namespace blobd::daemon
