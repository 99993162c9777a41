#include "lookup/services.h"

#include <sys/stat.h>

#include <utility>

#include "base/check.h"

namespace blobd::lookup {
namespace {

// Which file it is, and since when; nullopt if there is none.
std::optional<std::pair<uint64_t, int64_t>> ResolvConf() {
  struct stat facts {};
  if (stat("/etc/resolv.conf", &facts) != 0) return std::nullopt;
  return std::pair(facts.st_ino, facts.st_mtim.tv_sec * 1'000'000'000LL + facts.st_mtim.tv_nsec);
}

}  // namespace

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
  resolv_conf_ = ResolvConf();
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
  exchange_ = HttpExchange::Create(loop_);
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

void Services::OnNetworkChanged(bool way_out) {
  if (local_ != nullptr) local_->OnNetworkChanged();
  if (dns_ == nullptr) return;
  const auto resolv_conf = ResolvConf();
  if (!way_out && std::exchange(resolv_conf_, resolv_conf) == resolv_conf) return;
  resolv_conf_ = resolv_conf;
  // The servers may be others now. Without new ones the old ones stay.
  StatusOr<std::unique_ptr<DnsResolver>> resolver =
      DnsResolver::Create(loop_, {options_.dns->servers});
  if (resolver.ok()) dns_->Replace(std::move(*resolver));
}

}  // namespace blobd::lookup
