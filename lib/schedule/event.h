// What the world tells the scheduler. Values, no behaviour; Scheduler::Step applies them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "base/node_id.h"
#include "base/provider.h"
#include "base/range_set.h"
#include "base/time.h"
#include "schedule/outcome.h"

namespace blobd::schedule {

enum class Priority : uint8_t { kBackground = 0, kNormal = 1, kUrgent = 2 };

// A caller's wish; `id` is new and greater than every earlier one.
struct Queue {
  IntentId id;
  Kind kind;
  std::vector<ProviderId> providers;
  Priority priority = Priority::kNormal;
  std::optional<Instant> deadline;
  Duration patience = hours(24);
  bool paused = false;  // restored, and paused before
};
struct Cancel {
  IntentId id;
};
// The intent could not be made durable: it leaves without a result, as if never made.
struct Withdraw {
  IntentId id;
};
struct NodesHave {
  Hash hash;
  std::vector<ProviderId> providers;
};

// The answer to LookInStore.
struct StoreAnswered {
  enum class State { kComplete, kIncomplete, kFailed };
  RequestId request;
  State state = State::kIncomplete;
  uint64_t verified_bytes = 0;
  uint64_t total_bytes = 0;  // 0: not known yet
  std::string reason;        // when kFailed
};

// A caller wants it to rest, or to go on: one intent, or everything (nullopt). A request rests
// while all its intents do.
struct SetPaused {
  std::optional<IntentId> intent;
  bool paused = true;
};

struct Connected {
  NodeId node;
  Duration rtt{0};
};
struct DialFailed {
  NodeId node;
  bool local_fault = false;
  std::string reason;
};
// A connection is gone without our doing. `in_order`: the peer closed it properly, which is no
// failure while idle.
struct Disconnected {
  NodeId node;
  bool in_order = false;
  std::string reason;
};

// There is a new way to the node: an address was learnt, or it connected to us. Its waits are void.
struct PathNews {
  NodeId node;
};
// The network is there again: every wait for a retry is void, and what waits on the network goes
// on.
struct NetworkBack {};
// The disk has room again.
struct DiskRoom {};
// Somebody wants nothing from the provider any more: it is banned as if it had sent something
// false, or for `length`.
struct BanWanted {
  ProviderId provider;
  std::optional<Duration> length;
  std::string reason;
};
// Somebody wants the connection closed, or the dial given up. It is nobody's failure, and nothing
// keeps the node from being dialled again at once.
struct DisconnectWanted {
  NodeId node;
};
// A ban is lifted: who lost the provider through it has it again.
struct Unban {
  ProviderId provider;
};

// The size of a request's content is proven, by the store or by its first transfer, and what of it
// is missing. A mirror can only claim it: see TransferEnded::content_void. `cuts`: the first bytes
// of a hash sequence's children, in order; null for one blob.
struct ContentKnown {
  RequestId request;
  uint64_t length = 0;
  RangeSet missing;
  std::shared_ptr<const std::vector<uint64_t>> cuts;
};
// The provider holds these ranges only, as far as is known; it may tell of more.
struct ProviderHolds {
  Hash hash;
  ProviderId provider;
  RangeSet ranges;
};
// A range came by another way: with another request for the same blob, say.
struct Arrived {
  RequestId request;
  Range range;
};
// The answer to LowerLimit: where the transfer will end. At or past its old end: it cannot.
struct BoundaryAccepted {
  TransferId transfer;
  uint64_t boundary = 0;
};

// Bytes verified since the last report, and the total once the provider's size is proven.
struct TransferProgress {
  TransferId transfer;
  uint64_t verified_bytes = 0;
  std::optional<uint64_t> total_bytes;
  uint64_t position = 0;  // all of its part before this is verified; 0: not told
  // What came since the last report, where that is something else: bytes of a mirror that nobody
  // can judge yet are no stall, but no success either; they count when they are verified.
  std::optional<uint64_t> moved_bytes = {};
};
// We ourselves keep the transfer from reading (a rate limit, the disk): it cannot stall meanwhile.
struct TransferHeld {
  TransferId transfer;
  bool held = true;
};
// Ends a transfer, exactly once.
struct TransferEnded {
  TransferId transfer;
  Outcome outcome = Outcome::kDone;
  std::string reason;
  std::optional<Duration> wait;          // kBusy: how long the provider wants us to wait
  OwnFault own_fault = OwnFault::kDisk;  // kLocalFault
  // kNotHere, as far as it is known: ranges of the request that the provider holds, and ranges that
  // it does not. It is used for the rest then.
  RangeSet holds = {};
  RangeSet lacks = {};
  // What was told of the request's content was only claimed, and is wrong.
  bool content_void = false;
};

struct Limits {
  uint32_t requests = 50;          // requests with a transfer running
  uint32_t requests_per_node = 4;  // transfers on one node's connection
  uint32_t connections = 25;       // connected and dialling nodes
  uint32_t dials_per_hash = 5;
  uint32_t connections_per_mirror = 8;  // transfers on one mirror; it counts to no other limit
  auto operator<=>(const Limits&) const = default;
};
struct SetLimits {
  Limits limits;
};
// A caller wants this transfer to end. Its part goes to another provider, or to the same one a
// while later; nobody is blamed, and no intent ends by it.
struct CancelTransfer {
  TransferId transfer;
};
// No new transfers start from now on.
struct Drain {};
// Time has passed; see Scheduler::NextDeadline.
struct Tick {};

using Event = std::variant<Queue, Cancel, Withdraw, NodesHave, StoreAnswered, SetPaused, Connected,
                           DialFailed, Disconnected, PathNews, NetworkBack, DiskRoom, BanWanted,
                           DisconnectWanted, Unban, ContentKnown, ProviderHolds, Arrived,
                           BoundaryAccepted, TransferProgress, TransferHeld, TransferEnded,
                           CancelTransfer, SetLimits, Drain, Tick>;

}  // namespace blobd::schedule
