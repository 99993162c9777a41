// UploadTable: what other nodes get from us, with rates. It asks the upload server 8 times a second
// while some node is connected, for every caller, and of itself not at all while nobody is served.
//
// Thread:    the control loop only; `done` is called there, later.
// Ownership: made and destroyed while the loop does not turn. The timers, and what the source asks,
//            outlive it.
#pragma once

#include <map>
#include <vector>

#include "base/task.h"
#include "base/timers.h"
#include "engine/rate_meter.h"
#include "transfer/upload_server.h"

namespace blobd::engine {

struct UploadView {
  transfer::UploadInfo info;
  double rate = 0;  // acknowledged bytes per second
};

struct UploadsView {
  std::vector<UploadView> nodes;  // in order of node id
  transfer::UploadTotals totals;
  double rate = 0;  // all nodes together, those that have gone included
};

class UploadTable {
 public:
  using Snapshot = transfer::UploadServer::Snapshot;
  // UploadServer::List, or what a test puts in its place. Answers once, on the control loop, later.
  using Source = UniqueFunction<void(UniqueFunction<void(Snapshot)>)>;

  // UploadServer::Disconnect, or what a test puts in its place; the same.
  using Cut = UniqueFunction<void(const NodeId& node, UniqueFunction<void(bool)>)>;

  UploadTable(Timers& timers, Source source, Cut cut = nullptr);
  ~UploadTable();
  UploadTable(const UploadTable&) = delete;
  UploadTable& operator=(const UploadTable&) = delete;

  void List(UniqueFunction<void(UploadsView)> done);
  // A node connected while none was.
  void Wake();
  // Closes the connections that the node opened to us. Answered with whether there was one.
  void Disconnect(const NodeId& node, UniqueFunction<void(bool)> done);

 private:
  // How often it asks when all nodes have gone, until their rate is nothing.
  static constexpr Duration kEndInterval = seconds(1);

  struct Meter {
    WallTime since;
    uint64_t sent_bytes = 0;
    RateMeter meter;
  };
  UploadsView Sample(Snapshot snapshot);
  void Arm(Duration delay);

  Timers& timers_;
  Source source_;
  Cut cut_;
  TimerId timer_ = 0;
  bool rests_ = true;
  std::map<NodeId, Meter> meters_;  // of the nodes in the latest answer
  RateMeter total_;
};

}  // namespace blobd::engine
