// registry: the daemon's memory over restarts, `registry.db`: intents, providers, remotes and the
// ids handed out.
//
// Registry is what the engine uses of it; the real one is SqliteRegistry (sqlite_registry.h), tests
// may fake it.
//
// Thread:    every call from any thread; it never blocks. Answers are posted to the executor given
//            at opening, one each, in the order of the calls.
// Durability: a Commit answered with OK survives power loss. Commits that wait at the same time
//             share one sync.
// Errors:    kResourceExhausted: disk full; kDataLoss: the database is damaged; neither changes
//            anything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "base/node_id.h"
#include "base/provider.h"
#include "base/socket_address.h"
#include "base/status.h"
#include "base/task.h"
#include "base/time.h"

namespace blobd::registry {

// How an intent ended. The numbers are stored; new ones are only added.
enum class ResultCode : uint8_t {
  kNone = 0,  // not ended
  kDone = 1,
  kCancelled = 2,
  kNoProviders = 3,
  kFailed = 4,
  kDeadlineExceeded = 5,
};

struct IntentRow {
  IntentId id;
  Kind kind;
  uint8_t priority = 1;  // 0 background, 1 normal, 2 urgent
  uint32_t owner_uid = 0;
  std::string label;
  std::string idempotency_key;  // empty: none
  WallTime created;
  WallTime deadline;  // unix_ms 0: none
  int64_t patience_ms = 0;
  ResultCode result = ResultCode::kNone;
  std::string reason;  // for people; empty when done
  WallTime finished;
  uint64_t total_bytes = 0;       // when done: size of all its blobs
  uint64_t downloaded_bytes = 0;  // when done: what came over the network for it
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
};

struct BanRow {
  ProviderId provider;
  WallTime until;
  uint32_t times = 0;
  std::string reason;
};

// What a commit may do. All changes of one commit happen, or none.
struct PutIntent {
  IntentRow intent;
};  // inserts or replaces by id
struct PutProvider {
  ProviderRow row;
};
struct DropProvider {
  ProviderRow row;
};
struct PutRemoteAddress {
  RemoteAddressRow row;
};
struct DropRemoteAddress {
  NodeId node;
  SocketAddress address;
};
struct PutBan {
  BanRow ban;
};
struct DropBan {
  ProviderId provider;
};
using Change = std::variant<PutIntent, PutProvider, DropProvider, PutRemoteAddress,
                            DropRemoteAddress, PutBan, DropBan>;

// Everything the engine needs to go on where it stopped.
struct Snapshot {
  std::vector<IntentRow> unfinished;  // by id
  std::vector<ProviderRow> providers;
  std::vector<RemoteAddressRow> addresses;
  std::vector<BanRow> bans;
};

enum class IdSpace : uint8_t { kIntent = 0, kTransfer = 1, kRequest = 2 };

// A block of ids that nobody was ever given: [first, end).
struct IdBlock {
  uint64_t first = 0;
  uint64_t end = 0;
};

struct IntentFilter {
  std::optional<bool> finished;
  std::optional<Hash> hash;
  std::optional<uint32_t> owner_uid;
  std::optional<std::string> label;
};

class Registry {
 public:
  virtual ~Registry() = default;

  virtual void Load(UniqueFunction<void(StatusOr<Snapshot>)> done) = 0;
  virtual void Commit(std::vector<Change> changes, UniqueFunction<void(Status)> done) = 0;
  // Hands out a durable block of `count` new ids, above all handed out before.
  virtual void ReserveIds(IdSpace space, uint64_t count,
                          UniqueFunction<void(StatusOr<IdBlock>)> done) = 0;

  virtual void GetIntent(IntentId id,
                         UniqueFunction<void(StatusOr<std::optional<IntentRow>>)> done) = 0;
  virtual void FindIntentByKey(uint32_t owner_uid, const std::string& key,
                               UniqueFunction<void(StatusOr<std::optional<IntentRow>>)> done) = 0;
  // Intents with an id greater than `after`, by id, at most `limit`.
  virtual void ListIntents(const IntentFilter& filter, IntentId after, size_t limit,
                           UniqueFunction<void(StatusOr<std::vector<IntentRow>>)> done) = 0;
};

}  // namespace blobd::registry
