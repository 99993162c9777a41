// Services that know without asking the network: what was configured, and what earlier lives left.
//
// Thread: the loop's.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/task.h"
#include "base/timers.h"
#include "lookup/service.h"

namespace blobd::lookup {

// What the configuration says of nodes.
class StaticLookup final : public Service {
 public:
  static constexpr size_t kMaxNodes = 100'000;

  // REQUIRES: `timers` outlives this
  explicit StaticLookup(Timers& timers) : timers_(timers) {}
  ~StaticLookup() override;

  // Replaces what was said of the node; an empty record says nothing. False if there is no room.
  bool Set(const NodeId& node, NodeRecord record);

  std::string_view name() const override { return "static"; }
  void Resolve(QueryId query, const NodeId& node, ServiceSink* sink) override;
  void Stop(QueryId query) override;

 private:
  Timers& timers_;
  std::map<NodeId, NodeRecord> nodes_;
  std::map<QueryId, TimerId> answers_;
};

// Where the registry's addresses come from. The real one posts to the registry and back.
class AddressSource {
 public:
  virtual ~AddressSource() = default;
  // Calls `done` once, later, on the thread that asked: addresses that worked before, best first.
  virtual void AddressesOf(const NodeId& node,
                           UniqueFunction<void(StatusOr<std::vector<SocketAddress>>)> done) = 0;
};

class RegistryLookup final : public Service {
 public:
  // REQUIRES: `source` outlives this
  explicit RegistryLookup(AddressSource& source) : source_(source) {}
  ~RegistryLookup() override;

  std::string_view name() const override { return "registry"; }
  void Resolve(QueryId query, const NodeId& node, ServiceSink* sink) override;
  void Stop(QueryId query) override;

 private:
  AddressSource& source_;
  // Shared with answers that may outlive this.
  std::shared_ptr<std::map<QueryId, ServiceSink*>> sinks_ =
      std::make_shared<std::map<QueryId, ServiceSink*>>();
};

}  // namespace blobd::lookup
