// NodePaths: carries out what path::Remotes decides about reaching nodes. Wishes of the scheduler
// and what network and lookup tell become its events; its effects become calls.
//
// Thread:    the control loop. Sinks are called during any call that is not const; what they ask
//            for meanwhile is done after it.
// Ownership: all of Deps outlive it.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/timers.h"
#include "engine/deadline_timer.h"
#include "engine/node_lookup.h"
#include "path/remotes.h"
#include "transfer/node_network.h"

namespace blobd::engine {

class NodePathsSink {
 public:
  virtual ~NodePathsSink() = default;
  // What was wanted is there, or came to nothing.
  virtual void OnReached(const NodeId& node, const SocketAddress& address, Duration rtt) = 0;
  virtual void OnUnreached(const NodeId& node, bool local_fault, std::string reason) = 0;
  // The connection is on another path from now on; `anew`: it is another one, which took its place.
  virtual void OnPathChanged(const NodeId& node, const SocketAddress& to, bool anew) = 0;
  // To be kept for later lives.
  virtual void OnKeepAddress(const NodeId& node, const path::KnownAddress& known,
                             const std::optional<SocketAddress>& evicted) = 0;
  // Something has happened with the node: what is shown of it may be different now.
  virtual void OnStepped(const NodeId& node) = 0;
  // `count` addresses were found that nobody knew; `late`: no dial is running that tries them.
  virtual void OnFound(const NodeId& node, std::string_view service, size_t count, bool late) = 0;
};

class NodePaths final : public NodeLookupSink {
 public:
  struct Deps {
    Timers& timers;
    const Clock& clock;
    transfer::NodeNetwork& network;
    path::AddressBook& book;
    NodeLookup* lookup;  // null: every service is switched off
    NodePathsSink& sink;
  };
  explicit NodePaths(Deps deps);
  NodePaths(const NodePaths&) = delete;
  NodePaths& operator=(const NodePaths&) = delete;

  // A connection is wanted. Answered by OnReached or OnUnreached, unless Close comes first.
  void Want(const NodeId& node);
  // No connection is wanted any more: the dial is given up, the connection closed.
  void Close(const NodeId& node);
  // This address is in the book; a dial that is running tries it too.
  void Learnt(const NodeId& node, const SocketAddress& address, const std::string& source);

  // An interface or the way out came or went; `major`: we may be somewhere else now.
  void NetworkChanged(bool major);

  // What the network tells of the dial or the connection. What comes late counts for nothing.
  void Connected(const NodeId& node, const SocketAddress& address, Duration rtt);
  void AttemptFailed(const NodeId& node, const SocketAddress& address, std::string reason);
  void DialFailed(const NodeId& node, bool local_fault, std::string reason);
  void Disconnected(const NodeId& node);
  void PathRtt(const NodeId& node, Duration rtt, Instant heard);
  void PathDark(const NodeId& node);
  void Moved(const NodeId& node, const SocketAddress& to);
  void Replaced(const NodeId& node, const SocketAddress& at, Duration rtt);
  void MoveFailed(const NodeId& node, const SocketAddress& to, bool not_yet);
  void ProbeAnswered(const NodeId& node, const SocketAddress& address, Duration rtt);
  // Transfers wait for bytes from the node, or none does any more.
  void SetBusy(const NodeId& node, bool busy);

  // Null if nothing is happening with the node.
  const path::Remote* Find(const NodeId& node) const { return remotes_.Find(node); }

 private:
  struct Link {
    std::optional<path::DialId> dial;  // while the network dials
    path::ConnectionId connection;     // 0: none
    SocketAddress address;             // of the connection
    Duration rtt{0};
  };

  // NodeLookupSink
  void OnLookupFound(path::LookupId lookup, const NodeId& node, const std::string& service,
                     const std::vector<SocketAddress>& addresses) override;
  void OnLookupEnded(path::LookupId lookup, const NodeId& node, const std::string& reason) override;

  bool IsKnown(const NodeId& node, const SocketAddress& address) const;
  path::Moment Now() const { return {deps_.timers.Now(), deps_.clock.WallNow()}; }
  void Deliver(path::Event event);
  void Execute(const path::Effect& effect);

  const Deps deps_;
  path::Remotes remotes_;
  std::map<NodeId, Link> links_;  // dialling or connected
  uint64_t connections_ = 0;      // so many there were
  std::deque<path::Event> events_;
  bool delivering_ = false;
  DeadlineTimer timer_;
};

}  // namespace blobd::engine
