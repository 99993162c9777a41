#include "lookup/dns_lookup.h"

#include <fmt/format.h>

#include <utility>

#include "wire/base32.h"

namespace blobd::lookup {

void DnsLookup::Resolve(QueryId query, const NodeId& node, ServiceSink* sink) {
  sinks_[query] = sink;
  resolver_->QueryTxt(
      fmt::format("_iroh.{}.{}", wire::ToZBase32(node.view()), origin_),
      [this, query](const StatusOr<DnsResolver::Texts>& texts) { Answer(query, texts); });
}

void DnsLookup::Answer(QueryId query, const StatusOr<DnsResolver::Texts>& texts) {
  const auto entry = sinks_.find(query);
  if (entry == sinks_.end()) return;
  ServiceSink* const sink = entry->second;
  NodeRecord record;
  if (texts.ok()) {
    for (const std::string& text : *texts) record.Read(text);
  }
  if (!record.empty()) sink->OnFound(query, record);
  // Whoever heard that may have stopped the query.
  if (sinks_.erase(query) == 0) return;
  if (texts.ok() && record.empty()) {
    return sink->OnEnded(query, NotFound("the node's records hold no address"));
  }
  sink->OnEnded(query, texts.status());
}

void DnsLookup::Replace(std::unique_ptr<DnsResolver> resolver) {
  resolver_ = std::move(resolver);
  for (const auto& [query, sink] : std::exchange(sinks_, {})) {
    sink->OnEnded(query, Unavailable("the network has changed"));
  }
}

}  // namespace blobd::lookup
