// UploadCore: the half of UploadServer on the network loop: it takes connections and streams of
// peers, keeps them within their limits, and moves pieces of answers from the sessions on the
// workers to the endpoint, in the order that the ServeQueue gives.
//
// upload_core.cc has connections, nodes and the timers, upload_streams.cc the life of a stream,
// upload_rate.cc what a limit of the bandwidth holds back.
//
// Thread:    the network loop only, but for Start and Shutdown, which need it not to turn.
// Ownership: shared, so that posted tasks may find it gone. Between Start and Shutdown it is the
//            endpoint's acceptor. What leaves a table in a callback is destroyed in a later task,
//            since the callback may be that of what leaves.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/timers.h"
#include "transfer/serve_queue.h"
#include "transfer/serve_stream.h"
#include "transfer/throttle.h"
#include "transfer/upload_server.h"

namespace blobd::transfer {

class UploadCore final : public quic::Acceptor,
                         private ServeStream::Owner,
                         public std::enable_shared_from_this<UploadCore> {
 public:
  struct Deps {
    Executor& network;  // these two are one loop
    Timers& timers;
    Executor& control;
    std::function<std::shared_ptr<Executor>()> make_strand;
    store::BlobStore& store;
    const Clock& clock;
    Throttle* throttle = nullptr;  // of uploads; null: none. Outlives it.
    std::function<void()> on_first_node = {};
  };

  UploadCore(Deps deps, std::shared_ptr<quic::Endpoint> endpoint, ServeOptions options,
             UploadSink* sink);

  void Start();
  void Shutdown();
  UploadServer::Snapshot Take() const;
  void SetPolicy(ServeMode mode, std::vector<NodeId> listed);
  bool Disconnect(const NodeId& node);
  void Drain(Duration grace, UniqueFunction<void()> done);

  // quic::Acceptor
  std::optional<quic::Refusal> OnAccepted(quic::ConnectionId id,
                                          const quic::ConnectionInfo& info) override;
  quic::StreamHandler* OnStreamOpened(quic::ConnectionId id, quic::StreamId stream) override;
  void OnClosed(quic::ConnectionId id, const quic::CloseReason& why) override;

  // What is held, for tests.
  const ServeQueue& queue() const { return queue_; }
  uint64_t request_memory() const { return request_memory_; }

 private:
  class Port;
  // Takes the streams that are over a limit, until they are reset.
  class Refused final : public quic::StreamHandler {
   public:
    void OnData(ByteView /*bytes*/) override {}
    void OnFin() override {}
    void OnReset(uint64_t /*code*/) override {}
    void OnLost(const quic::CloseReason& /*why*/) override {}
    void OnAcknowledged(uint64_t /*bytes*/) override {}
    void OnClosed(std::optional<uint64_t> /*code*/) override {}
  };
  // A peer with its connections.
  struct Node {
    UploadInfo info;
    std::set<uint64_t> streams;
    uint64_t request_memory = 0;
    size_t observers = 0;
  };

  // ServeStream::Owner
  void OnRequestBytes(ServeStream& stream, ByteView bytes) override;
  void OnRequestComplete(ServeStream& stream) override;
  void OnRequestReset(ServeStream& stream) override;
  void OnAcknowledged(ServeStream& stream, uint64_t bytes) override;
  void OnGone(ServeStream& stream) override;

  // From the sessions.
  void OnProduced(uint64_t number, Produced produced);
  void OnNews(uint64_t number);

  Instant Now() const { return deps_.timers.Now(); }
  bool MayConnect(const NodeId& node) const;
  ServeStream* Find(uint64_t number);
  uint32_t WeightOf(const NodeId& node) const;
  void CloseOne(quic::ConnectionId id, const quic::Refusal& why);

  // Streams (upload_streams.cc).
  void Send(ServeStream& stream, Bytes bytes, bool fin);
  void SendNow(ServeStream& stream, Bytes bytes, bool fin);
  void EndUnread(ServeStream& stream);
  void Finish(ServeStream& stream);
  // Resets both directions and forgets the stream.
  void Reset(ServeStream& stream, uint64_t code);
  void Forget(ServeStream& stream);
  void CloseSession(ServeStream& stream);
  bool CountObserver(ServeStream& stream);
  void CountRequestMemory(ServeStream& stream, size_t bytes);
  void ReclaimRequestMemory();

  // The limit of the bandwidth (upload_rate.cc).
  bool IsLimited() const { return deps_.throttle != nullptr && deps_.throttle->limits(); }
  std::optional<ServeQueue::Grant> NextRead();
  void Hold(ServeStream& stream, Bytes bytes);
  void OnRate(uint64_t number, uint64_t bytes);
  void DropHeld(ServeStream& stream);

  // Does, in a task of its own, what must not be done in a callback: grants reads, resets refused
  // streams, destroys what was forgotten.
  void WantPump();
  void Pump();
  void PaceNews(uint64_t number);
  void ArmPace();
  void ArmTick();
  void Tick();
  void ResetStalled();
  void MaybeDrained();
  void CloseConnections();

  const Deps deps_;
  const ServeOptions options_;
  ServeMode mode_;
  std::unordered_set<NodeId> listed_;
  std::shared_ptr<quic::Endpoint> endpoint_;  // null after Shutdown
  UploadSink* const sink_;
  const std::shared_ptr<ServeReaders> readers_;
  UploadTotals totals_;

  std::unordered_map<quic::ConnectionId, NodeId> connections_;
  std::unordered_map<NodeId, Node> nodes_;  // those with connections
  std::unordered_map<uint64_t, std::unique_ptr<ServeStream>> streams_;
  uint64_t next_number_ = 1;
  ServeQueue queue_;
  uint64_t request_memory_ = 0;  // of all nodes
  uint64_t held_ = 0;            // bytes of answers that wait for the bandwidth

  Refused refused_;
  std::vector<std::pair<quic::ConnectionId, quic::StreamId>> to_refuse_;
  std::vector<std::unique_ptr<ServeStream>> forgotten_;
  bool pump_posted_ = false;
  std::deque<std::pair<Instant, uint64_t>> news_;  // observers that may be told again, by time
  TimerId pace_timer_ = 0;
  TimerId tick_timer_ = 0;

  bool draining_ = false;
  TimerId drain_timer_ = 0;
  std::vector<UniqueFunction<void()>> drained_;
};

}  // namespace blobd::transfer
