// What the engine must do for the remotes. Values, no behaviour.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "path/address_book.h"
#include "path/event.h"

namespace blobd::path {

// Race these, best first (dial_race.h). While `open`, more may come: the dial is not over for want
// of addresses.
struct StartDial {
  DialId dial;
  std::vector<SocketAddress> addresses;
  bool open = false;
};
struct ExtendDial {
  DialId dial;
  std::vector<SocketAddress> addresses;
  bool open = false;
};
// Nobody wants it any more.
struct GiveUpDial {
  DialId dial;
};
// For whoever wants: there is a connection; the dial came to nothing.
struct Reached {
  ConnectionId connection;
};
struct Unreached {
  bool local_fault = false;
  std::string reason;  // for people
};

// Ask all services at once. Answered by any number of LookupFound, then one LookupEnded.
struct StartLookup {
  LookupId lookup;
};
struct StopLookup {
  LookupId lookup;
};

// Ask at each address for an answer that gives a round-trip time.
struct Probe {
  std::vector<SocketAddress> addresses;
};
// Move the connection to another path: validated first, or at once because the old one is dark.
// Answered by ConnectionMoved or MoveFailed, unless another Move or the end comes first.
struct Move {
  ConnectionId connection;
  SocketAddress to;
  bool immediate = false;
};
// The same for a peer that does not follow: dial it anew at the address, let the transfers resume
// there, then close the old connection. A Move that is under way goes on beside it, and the first
// of both counts. Answered by ConnectionUp of the one that replaces it, or by MoveFailed of the
// old when neither came to anything; or by what ends a Move.
struct Reconnect {
  ConnectionId connection;
  SocketAddress to;
};
// No connection to the node uses this path any more; what was kept open for it may go.
struct ClosePath {
  SocketAddress address;
};
// We may be elsewhere: hole punching has a new chance.
struct PunchHoles {};

// To be kept for later lives: an address that is new, has worked or has failed, and what made room
// for it.
struct KeepAddress {
  KnownAddress known;
  std::optional<SocketAddress> evicted;
};
// The remote has gone idle; its live state is gone. An event that comes later starts a new life.
struct Retired {};

struct Effect {
  NodeId node;
  std::variant<StartDial, ExtendDial, GiveUpDial, Reached, Unreached, StartLookup, StopLookup,
               Probe, Move, Reconnect, ClosePath, PunchHoles, KeepAddress, Retired>
      what;
};

}  // namespace blobd::path
