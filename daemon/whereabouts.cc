#include "daemon/whereabouts.h"

#include <fmt/format.h>

#include <string>
#include <utility>

namespace blobd::daemon {
namespace {

using engine::LogLevel;

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
        deps_.changed();
        deps_.control.Post([this, change] { OnChange(change); });
      });
  if (!watch.ok()) {
    return deps_.log.Write(LogLevel::kWarning,
                           "changes of the network are not noticed: " + Message(watch.status()));
  }
  watch_ = *std::move(watch);
}

void Whereabouts::Publish() {
  published_ = true;
  engine_->SetOwnAddresses(deps_.own());
  lookup::NodeRecord own;
  for (const SocketAddress& address : deps_.reachable()) own.AddAddress(address);
  lookup_->Publish(own);
  lookup_->View([this](const std::vector<engine::LookupServiceView>& services) {
    for (const engine::LookupServiceView& service : services) {
      if (service.off.empty() || !told_off_.insert(service.name).second) continue;
      deps_.log.Write(LogLevel::kWarning,
                      fmt::format("lookup: {} cannot be had: {}", service.name, service.off));
    }
  });
}

void Whereabouts::OnChange(const loop::NetworkChange& change) {
  lookup_->OnNetworkChanged(change.way_out);
  if (!change.major) return engine_->SetOwnAddresses(deps_.own());
  deps_.log.Write(LogLevel::kNotice, "the network has changed: " + Describe(change.state));
  engine_->SetOwnAddresses(deps_.own());
  if (published_) Publish();
  engine_->OnNetworkChanged(change.major, change.back);
}

}  // namespace blobd::daemon
