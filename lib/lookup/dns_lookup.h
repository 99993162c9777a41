// DnsLookup: nodes by TXT records in iroh's form: `_iroh.<z-base-32 id>.<origin>`
// (protocol/transport.md, section 8). The answer is not signed: whoever answers our DNS questions
// can send us to the wrong address, where the handshake then fails.
//
// Thread: the loop's.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "lookup/dns_resolver.h"
#include "lookup/service.h"

namespace blobd::lookup {

class DnsLookup final : public Service {
 public:
  // `origin`: "dns.iroh.link". REQUIRES: it is a name
  DnsLookup(std::unique_ptr<DnsResolver> resolver, std::string origin)
      : resolver_(std::move(resolver)), origin_(std::move(origin)) {}

  std::string_view name() const override { return "dns"; }
  void Resolve(QueryId query, const NodeId& node, ServiceSink* sink) override;
  void Stop(QueryId query) override { sinks_.erase(query); }
  // The network has changed: from now on this one is asked. Open questions are answered no more,
  // and end as failed.
  void Replace(std::unique_ptr<DnsResolver> resolver);

 private:
  void Answer(QueryId query, const StatusOr<DnsResolver::Texts>& texts);

  std::unique_ptr<DnsResolver> resolver_;
  const std::string origin_;
  std::map<QueryId, ServiceSink*> sinks_;
};

}  // namespace blobd::lookup
