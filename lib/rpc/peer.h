// Who is at the other end of each connection. The kernel tells when a connection is accepted
// (SO_PEERCRED); gRPC tells a call only the number of its descriptor. PeerTable joins the two: it
// picks the number under which gRPC gets the descriptor, and never reuses one soon, so that a call
// still under way is never taken for somebody else's.
//
// Thread: any; one lock inside, held for a look-up.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "base/status.h"
#include "rpc/uid_quota.h"

namespace blobd::rpc {

struct Peer {
  uint32_t uid = 0;
  uint32_t gid = 0;
  pid_t pid = 0;
};

// Of connections.
using PeerLimits = UidLimits;

// Who is at the other end of this connection. kPermissionDenied: the kernel does not say.
StatusOr<Peer> PeerOf(int connection);

class PeerTable {
 public:
  explicit PeerTable(PeerLimits limits) : quota_(limits) {}
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
  std::optional<Peer> Find(std::string_view name) const;
  size_t size() const;

 private:
  struct Connection {
    Peer peer;
    int watch = -1;  // our own descriptor of the same socket: tells when the peer has gone
    uint64_t inode = 0;
  };

  mutable Mutex mutex_;
  std::map<int, Connection> connections_ ABSL_GUARDED_BY(mutex_);  // by the number gRPC has
  UidQuota quota_ ABSL_GUARDED_BY(mutex_);
  int next_number_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace blobd::rpc
