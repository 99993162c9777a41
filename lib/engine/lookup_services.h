// LookupServices: the real NodeLookup: the services of `lookup` on the network loop. It also says
// where we are, as far as the options allow.
//
// Thread:    made and destroyed on any thread while neither loop turns, or by the owner of both;
//            its calls come from the control loop and are posted to the network loop.
// Ownership: loops and clock outlive it. The registry is asked on the control loop, and outlives
//            that loop's turning.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "engine/node_lookup.h"
#include "lookup/services.h"
#include "registry/registry.h"

namespace blobd::engine {

class LookupServices final : public NodeLookup {
 public:
  struct Deps {
    loop::Loop& network_loop;
    Executor& control;
    const Clock& clock;
    registry::Registry& registry;
  };
  // What the configuration says of nodes.
  using StaticNodes = std::map<NodeId, lookup::NodeRecord>;

  // `seed` is the secret key of `self`; it signs what is published. REQUIRES: seed has 32 bytes
  LookupServices(Deps deps, const NodeId& self, ByteView seed,
                 const lookup::ServicesOptions& options, const StaticNodes& nodes);
  ~LookupServices() override;

  void SetSink(NodeLookupSink* sink) override;
  void Start(path::LookupId lookup, const NodeId& node) override;
  void Stop(path::LookupId lookup) override;
  void View(UniqueFunction<void(std::vector<LookupServiceView>)> done) override;

  // Where we are, as far as we know.
  void Publish(const lookup::NodeRecord& own);
  // Interfaces came or went, or the way out is another one.
  void OnNetworkChanged(bool way_out);

 private:
  class Core;  // lives on the network loop
  loop::Loop& network_loop_;
  std::shared_ptr<Core> core_;
};

}  // namespace blobd::engine
