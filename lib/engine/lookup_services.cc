#include "engine/lookup_services.h"

#include <algorithm>
#include <utility>

namespace blobd::engine {

// Everything here runs on the network loop, but for what it posts to the control loop.
class LookupServices::Core final : public lookup::LookupSink,
                                   public lookup::AddressSource,
                                   public std::enable_shared_from_this<Core> {
 public:
  explicit Core(Deps deps) : deps_(deps) {}

  void Open(const NodeId& self, ByteView seed, const lookup::ServicesOptions& options,
            const StaticNodes& nodes) {
    services_ = std::make_unique<lookup::Services>(deps_.network_loop, deps_.clock, self, seed,
                                                   options, this, this);
    if (services_->known() == nullptr) return;
    for (const auto& [node, record] : nodes) services_->known()->Set(node, record);
  }
  void SetSink(NodeLookupSink* sink) { sink_ = sink; }
  lookup::Services* services() { return services_.get(); }
  void Shutdown() { services_.reset(); }

  void AnswerView(UniqueFunction<void(std::vector<LookupServiceView>)> done) {
    std::vector<LookupServiceView> views;
    for (const lookup::ServiceStats& stats : services_->lookup().stats()) {
      LookupServiceView view;
      view.name = stats.service;
      view.asked = stats.asked;
      view.found = stats.found;
      view.empty = stats.empty;
      view.failed = stats.failed;
      view.timed_out = stats.timed_out;
      view.addresses = stats.addresses;
      view.last_error = stats.last_error;
      views.push_back(std::move(view));
    }
    for (const auto& off : services_->off()) {
      views.emplace_back();
      views.back().name = off.service;
      views.back().off = Message(off.why);
    }
    AddPublisher(&views);
    deps_.control.Post(
        [views = std::move(views), done = std::move(done)]() mutable { done(std::move(views)); });
  }

  // lookup::LookupSink. Relays are not dialled yet, so a record that names only these says nothing.
  void OnLookupFound(lookup::LookupKey key, const NodeId& node, std::string_view service,
                     const lookup::NodeRecord& record) override {
    if (record.addresses.empty()) return;
    Tell([key, node, service = std::string(service),
          addresses = record.addresses](NodeLookupSink& sink) {
      sink.OnLookupFound(path::LookupId{key}, node, service, addresses);
    });
  }
  void OnLookupEnded(lookup::LookupKey key, const NodeId& node,
                     const std::string& reason) override {
    Tell([key, node, reason](NodeLookupSink& sink) {
      sink.OnLookupEnded(path::LookupId{key}, node, reason);
    });
  }

  // lookup::AddressSource: to the registry, which is asked on the control loop, and back.
  void AddressesOf(const NodeId& node,
                   UniqueFunction<void(StatusOr<std::vector<SocketAddress>>)> done) override {
    auto answer = [core = weak_from_this(), &loop = deps_.network_loop,
                   done = std::move(done)](auto rows) mutable {
      loop.Post([core, rows = std::move(rows), done = std::move(done)]() mutable {
        if (core.expired()) return;
        if (!rows.ok()) return done(rows.status());
        std::vector<SocketAddress> addresses;
        for (const registry::RemoteAddressRow& row : *rows) {
          if (row.last_worked > WallTime{}) addresses.push_back(row.address);
        }
        done(std::move(addresses));
      });
    };
    deps_.control.Post([&registry = deps_.registry, node, answer = std::move(answer)]() mutable {
      registry.AddressesOf(node, std::move(answer));
    });
  }

 private:
  void AddPublisher(std::vector<LookupServiceView>* views) const {
    const lookup::PkarrPublisher* publisher = services_->pkarr_publisher();
    if (publisher == nullptr) return;
    auto view = std::find_if(views->begin(), views->end(),
                             [](const LookupServiceView& each) { return each.name == "pkarr"; });
    if (view == views->end()) {  // it is only published there
      view = views->emplace(view);
      view->name = "pkarr";
    }
    view->published = publisher->stats().published;
    view->not_published = publisher->stats().failed;
    view->publish_error = publisher->stats().last_error;
  }
  template <typename F>
  void Tell(F f) {
    deps_.control.Post([sink = sink_, f = std::move(f)]() mutable { f(*sink); });
  }

  const Deps deps_;
  NodeLookupSink* sink_ = nullptr;
  std::unique_ptr<lookup::Services> services_;
};

LookupServices::LookupServices(Deps deps, const NodeId& self, ByteView seed,
                               const lookup::ServicesOptions& options, const StaticNodes& nodes)
    : network_loop_(deps.network_loop), core_(std::make_shared<Core>(deps)) {
  core_->Open(self, seed, options, nodes);
}

LookupServices::~LookupServices() { core_->Shutdown(); }

void LookupServices::SetSink(NodeLookupSink* sink) { core_->SetSink(sink); }

void LookupServices::Start(path::LookupId lookup, const NodeId& node) {
  network_loop_.Post(
      [core = core_, lookup, node] { core->services()->lookup().Start(lookup.value, node); });
}

void LookupServices::Stop(path::LookupId lookup) {
  network_loop_.Post([core = core_, lookup] { core->services()->lookup().Stop(lookup.value); });
}

void LookupServices::Publish(const lookup::NodeRecord& own) {
  network_loop_.Post([core = core_, own] { core->services()->Publish(own); });
}

void LookupServices::OnNetworkChanged(bool way_out) {
  network_loop_.Post([core = core_, way_out] { core->services()->OnNetworkChanged(way_out); });
}

void LookupServices::View(UniqueFunction<void(std::vector<LookupServiceView>)> done) {
  network_loop_.Post(
      [core = core_, done = std::move(done)]() mutable { core->AnswerView(std::move(done)); });
}

}  // namespace blobd::engine
