// A NodeLookup whose answers the test gives.
#pragma once

#include <utility>
#include <vector>

#include "engine/node_lookup.h"

namespace blobd::engine {

// Records what it is asked; the test calls the sink.
class FakeLookup final : public NodeLookup {
 public:
  void SetSink(NodeLookupSink* new_sink) override { sink = new_sink; }
  void Start(path::LookupId lookup, const NodeId& node) override {
    asked.push_back({lookup, node});
  }
  void Stop(path::LookupId lookup) override { stops.push_back(lookup); }
  void View(UniqueFunction<void(std::vector<LookupServiceView>)> done) override { done(views); }

  NodeLookupSink* sink = nullptr;
  std::vector<std::pair<path::LookupId, NodeId>> asked;
  std::vector<path::LookupId> stops;
  std::vector<LookupServiceView> views;
};

}  // namespace blobd::engine
