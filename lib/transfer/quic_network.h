// QuicNetwork: the real NodeNetwork, over a quic::Endpoint on the network loop.
//
// Thread:    made and destroyed on any thread while neither loop turns, or by the owner of both;
//            its NodeNetwork calls come from the control loop and are posted to the network loop.
// Ownership: shares the endpoint. The loops, the store, the pool and the clock outlive it.
#pragma once

#include <memory>

#include "base/task.h"
#include "loop/loop.h"
#include "loop/worker_pool.h"
#include "quic/endpoint.h"
#include "store/blob_store.h"
#include "transfer/claims.h"
#include "transfer/get_work.h"
#include "transfer/node_network.h"
#include "transfer/throttle.h"

namespace blobd::transfer {

struct QuicNetworkOptions {
  Duration stall_timeout = seconds(10);  // no byte for so long while we were ready to read
  GetOptions get = {};
};

class QuicNetwork final : public NodeNetwork {
 public:
  struct Deps {
    loop::Loop& network_loop;
    Executor& control;
    loop::WorkerPool& workers;
    store::BlobStore& store;
    const Clock& clock;
    Throttle* throttle = nullptr;         // of downloads, on the network loop; outlives it
    std::shared_ptr<Claims> claims = {};  // shared with others who get blobs; null: nobody does
  };

  QuicNetwork(Deps deps, std::shared_ptr<quic::Endpoint> endpoint, QuicNetworkOptions options);
  ~QuicNetwork() override;

  void SetSink(NodeNetworkSink* sink) override;
  void Dial(const NodeId& node, std::vector<SocketAddress> addresses, bool open) override;
  void ExtendDial(const NodeId& node, std::vector<SocketAddress> addresses, bool open) override;
  void Disconnect(const NodeId& node) override;
  void Move(const NodeId& node, const SocketAddress& to, bool immediate) override;
  void Reconnect(const NodeId& node, const SocketAddress& to) override;
  void Probe(const NodeId& node, std::vector<SocketAddress> addresses) override;
  void StartGet(TransferId id, const NodeId& node, const GetOrder& order) override;
  void LowerLimit(TransferId id, uint64_t boundary) override;
  void Prove(TransferId id, const RangeSet& groups) override;
  void StopGet(TransferId id) override;

 private:
  class Core;  // lives on the network loop
  loop::Loop& network_loop_;
  std::shared_ptr<Core> core_;
  uint64_t dials_ = 0;  // so many were begun
};

}  // namespace blobd::transfer
