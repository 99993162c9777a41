#include "lookup/services.h"

#include <utility>

#include "base/check.h"

namespace blobd::lookup {

Services::Services(loop::Loop& loop, const Clock& clock, const NodeId& self, ByteView seed,
                   const ServicesOptions& options, AddressSource* source, LookupSink* sink)
    : loop_(loop),
      options_(options),
      lookup_(std::make_unique<Lookup>(loop, sink, options.timeout)) {
  BLOBD_CHECK(seed.size() == 32);
  if (options_.known) {
    auto known = std::make_unique<StaticLookup>(loop);
    known_ = known.get();
    lookup_->Add(std::move(known));
  }
  if (options_.registry && source != nullptr) {
    lookup_->Add(std::make_unique<RegistryLookup>(*source));
  }
  if (options_.dns) AddDns();
  if (options_.pkarr) AddPkarr(clock, seed);
  if (options_.local) AddLocal(self);
}

Services::~Services() = default;

void Services::AddDns() {
  StatusOr<std::unique_ptr<DnsResolver>> resolver =
      DnsResolver::Create(loop_, {options_.dns->servers});
  if (!resolver.ok()) {
    off_.push_back({"dns", resolver.status()});
    return;
  }
  auto dns = std::make_unique<DnsLookup>(std::move(*resolver), options_.dns->origin);
  dns_ = dns.get();
  lookup_->Add(std::move(dns));
}

void Services::AddPkarr(const Clock& clock, ByteView seed) {
  StatusOr<std::unique_ptr<HttpExchange>> exchange = HttpExchange::Create(loop_);
  if (!exchange.ok()) {
    off_.push_back({"pkarr", exchange.status()});
    return;
  }
  exchange_ = std::move(*exchange);
  if (options_.pkarr->resolve) {
    lookup_->Add(std::make_unique<PkarrLookup>(*exchange_, options_.pkarr->base));
  }
  if (!options_.pkarr->publish) return;
  PkarrPublisher::Options publisher;
  publisher.base = options_.pkarr->base;
  pkarr_publisher_ =
      std::make_unique<PkarrPublisher>(clock, loop_, *exchange_, seed, std::move(publisher));
}

void Services::AddLocal(const NodeId& self) {
  StatusOr<std::unique_ptr<LocalDiscovery>> local =
      LocalDiscovery::Open(loop_, self, options_.local->discovery);
  if (!local.ok()) {
    off_.push_back({"local", local.status()});
    return;
  }
  local_ = local->get();
  lookup_->Add(std::move(*local));
}

void Services::Publish(const NodeRecord& own) {
  if (local_ != nullptr && options_.local->publish) local_->Publish(own);
  if (pkarr_publisher_ == nullptr) return;
  NodeRecord said = own;
  if (!options_.pkarr->publish_addresses) said.addresses.clear();
  pkarr_publisher_->Publish(said);
}

void Services::OnNetworkChanged() {
  if (local_ != nullptr) local_->OnNetworkChanged();
  if (dns_ == nullptr) return;
  // The servers may be others now. Without new ones the old ones stay.
  StatusOr<std::unique_ptr<DnsResolver>> resolver =
      DnsResolver::Create(loop_, {options_.dns->servers});
  if (resolver.ok()) dns_->Replace(std::move(*resolver));
}

}  // namespace blobd::lookup
