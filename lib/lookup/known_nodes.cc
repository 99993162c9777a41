#include "lookup/known_nodes.h"

#include <utility>

namespace blobd::lookup {

StaticLookup::~StaticLookup() {
  for (const auto& [query, timer] : answers_) timers_.CancelTimer(timer);
}

bool StaticLookup::Set(const NodeId& node, NodeRecord record) {
  if (record.empty()) {
    nodes_.erase(node);
    return true;
  }
  if (nodes_.size() >= kMaxNodes && nodes_.count(node) == 0) return false;
  nodes_[node] = std::move(record);
  return true;
}

void StaticLookup::Resolve(QueryId query, const NodeId& node, ServiceSink* sink) {
  answers_[query] = timers_.AddTimer(timers_.Now(), [this, query, node, sink] {
    const auto known = nodes_.find(node);
    const bool found = known != nodes_.end();
    if (found) sink->OnFound(query, known->second);
    // Whoever heard that may have stopped the query.
    if (answers_.erase(query) == 0) return;
    sink->OnEnded(query, found ? OkStatus() : NotFound("the node is not configured"));
  });
}

void StaticLookup::Stop(QueryId query) {
  const auto answer = answers_.find(query);
  if (answer == answers_.end()) return;
  timers_.CancelTimer(answer->second);
  answers_.erase(answer);
}

RegistryLookup::~RegistryLookup() { sinks_->clear(); }

void RegistryLookup::Resolve(QueryId query, const NodeId& node, ServiceSink* sink) {
  (*sinks_)[query] = sink;
  source_.AddressesOf(
      node, [sinks = sinks_, query](const StatusOr<std::vector<SocketAddress>>& addresses) {
        const auto entry = sinks->find(query);
        if (entry == sinks->end()) return;
        ServiceSink* const asker = entry->second;
        if (!addresses.ok()) {
          sinks->erase(entry);
          return asker->OnEnded(query, addresses.status());
        }
        NodeRecord record;
        for (const SocketAddress& address : *addresses) record.AddAddress(address);
        if (!record.empty()) asker->OnFound(query, record);
        // Whoever heard that may have stopped the query.
        if (sinks->erase(query) == 0) return;
        asker->OnEnded(query, record.empty() ? NotFound("no address ever worked") : OkStatus());
      });
}

void RegistryLookup::Stop(QueryId query) { sinks_->erase(query); }

}  // namespace blobd::lookup
