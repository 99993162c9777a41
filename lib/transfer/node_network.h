// transfer: moving verified bytes between nodes and the store (design/transfers.md).
//
// NodeNetwork is what the engine uses of it: connections to nodes, and transfers over them. The
// real one is QuicNetwork (quic_network.h); tests may fake it.
//
// Thread: called on the control loop; it never blocks. The sink is called on the control loop too,
//         later, never during a call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "base/node_id.h"
#include "base/range_set.h"
#include "base/socket_address.h"
#include "base/time.h"
#include "schedule/event.h"
#include "transfer/get_order.h"

namespace blobd::transfer {

enum class GetState { kWaiting, kRequesting, kReceiving, kVerifying };

// How far a transfer is. All counts are of this transfer alone and only
// grow, but for unproven_bytes.
struct GetProgress {
  GetState state = GetState::kWaiting;
  uint64_t received_bytes = 0;  // from the provider, hashes and headers included
  uint64_t verified_bytes = 0;  // content given to the store
  // From a mirror: content given to the store with proof or without, by which it is seen to move
  // (nullopt: that is what is verified); and what of it has no proof now, which may become less.
  std::optional<uint64_t> moved_bytes;
  uint64_t unproven_bytes = 0;
  // Of the whole kind, not of this transfer; but without what was given to other transfers.
  std::optional<uint64_t> total_bytes;  // proven
  uint64_t claimed_bytes = 0;           // what the provider says, while not proven
  uint64_t total_blobs = 0;             // of a hash sequence, itself included; 0: not known yet
  uint64_t complete_blobs = 0;
  uint64_t stored_blobs = 0;  // by this transfer, of those
  // Where the line of the request is known (get_layout.h): everything of this transfer's share
  // before this is held, and what has been found to be held since the last report.
  bool on_line = false;
  uint64_t position = 0;
  RangeSet arrived;
  // From a mirror: groups of the one blob next to which parts of it end. A node's proof of them
  // would tell part by part whether what came is right.
  RangeSet proof_wanted;
};

// What a transfer had to say at its end.
struct GetEnd {
  schedule::Outcome outcome = schedule::Outcome::kDone;
  std::string reason;  // for people; empty when done
  std::optional<Duration> wait;
  // What the provider did wrong without harm, for the log; mostly empty. It may be set when done.
  std::string note = {};
  // kNotHere, where the line is known: what it said that it holds, and what it does not have.
  RangeSet holds = {};
  RangeSet lacks = {};
  // The size by which its line was laid out was a mirror's claim, and is wrong.
  bool line_is_void = false;
  schedule::OwnFault own_fault = schedule::OwnFault::kDisk;  // kLocalFault: what of ours it was
};

class NodeNetworkSink {
 public:
  virtual ~NodeNetworkSink() = default;
  virtual void OnConnected(const NodeId& node, const SocketAddress& address, Duration rtt) = 0;
  // While dialling: one address did not answer, refused, or could not be sent to.
  virtual void OnAttemptFailed(const NodeId& node, const SocketAddress& address,
                               std::string reason) = 0;
  virtual void OnDialFailed(const NodeId& node, bool local_fault, std::string reason) = 0;
  virtual void OnDisconnected(const NodeId& node, bool in_order, std::string reason) = 0;
  // Of a connection over which something is got: how long a round trip on its path takes, the
  // lowest of the last second; a few times a second while the peer is heard. `heard`: when it last
  // was, by the clock that the loops share.
  virtual void OnPathRtt(const NodeId& node, Duration rtt, Instant heard) = 0;
  // The peer does not answer there any more.
  virtual void OnPathDark(const NodeId& node) = 0;
  // What became of a Move or Reconnect. `not_yet`: it could not even be tried now.
  virtual void OnMoved(const NodeId& node, const SocketAddress& to) = 0;
  // Another connection has taken the place of the one there was, with its transfers.
  virtual void OnReplaced(const NodeId& node, const SocketAddress& at, Duration rtt) = 0;
  virtual void OnMoveFailed(const NodeId& node, const SocketAddress& to, bool not_yet) = 0;
  // Somebody is at the address, so far away. It proves nothing about who it is.
  virtual void OnProbeAnswered(const NodeId& node, const SocketAddress& address, Duration rtt) = 0;
  // Coalesced: at most about 10 times a second for one transfer.
  virtual void OnGetProgress(TransferId id, const GetProgress& progress) = 0;
  // Whether our own limit of the rate keeps it from reading on, looked at once a second; told when
  // that changes.
  virtual void OnGetHeldBack(TransferId id, bool held_back) = 0;
  // It knows the line of its request, and has told all it had to tell of progress until now. From
  // here on it gets what the content lacks, from the first such byte to the last, and no more.
  virtual void OnGetContent(TransferId id, const GetContent& content) = 0;
  // The answer to LowerLimit. None comes after the end.
  virtual void OnBoundary(TransferId id, uint64_t boundary) = 0;
  // The last call for this transfer; exactly one for every StartGet.
  virtual void OnGetEnded(TransferId id, const GetProgress& progress, const GetEnd& end) = 0;
};

class NodeNetwork {
 public:
  virtual ~NodeNetwork() = default;
  // REQUIRES: before anything else, once
  virtual void SetSink(NodeNetworkSink* sink) = 0;
  // Answered with OnConnected or OnDialFailed, unless Disconnect comes first. While `open` more
  // addresses may come, and the dial is not over for want of them.
  virtual void Dial(const NodeId& node, std::vector<SocketAddress> addresses, bool open) = 0;
  // More addresses for the dial that is running, if it is.
  virtual void ExtendDial(const NodeId& node, std::vector<SocketAddress> addresses, bool open) = 0;
  // Closes the connection or gives the dial up; its transfers end as stopped.
  virtual void Disconnect(const NodeId& node) = 0;
  // Has the connection go to another address of the node, once it is proven that the node is there,
  // or at once. Answered by OnMoved or OnMoveFailed, unless another Move or the end comes first.
  virtual void Move(const NodeId& node, const SocketAddress& to, bool immediate) = 0;
  // Dials the node there, and has the new connection take the place of the present one, which may
  // end meanwhile without harm: its transfers go on with what they still lack. A Move that is under
  // way goes on, too; the first of both counts. Answered by OnReplaced or OnMoved; by OnMoveFailed
  // if neither came to anything, or OnDisconnected if by then there is no connection any more;
  // unless another Reconnect comes first.
  virtual void Reconnect(const NodeId& node, const SocketAddress& to) = 0;
  // Asks at each of these addresses of the node; no connection is disturbed.
  virtual void Probe(const NodeId& node, std::vector<SocketAddress> addresses) = 0;
  // Gets what the store still lacks of the order from `node`.
  virtual void StartGet(TransferId id, const NodeId& node, const GetOrder& order) = 0;
  // Has it end at this byte of its line, or as soon behind it as it can. Answered with OnBoundary:
  // where it will really end; UINT64_MAX: where it would have.
  virtual void LowerLimit(TransferId id, uint64_t boundary) = 0;
  // Gets these groups of its one blob as well, wherever its share is, for the proof that comes with
  // them. No answer: they are found in the store, or they are not.
  virtual void Prove(TransferId id, const RangeSet& groups) = 0;
  // Ends it soon; OnGetEnded still comes, with whatever outcome was first.
  virtual void StopGet(TransferId id) = 0;
};

}  // namespace blobd::transfer
