// NodeLookup is what the engine uses of `lookup`: where a node is, asked of all services at once.
// The real one is LookupServices (lookup_services.h); tests may fake it.
//
// Thread: called on the control loop; it never blocks. The sink is called on the control loop too,
//         later, never during a call.
#pragma once

#include <string>
#include <vector>

#include "base/node_id.h"
#include "base/socket_address.h"
#include "base/task.h"
#include "path/event.h"

namespace blobd::engine {

class NodeLookupSink {
 public:
  virtual ~NodeLookupSink() = default;
  // A service, by its name, found these. Any number of times; it may come late, after Stop.
  virtual void OnLookupFound(path::LookupId lookup, const NodeId& node, const std::string& service,
                             const std::vector<SocketAddress>& addresses) = 0;
  // The last word of a lookup: what each service that found nothing has to say, for people.
  virtual void OnLookupEnded(path::LookupId lookup, const NodeId& node,
                             const std::string& reason) = 0;
};

// How a service does, for people and metrics.
struct LookupServiceView {
  std::string name;
  std::string off;     // why it cannot be had, though it is switched on; empty: it works
  uint64_t asked = 0;  // lookups
  uint64_t found = 0;  // of these, in so many it found something
  uint64_t empty = 0;  // it works, and knew nothing
  uint64_t failed = 0;
  uint64_t timed_out = 0;
  uint64_t addresses = 0;      // that it found
  std::string last_error;      // of a failure; it may be long past
  uint64_t published = 0;      // how often it took what we say of ourselves
  uint64_t not_published = 0;  // and how often it did not
  std::string publish_error;   // of the latest; empty after a success
};

class NodeLookup {
 public:
  virtual ~NodeLookup() = default;
  // REQUIRES: before anything else
  virtual void SetSink(NodeLookupSink* sink) = 0;
  // REQUIRES: `lookup` was never used before
  virtual void Start(path::LookupId lookup, const NodeId& node) = 0;
  // It is not wanted any more.
  virtual void Stop(path::LookupId lookup) = 0;
  // Answers with every service that is switched on.
  virtual void View(UniqueFunction<void(std::vector<LookupServiceView>)> done) = 0;
};

}  // namespace blobd::engine
