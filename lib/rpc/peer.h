// Who is at the other end of each connection. The kernel tells when a connection is accepted
// (SO_PEERCRED, SO_PEERGROUPS); gRPC tells a call only the number of its descriptor. PeerTable
// joins the two: it picks the number under which gRPC gets the descriptor, and never reuses one
// soon, so that a call still under way is never taken for somebody else's.
//
// Thread: any; one lock inside, held for a look-up.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "base/status.h"
#include "engine/caller.h"
#include "rpc/uid_quota.h"

namespace blobd::rpc {

// Who are administrators besides root.
struct Admins {
  uint32_t daemon_uid = UINT32_MAX;    // whoever runs the daemon; of no process: nobody
  std::optional<uint32_t> group = {};  // members of this group
};

// Of connections.
using PeerLimits = UidLimits;

// Who is at the other end of this connection, with the groups that the process had when it
// connected. kPermissionDenied: the kernel does not say, or says that the uid means nothing here
// (the overflow uid, which stands for all that a user namespace does not know).
StatusOr<engine::Caller> CallerAt(int connection, const Admins& admins);

// Connections; all but the first since the start.
struct PeerCounts {
  uint64_t open = 0;
  uint64_t accepted = 0;
  uint64_t refused_by_limit = 0;    // too many of this uid, or in all
  uint64_t refused_as_unknown = 0;  // nobody can say who it is
};

class PeerTable {
 public:
  explicit PeerTable(PeerLimits limits, const Admins& admins = {})
      : admins_(admins), quota_(limits) {}
  ~PeerTable();
  PeerTable(const PeerTable&) = delete;
  PeerTable& operator=(const PeerTable&) = delete;

  // Takes an accepted connection over (closes it on error). Returns the descriptor to give to gRPC,
  // which then owns it. kResourceExhausted: too many connections of this uid, or in all.
  // kPermissionDenied: nobody can say who it is.
  StatusOr<int> Admit(int connection);
  // Forgets connections that have ended. Called now and then by the accepting thread.
  void Sweep();
  // `name` as gRPC's peer() gives it: "fd:N". nullopt for a connection that is not (or no longer)
  // known.
  std::optional<engine::Caller> Find(std::string_view name) const;
  size_t size() const;
  PeerCounts counts() const;

 private:
  struct Connection {
    engine::Caller caller;
    int watch = -1;  // our own descriptor of the same socket: tells when the peer has gone
    uint64_t inode = 0;
  };

  const Admins admins_;
  mutable Mutex mutex_;
  std::map<int, Connection> connections_ ABSL_GUARDED_BY(mutex_);  // by the number gRPC has
  UidQuota quota_ ABSL_GUARDED_BY(mutex_);
  int next_number_ ABSL_GUARDED_BY(mutex_) = 0;
  PeerCounts counts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace blobd::rpc
