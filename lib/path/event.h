// What the world tells the remotes. Values, no behaviour; effect.h is the other vocabulary.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/node_id.h"
#include "base/socket_address.h"
#include "base/time.h"

namespace blobd::path {

using DialId = Id<struct DialTag>;
using LookupId = Id<struct LookupTag>;
using ConnectionId = Id<struct PathConnectionTag>;  // whoever owns the connection numbers it

// Somebody needs a connection to the node that we opened, or nobody does any more.
struct Want {};
struct Unwant {};
// Transfers are waiting for bytes from the node, or none is any more.
struct Busy {
  bool busy = false;
};

// Addresses from a ticket, a caller, the configuration.
struct AddressesLearnt {
  std::vector<SocketAddress> addresses;
  std::string source;
};
// A service found these. What comes for an old lookup still counts as learnt.
struct LookupFound {
  LookupId lookup;
  std::string service;
  std::vector<SocketAddress> addresses;
};
// The last word of a lookup: what each service that found nothing says, for people.
struct LookupEnded {
  LookupId lookup;
  std::string reason;
};

// One address of a dial did not answer, refused, or could not be sent to.
struct AttemptFailed {
  DialId dial;
  SocketAddress address;
  std::string reason;
};
// The dial is over, and no address is left or the time is out. Its success is ConnectionUp.
struct DialEnded {
  DialId dial;
  bool local_fault = false;  // ours, not the node's
  std::string reason;
};

struct ConnectionUp {
  ConnectionId connection;
  DialId dial = {};  // of ours that it came from
  // Of ours that it has replaced, whose end follows. With neither, the peer opened it.
  ConnectionId replaces = {};
  SocketAddress address;  // the one that answered
  Duration rtt{0};
  bool can_migrate = true;  // false: the peer does not follow a migration (iroh <= 0.95)
};
struct ConnectionDown {
  ConnectionId connection;
};
// The connection heard something and knows how long a round trip takes on its path: the lowest of
// the last moments, so that queues of our own making do not count.
struct ConnectionRtt {
  ConnectionId connection;
  Duration rtt{0};
  Instant heard;  // when it last did, which this may come long after
};
// A migration that we asked for is validated, or the peer went elsewhere.
struct ConnectionMoved {
  ConnectionId connection;
  SocketAddress address;
};
struct MoveFailed {
  ConnectionId connection;
  SocketAddress address;
  bool not_yet = false;  // it could not even be tried now (no connection ids left)
};
// The silence detector, or an interface that went away with the address we sent from.
struct WentDark {
  ConnectionId connection;
};

// Where a probe was answered from, and how soon. Never trusted: it proves nothing about who it was.
struct ProbeAnswered {
  SocketAddress address;
  Duration rtt{0};
};
// An interface or a default route came or went.
struct NetworkChanged {
  bool major = false;  // we may be somewhere else now
};
// A deadline has come.
struct Tick {};

struct Event {
  NodeId node;
  std::variant<Want, Unwant, Busy, AddressesLearnt, LookupFound, LookupEnded, AttemptFailed,
               DialEnded, ConnectionUp, ConnectionDown, ConnectionRtt, ConnectionMoved, MoveFailed,
               WentDark, ProbeAnswered, NetworkChanged, Tick>
      what;
};

}  // namespace blobd::path
