// What the world tells the scheduler. Values, no behaviour; Scheduler::Step applies them.
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

// Bytes verified since the last report, and the total once the provider's size is proven.
struct TransferProgress {
  TransferId transfer;
  uint64_t verified_bytes = 0;
  std::optional<uint64_t> total_bytes;
};
// Ends a transfer, exactly once.
struct TransferEnded {
  TransferId transfer;
  Outcome outcome = Outcome::kDone;
  std::string reason;
  std::optional<Duration> wait;  // kBusy: how long the provider wants us to wait
};

struct Limits {
  uint32_t requests = 50;          // requests with a transfer running
  uint32_t requests_per_node = 4;  // transfers on one node's connection
  uint32_t connections = 25;       // connected and dialling nodes
  uint32_t dials_per_hash = 5;
  auto operator<=>(const Limits&) const = default;
};
struct SetLimits {
  Limits limits;
};
// No new transfers start from now on.
struct Drain {};
// Time has passed; see Scheduler::NextDeadline.
struct Tick {};

using Event = std::variant<Queue, Cancel, Withdraw, NodesHave, StoreAnswered, Connected, DialFailed,
                           Disconnected, TransferProgress, TransferEnded, SetLimits, Drain, Tick>;

}  // namespace blobd::schedule
