// What one lookup service is to Lookup (lookup.h), which asks several at once.
//
// Thread: the loop's. Answers come later, never during Resolve.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.h"
#include "base/node_id.h"
#include "base/status.h"
#include "lookup/node_record.h"

namespace blobd::lookup {

using QueryId = Id<struct QueryTag>;

class ServiceSink {
 public:
  virtual ~ServiceSink() = default;
  // Something that is said of the node that was asked for; any number of times.
  virtual void OnFound(QueryId query, const NodeRecord& record) = 0;
  // The last call for this query. kNotFound: the service works and knows nothing.
  virtual void OnEnded(QueryId query, const Status& status) = 0;
};

class Service {
 public:
  virtual ~Service() = default;
  // A word for logs, metrics and addresses' sources: "dns". Static text.
  virtual std::string_view name() const = 0;
  // REQUIRES: `query` was never used with this service; `sink` outlives it or Stop is called
  virtual void Resolve(QueryId query, const NodeId& node, ServiceSink* sink) = 0;
  // The sink hears no more of it. Nothing happens if it has ended.
  virtual void Stop(QueryId query) = 0;
};

// A service that tells others where we are.
class Publisher {
 public:
  virtual ~Publisher() = default;
  // From now on this is said, until something else is; an empty record is no longer said.
  virtual void Publish(const NodeRecord& own) = 0;
};

}  // namespace blobd::lookup
