// Services: everything of this room that the configuration switches on, ready to be asked and to be
// told where we are. Whoever owns it needs no other header but lookup.h.
//
// A service that cannot be had (no multicast socket, no resolver) is left out with its reason; the
// others work.
//
// Thread:    the loop's.
// Ownership: loop, clock, sink and source outlive it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "lookup/dns_lookup.h"
#include "lookup/known_nodes.h"
#include "lookup/local_discovery.h"
#include "lookup/lookup.h"
#include "lookup/pkarr_lookup.h"
#include "loop/loop.h"

namespace blobd::lookup {

struct ServicesOptions {
  struct Dns {
    std::string origin = "dns.iroh.link";
    std::vector<std::string> servers;  // none: the machine's
  };
  struct Pkarr {
    std::string base = "https://dns.iroh.link/pkarr";
    bool resolve = true;
    bool publish = false;
    // Published: addresses, too, or relays alone. Addresses say where the machine stands.
    bool publish_addresses = false;
  };
  struct Local {
    LocalDiscovery::Options discovery;
    bool publish = true;  // else it only listens and asks
  };
  // Each is off without a value.
  bool known = true;  // what is configured, and what callers said
  bool registry = true;
  std::optional<Dns> dns;
  std::optional<Pkarr> pkarr;
  std::optional<Local> local;
  Duration timeout = seconds(5);  // of one service in one lookup
};

class Services {
 public:
  // `seed` is the node's secret key; it signs what is published. `source` may be null: no registry.
  // REQUIRES: seed has 32 bytes and is that of `self`
  Services(loop::Loop& loop, const Clock& clock, const NodeId& self, ByteView seed,
           const ServicesOptions& options, AddressSource* source, LookupSink* sink);
  ~Services();

  Lookup& lookup() { return *lookup_; }
  // Null while `known` is off.
  StaticLookup* known() { return known_; }
  // Where we are, as far as we know; said where the options say so.
  void Publish(const NodeRecord& own);
  // Interfaces came or went, or the way out is another one (loop/network_watch.h). Questions to DNS
  // servers are begun anew only with a new way out, or where /etc/resolv.conf names others.
  void OnNetworkChanged(bool way_out);

  struct Off {
    std::string_view service;
    Status why;
  };
  // Those that were switched on and cannot be had.
  const std::vector<Off>& off() const { return off_; }
  // Null while nothing is published there.
  const PkarrPublisher* pkarr_publisher() const { return pkarr_publisher_.get(); }

 private:
  void AddDns();
  void AddPkarr(const Clock& clock, ByteView seed);
  void AddLocal(const NodeId& self);

  loop::Loop& loop_;
  const ServicesOptions options_;
  std::vector<Off> off_;
  std::unique_ptr<HttpExchange> exchange_;  // before what uses it
  std::unique_ptr<PkarrPublisher> pkarr_publisher_;
  std::unique_ptr<Lookup> lookup_;  // owns the services below
  StaticLookup* known_ = nullptr;
  DnsLookup* dns_ = nullptr;
  std::optional<std::pair<uint64_t, int64_t>> resolv_conf_;  // which one the resolver read
  LocalDiscovery* local_ = nullptr;
};

}  // namespace blobd::lookup
