#include "registry/offline_views.h"

namespace blobd::registry {

const std::string_view kOfflineViewsVersionOne = R"sql(
CREATE VIEW offline_intents_v1 AS SELECT
  id,
  lower(hex(hash)) AS hash,
  CASE format WHEN 0 THEN 'raw' WHEN 1 THEN 'hash_seq' END AS format,
  owner_uid,
  label,
  CASE priority WHEN 0 THEN 'background' WHEN 1 THEN 'normal' WHEN 2 THEN 'urgent' END AS priority,
  CASE result WHEN 0 THEN 'queued' WHEN 1 THEN 'done' WHEN 2 THEN 'cancelled'
    WHEN 3 THEN 'no_providers' WHEN 4 THEN 'failed' WHEN 5 THEN 'deadline_exceeded' END AS state,
  reason,
  nullif(created_unix_ms, 0) AS created_ms,
  nullif(deadline_unix_ms, 0) AS deadline_ms,
  nullif(finished_unix_ms, 0) AS finished_ms,
  total_bytes,
  downloaded_bytes
FROM intents;

CREATE VIEW offline_transfers_v1 AS SELECT
  id,
  lower(hex(hash)) AS hash,
  CASE format WHEN 0 THEN 'raw' WHEN 1 THEN 'hash_seq' END AS format,
  CASE provider_kind WHEN 0 THEN lower(hex(provider)) WHEN 1 THEN CAST(provider AS TEXT) END
    AS provider,
  CASE outcome WHEN 1 THEN 'done' WHEN 2 THEN 'stopped' WHEN 3 THEN 'not_here'
    WHEN 4 THEN 'abort_request' WHEN 5 THEN 'impossible' WHEN 6 THEN 'drop_provider'
    WHEN 7 THEN 'retry_later' WHEN 8 THEN 'busy' WHEN 9 THEN 'local_fault' END AS outcome,
  reason,
  received_bytes,
  verified_bytes,
  total_bytes,
  nullif(started_unix_ms, 0) AS started_ms,
  nullif(finished_unix_ms, 0) AS finished_ms
FROM transfers;

CREATE VIEW offline_tags_v1 AS SELECT
  name,
  lower(hex(hash)) AS hash,
  CASE format WHEN 0 THEN 'raw' WHEN 1 THEN 'hash_seq' END AS format,
  owner_uid,
  is_private,
  nullif(created_unix_ms, 0) AS created_ms,
  nullif(changed_unix_ms, 0) AS changed_ms
FROM tags;
)sql";

}  // namespace blobd::registry
