// What registry.db holds, as values.
//
// Units: times are wall time, 0 for none; sizes in bytes.
// Limits: texts are cut by nobody: what is longer than kMaxText is refused (kInvalidArgument).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "base/node_id.h"
#include "base/provider.h"
#include "base/socket_address.h"
#include "base/time.h"

namespace blobd::registry {

// The longest label, key, reason, source, holder or URL that is stored.
inline constexpr size_t kMaxText = 65536;
inline constexpr size_t kMaxTagName = 255;      // and at least 1
inline constexpr size_t kMaxSettingName = 255;  // likewise
// Kept per intent: the first ones given; the others are dropped.
inline constexpr size_t kMaxFailuresPerIntent = 64;

// How an intent ended. The numbers are stored; new ones are only added.
enum class ResultCode : uint8_t {
  kNone = 0,  // not ended
  kDone = 1,
  kCancelled = 2,
  kNoProviders = 3,
  kFailed = 4,
  kDeadlineExceeded = 5,
};

// How a transfer ended, in the words of schedule/outcome.h. The numbers are stored; new ones are
// only added.
enum class TransferOutcome : uint8_t {
  kDone = 1,
  kStopped = 2,
  kNotHere = 3,
  kAbortRequest = 4,
  kImpossible = 5,
  kDropProvider = 6,
  kRetryLater = 7,
  kBusy = 8,
  kLocalFault = 9,
  kWrongContent = 10,
};

struct IntentRow {
  IntentId id;
  Kind kind;
  uint8_t priority = 1;  // 0 background, 1 normal, 2 urgent
  uint32_t owner_uid = 0;
  std::string label;
  std::string idempotency_key;  // empty: none
  WallTime created;
  WallTime deadline;  // 0: none
  int64_t patience_ms = 0;
  ResultCode result = ResultCode::kNone;
  std::string reason;  // for people; empty when done
  WallTime finished;
  uint64_t total_bytes = 0;       // when done: size of all its blobs
  uint64_t downloaded_bytes = 0;  // when done: what came over the network for it
  bool paused = false;            // its caller wants it to rest
};

// The last thing that went wrong with one provider of an intent that has ended.
struct FailureRow {
  ProviderId provider;
  TransferOutcome outcome = TransferOutcome::kRetryLater;
  std::string reason;
};

struct ProviderRow {
  Hash hash;
  ProviderId provider;
};

struct RemoteAddressRow {
  NodeId node;
  SocketAddress address;
  std::string source;    // "ticket", "api", "config", a lookup service, "incoming"
  WallTime last_worked;  // 0: never
  int64_t rtt_us = 0;    // 0: not measured
  std::string last_failure = {};
  WallTime last_failed = {};  // 0: never
};

// The last results of a node, whatever the address.
struct RemoteRow {
  NodeId node;
  WallTime last_worked;
  std::string last_failure;
  WallTime last_failed;
};

struct BanRow {
  ProviderId provider;
  WallTime until;
  uint32_t times = 0;
  std::string reason;
};

// Something that was set while the daemon ran, and outlives it. What the names mean is the
// engine's.
struct SettingRow {
  std::string name;
  int64_t value = 0;
};

// A name that protects a blob. Names are compared as bytes.
struct TagRow {
  std::string name;
  Kind kind;
  uint32_t owner_uid = 0;
  bool is_private = false;
  WallTime created;
  WallTime changed;
};

// Protects a blob until then. One holder has one lease per kind.
struct LeaseRow {
  Kind kind;
  std::string holder;  // for people: who asked, and what for
  WallTime until;
};

// A transfer that has ended.
struct TransferRow {
  TransferId id;
  ProviderId provider;
  Kind kind;
  TransferOutcome outcome = TransferOutcome::kDone;
  std::string reason;
  uint64_t received_bytes = 0;
  uint64_t verified_bytes = 0;
  uint64_t total_bytes = 0;  // 0: never proven
  WallTime started;
  WallTime finished;
};

// What all transfers from one provider came to, also those that the history has forgotten. A
// provider is forgotten when it had no part in the last ten histories' worth of transfers.
struct ProviderTotals {
  uint64_t transfers = 0;
  uint64_t done = 0;
  uint64_t failed = 0;  // ended otherwise, and we had not stopped it
  uint64_t received_bytes = 0;
  uint64_t verified_bytes = 0;
};

// Why garbage collection must keep a blob.
enum class Protection : uint8_t { kUnfinishedIntent, kTag, kLease, kFinishedIntent };

struct ProtectedRow {
  Kind kind;
  Protection why = Protection::kUnfinishedIntent;
};

}  // namespace blobd::registry
