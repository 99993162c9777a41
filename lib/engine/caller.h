// Who calls, and what that allows.
#pragma once

#include <cstdint>

namespace blobd::engine {

struct Caller {
  uint32_t uid = 0;
  bool runs_daemon = false;     // the daemon runs as this uid
  bool in_admin_group = false;  // a member of the configured group, when the connection was made

  // May do everything, and quotas leave room for it: root, members of the admin group, and whoever
  // runs the daemon. That one has its state and its node's key anyway, and where an ordinary user
  // runs a daemon there is nobody else to look after it.
  bool is_admin() const { return uid == 0 || runs_daemon || in_admin_group; }
  // Whether the caller may learn what a private tag of `owner_uid` names.
  bool may_see(uint32_t owner_uid) const { return is_admin() || uid == owner_uid; }
};

// A caller of uid `uid`, where the daemon runs as `daemon_uid`.
inline Caller CallerOfUid(uint32_t uid, uint32_t daemon_uid) { return {uid, uid == daemon_uid}; }

}  // namespace blobd::engine
