// OfflineClient: reads what a stopped daemon left behind, through the views that its databases keep
// for that (offline_intents_v1, offline_transfers_v1, offline_blobs_v1). Everything that needs the
// daemon is refused.
//
// Thread: one. Nothing is ever written. What the views show was not checked by anybody.
// Errors: kNotFound: there is no such state. kPermissionDenied: not ours to read.
//         kFailedPrecondition: a database of another version, without these views; and whatever
//         only the daemon can do.
#pragma once

#include <memory>
#include <string>

#include "client/daemon_client.h"

namespace blobd::client {

// `state_dir`: the daemon's; empty: where this user's daemon keeps it.
StatusOr<std::unique_ptr<DaemonClient>> OpenOffline(const std::string& state_dir);

}  // namespace blobd::client
