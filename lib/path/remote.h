// Remote: one node while anything is happening with it: dials, lookups, connections, open paths and
// which of them is selected (design/remotes.md). Events in, effects out, time as an argument.
//
//   idle --Want--> dialling --ConnectionUp--> connected --last ConnectionDown--> idle --60 s-->
//   done
//    ^                |                           ^
//    '---Unreached----'       ConnectionUp that the peer began, at any time
//
// A lookup runs beside that, at most one: when a dial begins and no address is proven, when none
// has answered after a second, or when all have failed. What it finds joins the dial.
//
// While there is a connection its paths are measured: by the connections that use them, and by
// probes. Select (selection.h) chooses among those that are open, and every connection that we
// opened is moved there. What the addresses did stays in the book.
//
// Thread: the control loop. Never blocks, calls out or reads a clock.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "path/address_book.h"
#include "path/effect.h"
#include "path/event.h"
#include "path/probe_plan.h"
#include "path/selection.h"

namespace blobd::path {

struct Moment {
  Instant now;
  WallTime wall;
};

struct RemoteOptions {
  SelectionOptions selection;
  bool lookup = true;  // some service is switched on
  // A dial whose proven addresses do not answer for so long asks the services.
  Duration lookup_after = seconds(1);
  Duration idle = seconds(60);              // without connection and dial, then it is done
  Duration primary_idle = seconds(15);      // a spare path without an answer for so long is closed
  Duration backup_idle = seconds(30);       // the same for relays
  Duration move_again = milliseconds(333);  // after a move that could not be tried yet
  Duration upgrade_check = seconds(60);
  Duration good_enough = milliseconds(10);  // a direct path at or below needs no better one
  Duration unfit = seconds(60);  // an address that cannot be moved to is left alone for so long
  // A peer that was asked to follow from a dark path, and has not after so long, or four round
  // trips if that is more, is dialled beside it.
  Duration follow_within = milliseconds(250);
  // After a network change a path has so long to answer, or four round trips if that is more.
  Duration prove_again = milliseconds(300);
};

struct PathView {
  SocketAddress address;
  std::optional<Duration> rtt;
  bool dark = false;
  bool selected = false;
  size_t connections = 0;
};

// Numbers dials and lookups of all remotes, so that an old one is never taken for a new one.
struct IdCounters {
  uint64_t dials = 0;
  uint64_t lookups = 0;
};

class Remote {
 public:
  // REQUIRES: options, book and counters outlive the remote
  Remote(const NodeId& node, const RemoteOptions& options, AddressBook& book, IdCounters& counters,
         Instant now);

  void Step(const Moment& at, const Event& event, std::vector<Effect>& effects);
  // When a Tick is owed; nullopt if none is. An early Tick does nothing.
  std::optional<Instant> NextDeadline() const;
  // It has been idle for long enough; nothing is lost when it is dropped.
  bool done(Instant now) const;

  const Selection& selection() const { return selection_; }
  std::vector<PathView> Paths() const;
  bool dialling() const { return dial_.has_value(); }
  bool looking_up() const { return lookup_.has_value(); }
  size_t connections() const { return connections_.size(); }

  // What must hold between steps; ends the process where it does not.
  void CheckInvariants() const;

 private:
  struct Dial {
    DialId id;
    Instant started;
    std::set<SocketAddress> given;
    std::set<SocketAddress> untried;  // of these the ones that have not failed
    bool asked = false;               // a lookup was begun for it, or ran already
    std::string lookup_reason;        // what the services said
  };
  struct Connection {
    bool ours = false;  // we opened it and nothing replaced it, so we move it
    bool can_migrate = true;
    bool doubted = false;  // can_migrate is false only because it did not follow once
    SocketAddress address;
    std::optional<Duration> rtt;
    bool left = false;  // it was moved at once and has not arrived: it is at `address` no more
    std::optional<SocketAddress> moving_to;
    bool reconnecting = false;          // there, by a new connection
    std::optional<Instant> follow_by;   // else it is dialled there
    std::optional<Instant> move_again;  // not before
  };
  struct Path {
    // The lower of the last two answers to probes: one that was late does not count.
    std::optional<Duration> last, before;
    Instant heard;
    Instant changed;  // when the network did: what was heard before says nothing of it now
    std::optional<Instant> answer_by;  // else it is dark, since then
    bool dark = false;
  };

  void On(const Moment& at, const Want&);
  void On(const Moment& at, const Unwant&);
  void On(const Moment& at, const Busy&);
  void On(const Moment& at, const AddressesLearnt&);
  void On(const Moment& at, const LookupFound&);
  void On(const Moment& at, const LookupEnded&);
  void On(const Moment& at, const AttemptFailed&);
  void On(const Moment& at, const DialEnded&);
  void On(const Moment& at, const ConnectionUp&);
  void On(const Moment& at, const ConnectionDown&);
  void On(const Moment& at, const ConnectionRtt&);
  void On(const Moment& at, const ConnectionMoved&);
  void On(const Moment& at, const MoveFailed&);
  void On(const Moment& at, const WentDark&);
  void On(const Moment& at, const ProbeAnswered&);
  void On(const Moment& at, const NetworkChanged&);
  void On(const Moment& at, const Tick&) { static_cast<void>(at); }

  template <typename What>
  void Emit(What what) {
    effects_->push_back({node_, std::move(what)});
  }
  // remote_dial.cc
  void Learn(const std::vector<SocketAddress>& addresses, const std::string& source);
  void MayLookUp(Instant now);
  void NoteFailure(const Moment& at, const SocketAddress& address, const std::string& reason);
  bool KnowsProven() const;
  std::vector<SocketAddress> DialOrder() const;
  void FailDial(bool local_fault, std::string reason);
  // remote_paths.cc
  void Use(const Moment& at, ConnectionId id, const SocketAddress& address);
  // Something came over it, at that time.
  void Hear(Instant heard, const SocketAddress& address);
  void GoDark(Instant now, const SocketAddress& address);
  bool InUse(const SocketAddress& address) const;
  std::optional<Duration> RttOf(const SocketAddress& address, const Path& path) const;
  void CloseStale(Instant now);
  void Reselect(Instant now);
  void MoveConnections(Instant now);
  void StayPut(Connection& connection);
  void GoTo(Instant now, ConnectionId id, Connection& connection);
  void PlanProbes(Instant now);
  bool GoodEnough() const;

  const NodeId node_;
  const RemoteOptions& options_;
  AddressBook& book_;
  IdCounters& counters_;
  std::vector<Effect>* effects_ = nullptr;  // during a step

  bool busy_ = false;
  std::optional<Dial> dial_;
  std::optional<LookupId> lookup_;
  std::map<ConnectionId, Connection> connections_;
  std::map<SocketAddress, Path> paths_;  // empty without connections
  // Answered probes, but could not be moved to: so long their answers count for nothing.
  std::map<SocketAddress, Instant> unfit_until_;
  Selection selection_;
  ProbePlan probes_;
  Instant upgrade_check_ = Instant::Max();
  Instant idle_since_;  // while idle
};

}  // namespace blobd::path
