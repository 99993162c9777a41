// lookup: where a node is, by asking several services at once (design/remotes.md, "Address
// lookup").
//
//   static        what the configuration and callers said            known_nodes.h
//   registry      what worked in earlier lives                       known_nodes.h
//   dns           TXT records, as iroh publishes them                dns_lookup.h
//   pkarr         signed packets from an HTTP relay; publishes, too  pkarr_lookup.h
//   local         the local network, iroh's mDNS form; publishes     local_discovery.h
//
// Lookup is what others use. Results are passed on as they come; a service that fails or hangs
// costs nobody else anything: each has five seconds.
//
// Thread:    the loop's, all of it. The sink is called later, never during Start.
// Ownership: owns the services. The sink outlives it.
// Bounded:   256 lookups run at once and 10,000 wait their turn; what comes on top ends at once,
//            and says so. Of one service at most 32 addresses per lookup are passed on.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/node_id.h"
#include "base/timers.h"
#include "lookup/service.h"

namespace blobd::lookup {

using LookupKey = uint64_t;  // the caller's number for a lookup

class LookupSink {
 public:
  virtual ~LookupSink() = default;
  virtual void OnLookupFound(LookupKey key, const NodeId& node, std::string_view service,
                             const NodeRecord& record) = 0;
  // The last call for this lookup: what each service that found nothing has to say, for people;
  // empty if every one of them found something.
  virtual void OnLookupEnded(LookupKey key, const NodeId& node, const std::string& reason) = 0;
};

struct ServiceStats {
  std::string_view service;
  uint64_t asked = 0;
  uint64_t found = 0;  // lookups in which it found something
  uint64_t empty = 0;  // it works, and knows nothing
  uint64_t failed = 0;
  uint64_t timed_out = 0;
  uint64_t addresses = 0;  // passed on
  std::string last_error;  // of a failure
};

class Lookup final : private ServiceSink {
 public:
  static constexpr size_t kMaxRunning = 256;
  static constexpr size_t kMaxWaiting = 10'000;

  // REQUIRES: `timers` outlives this
  explicit Lookup(Timers& timers, LookupSink* sink, Duration timeout = seconds(5));
  ~Lookup() override;
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  // All of them before the first Start.
  void Add(std::unique_ptr<Service> service);
  bool has_services() const { return !services_.empty(); }

  // REQUIRES: `key` is not in use
  void Start(LookupKey key, const NodeId& node);
  // The sink hears no more of it. Nothing happens if it has ended.
  void Stop(LookupKey key);
  std::vector<ServiceStats> stats() const;
  size_t running() const { return running_.size(); }

 private:
  struct Entry {
    std::unique_ptr<Service> service;
    ServiceStats stats;
  };
  struct Query {
    LookupKey key = 0;
    size_t service = 0;
    TimerId timer = 0;
    size_t addresses = 0;
    bool found = false;
  };
  struct Running {
    NodeId node;
    std::map<size_t, QueryId> queries;  // by service, those that have not ended
    std::map<size_t, std::string> reasons;
  };

  void OnFound(QueryId id, const NodeRecord& record) override;
  void OnEnded(QueryId id, const Status& status) override;
  void Begin(LookupKey key, const NodeId& node);
  void TimeOut(QueryId id);
  void Conclude(std::unordered_map<QueryId, Query>::iterator query, const std::string& reason);
  void BeginWaiting();
  void EndSoon(LookupKey key, const NodeId& node, std::string reason);

  Timers& timers_;
  LookupSink* const sink_;
  const Duration timeout_;
  std::vector<Entry> services_;
  std::map<LookupKey, Running> running_;
  std::unordered_map<QueryId, Query> queries_;
  std::map<uint64_t, std::pair<LookupKey, NodeId>> waiting_;  // by when they came, counted
  std::unordered_map<LookupKey, uint64_t> place_of_;          // in waiting_
  uint64_t next_place_ = 1;
  std::map<LookupKey, TimerId> ending_;  // those that end without having begun
  uint64_t next_query_ = 1;
};

}  // namespace blobd::lookup
