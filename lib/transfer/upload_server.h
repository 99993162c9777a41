// UploadServer: answers the requests of other nodes from the store (protocol/blobs.md,
// design/transfers.md "Serving"). Get, GetMany and Observe are served, Push is refused. What is not
// here is said at once; nothing is ever fetched for the asker, and no byte leaves that does not
// fit its hash.
//
// Thread:    made and destroyed while the network loop does not turn; the other calls from the
//            control loop, which also hears the sink. Requests are read and answered on the network
//            loop, files are read and checked on strands of the workers.
// Ownership: shares the endpoint, whose acceptor it is. Loops, store, workers and sink outlive it.
// Memory:    bounded by `read_budget` for answers and by `request_budget` for requests, whatever
//            peers do.
// Files:     at most `open_readers` + 2 * `reads_at_once` blobs are open at once, whatever peers
//            do, each with two descriptors at most (data and outboard).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/hash.h"
#include "base/node_id.h"
#include "base/range_set.h"
#include "base/socket_address.h"
#include "base/task.h"
#include "base/time.h"
#include "loop/loop.h"
#include "loop/worker_pool.h"
#include "quic/endpoint.h"
#include "store/blob_store.h"
#include "transfer/throttle.h"

namespace blobd::transfer {

class UploadCore;

enum class ServeMode { kAnyone, kListed, kNobody };

struct ServeOptions {
  ServeMode mode = ServeMode::kListed;
  std::vector<NodeId> listed;
  // A node's share of sending against others; 1 for those not named. At least 1.
  std::map<NodeId, uint32_t> weights;
  size_t streams_per_node = 256;   // more are answered with reset 2
  size_t observers_per_node = 64;  // Observe streams among them
  // Bytes read and not yet acknowledged, all peers together; at least 64 KiB.
  uint64_t read_budget = 64 << 20;
  // Memory of requests, those not complete yet and those under way, all peers together. Decoded, a
  // request may take 25 times its bytes. Over the budget, the node that holds most of it loses its
  // largest one (reset 2).
  uint64_t request_budget = 64 << 20;
  // Reads under way at once; about twice the workers keeps them busy.
  size_t reads_at_once = 8;
  // Blobs kept open between two pieces of answers. Over this nobody is refused: pieces cost a
  // lookup and an opening more.
  size_t open_readers = 128;
  // The request not complete, or no byte acknowledged: reset 3.
  Duration stall_timeout = seconds(30);
  // The same while the read budget is used up and others wait: reset 2.
  Duration starving_stall_timeout = seconds(5);
};

// What one node gets from us now.
struct UploadInfo {
  NodeId node;
  SocketAddress address;  // of its newest connection
  uint32_t connections = 0;
  uint32_t streams = 0;     // requests under way
  uint64_t sent_bytes = 0;  // acknowledged since the node's first connection of these
  uint64_t requests = 0;    // answered or under way, since then
  WallTime since;
};

struct UploadTotals {
  uint64_t sent_bytes = 0;  // acknowledged since the start
  uint64_t requests = 0;
  uint64_t refused = 0;  // connections and requests turned away by policy or a limit
  uint64_t stalled = 0;  // requests ended because their peer stalled
  uint64_t failed = 0;   // requests ended because of our own disk
};

class UploadSink {
 public:
  virtual ~UploadSink() = default;
  // These groups did not fit their hash when read, and were withdrawn; somebody should get them
  // again.
  virtual void OnRotten(const Hash& hash, const RangeSet& groups) = 0;
};

class UploadServer {
 public:
  struct Deps {
    loop::Loop& network_loop;
    Executor& control;
    loop::WorkerPool& workers;
    store::BlobStore& store;
    const Clock& clock;
    Throttle* throttle = nullptr;  // of uploads, on the network loop; outlives it
    // Called on the control loop when a node connects while none was: List has something to tell.
    std::function<void()> on_first_node = {};
  };

  // Serves from now on.
  UploadServer(Deps deps, std::shared_ptr<quic::Endpoint> endpoint, ServeOptions options,
               UploadSink* sink);
  // Closes all connections of peers with code 0.
  ~UploadServer();
  UploadServer(const UploadServer&) = delete;
  UploadServer& operator=(const UploadServer&) = delete;

  struct Snapshot {
    std::vector<UploadInfo> nodes;  // in order of node id
    UploadTotals totals;
  };
  // Answered on the control loop.
  void List(UniqueFunction<void(Snapshot)> done);
  // Who is served from now on. Connections of others are closed as they are refused, with code 1.
  void SetPolicy(ServeMode mode, std::vector<NodeId> listed);
  // Closes the connections of a node with code 0; it may come back at once. Answered on the control
  // loop with whether there was one.
  void Disconnect(const NodeId& node, UniqueFunction<void(bool)> done);
  // No new connections or requests; what is under way has `grace`, then connections are closed
  // with code 0. `done` on the control loop. Observe streams end at once.
  void Drain(Duration grace, UniqueFunction<void()> done);

 private:
  const Deps deps_;
  const std::shared_ptr<UploadCore> core_;
};

}  // namespace blobd::transfer
