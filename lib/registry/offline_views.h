// The views of registry.db that other programs may read while the daemon is down (`blobctl
// --offline`, or sqlite3): tables change with every version, these views do not. A view of another
// shape gets another number, and the old one stays.
//
//   offline_intents_v1    id, hash, format, owner_uid, label, priority, state, reason, created_ms,
//                         deadline_ms, finished_ms, total_bytes, downloaded_bytes
//   offline_transfers_v1  id, hash, format, provider, outcome, reason, received_bytes,
//                         verified_bytes, total_bytes, started_ms, finished_ms
//   offline_tags_v1       name, hash, format, owner_uid, is_private, created_ms, changed_ms
//
// hash: 64 hexadecimal digits. format: 'raw' or 'hash_seq'. provider: a node's id in hexadecimal,
// or a URL. *_ms: milliseconds since 1970, NULL for never. priority: 'background', 'normal' or
// 'urgent'. state: 'queued' (the daemon knew more while it ran), 'done', 'cancelled',
// 'no_providers', 'failed' or 'deadline_exceeded'. outcome: 'done', 'stopped', 'not_here',
// 'abort_request', 'impossible', 'drop_provider', 'retry_later', 'busy' or 'local_fault'. A number
// that has no word yet is NULL. Texts come from strangers; escape them for terminals.
//
// Read them with the file opened read-only and no daemon running (it holds the lock in LOCK). What
// they show is not checked: a damaged row shows what it says.
#pragma once

#include <string_view>

namespace blobd::registry {

// For a migration: creates the views.
extern const std::string_view kOfflineViewsVersionOne;

}  // namespace blobd::registry
