// What the engine is asked, and what it answers: plain values, checked by whoever made them (rpc).
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "base/provider.h"
#include "base/socket_address.h"
#include "base/status.h"
#include "base/time.h"
#include "path/address_book.h"
#include "path/remote.h"
#include "path/remote_table.h"
#include "registry/registry.h"
#include "schedule/effect.h"
#include "schedule/event.h"
#include "schedule/scheduler.h"
#include "store/disk_state.h"

namespace blobd::engine {

// A provider as a caller names it, with what the caller knows of reaching it.
struct NamedProvider {
  ProviderId provider;
  std::vector<SocketAddress> addresses;  // empty for a mirror
  std::string source = "api";            // where the addresses come from: "ticket" or "api"
};

struct QueueItem {
  Kind kind;
  std::vector<NamedProvider> providers;
  schedule::Priority priority = schedule::Priority::kNormal;
  WallTime deadline;  // 0: none
  Duration patience = hours(24);
  std::string label;
  std::string idempotency_key;  // empty: none
};

struct QueuedIntent {
  IntentId intent;
  bool existed = false;
  std::vector<ProviderId> refused;  // banned
};

struct CancelAnswer {
  std::vector<IntentId> cancelled;
  std::vector<IntentId> already_ended;
};

struct PauseAnswer {
  std::vector<IntentId> changed;  // rest now, or go on; also those that did before
  std::vector<IntentId> already_ended;
};

struct NodesHaveAnswer {
  bool wanted = false;
  uint32_t added = 0;
  std::vector<ProviderId> refused;
};

// kPaused: all intents of its request are, or its caller's alone while it ran on for others.
enum class IntentState { kQueued, kWaiting, kParked, kRunning, kPaused, kEnded };
// As callers see it.
IntentState StateOf(schedule::RequestState state);

// Of the intents of one request, in views of other things.
inline constexpr size_t kIntentsShown = 1000;

// One intent as it stands: its row, and the present state of its request.
struct IntentView {
  registry::IntentRow row;
  IntentState state = IntentState::kQueued;
  std::string waits_for;
  uint64_t verified_bytes = 0;
  uint64_t total_bytes = 0;    // 0: not proven yet
  uint64_t claimed_bytes = 0;  // 0: nobody said
  uint64_t unproven_bytes = 0;
  uint64_t total_blobs = 0;  // 0: not known yet
  uint64_t complete_blobs = 0;
  double rate = 0;  // bytes per second
  std::vector<TransferId> transfers;
  schedule::Failures failures;
};

// Of one that has ended, as the registry has it; without its failures.
IntentView ViewOfEnded(registry::IntentRow row);

// Which intents by where they stand, or how they ended; none named is all of them.
class IntentStates {
 public:
  void Add(IntentState state) { bits_ |= Bit(state); }
  void Add(registry::ResultCode result) { bits_ |= Bit(result); }
  bool empty() const { return bits_ == 0; }
  bool Has(const IntentView& view) const {
    const bool ended = view.state == IntentState::kEnded;
    return empty() || (bits_ & (ended ? Bit(view.row.result) : Bit(view.state))) != 0;
  }
  // Only such as have ended, or as have not, can be among them.
  bool all_ended() const { return !empty() && (bits_ & kUnfinished) == 0; }
  bool none_ended() const { return !empty() && (bits_ & ~kUnfinished) == 0; }

 private:
  static constexpr uint32_t kUnfinished = 0xffff;
  static uint32_t Bit(IntentState state) { return uint32_t{1} << static_cast<uint32_t>(state); }
  static uint32_t Bit(registry::ResultCode result) {
    return uint32_t{0x10000} << static_cast<uint32_t>(result);
  }
  uint32_t bits_ = 0;
};

struct IntentFilter {
  registry::IntentFilter rows;
  IntentStates states;
};

struct IntentPage {
  std::vector<IntentView> intents;
  std::optional<IntentId> next;  // behind which it goes on; nullopt: that was all
};

enum class TransferState {
  kWaiting,
  kConnecting,
  kRequesting,
  kReceiving,
  kVerifying,
  kDone,
  kFailed,
  kCancelled
};

struct TransferView {
  TransferId id;
  ProviderId provider;
  Kind kind;
  TransferState state = TransferState::kWaiting;
  std::string reason;
  uint64_t received_bytes = 0;
  uint64_t verified_bytes = 0;
  uint64_t unproven_bytes = 0;  // that lie in the store without proof, while it runs
  uint64_t total_bytes = 0;
  double rate = 0;
  WallTime started;
  WallTime finished;
  std::vector<IntentId> intents;  // for which it runs
  uint64_t intent_count = 0;      // of these, should not all be named
};

struct CancelTransferAnswer {
  bool cancelled = false;  // it ran until then; false: it had ended
  TransferView transfer;   // as it ended
};

// Which states of transfers, or of unfinished requests and intents: none named is all of them.
template <typename State>
class StateFilter {
 public:
  void Add(State state) { bits_ |= Bit(state); }
  bool empty() const { return bits_ == 0; }
  bool Has(State state) const { return empty() || (bits_ & Bit(state)) != 0; }
  friend bool operator==(const StateFilter&, const StateFilter&) = default;

 private:
  static uint32_t Bit(State state) { return uint32_t{1} << static_cast<uint32_t>(state); }
  uint32_t bits_ = 0;
};

struct TransferFilter {
  bool running_only = false;
  std::optional<Hash> hash;
  std::optional<ProviderId> provider;
  StateFilter<TransferState> states;
  bool newest_first = false;
};

// An unfinished request.
struct RequestView {
  Kind kind;
  IntentId place;  // what lists are ordered by: the first intent of its kind that there was
  IntentState state = IntentState::kQueued;
  std::string waits_for;
  schedule::Priority priority = schedule::Priority::kNormal;
  uint64_t verified_bytes = 0;
  uint64_t total_bytes = 0;    // 0: not proven yet
  uint64_t claimed_bytes = 0;  // 0: nobody said
  uint64_t unproven_bytes = 0;
  uint64_t total_blobs = 0;  // 0: not known yet
  uint64_t complete_blobs = 0;
  double rate = 0;  // bytes per second
  std::vector<TransferId> transfers;
  std::vector<IntentId> intents;  // the first of them
  uint64_t intent_count = 0;      // all
  WallTime since;                 // when it last ran, or came
};

struct RequestFilter {
  StateFilter<IntentState> states;
  std::optional<Hash> hash;
  std::optional<uint32_t> owner_uid;
};

struct RequestPage {
  std::vector<RequestView> requests;
  std::optional<IntentId> next;  // the place behind which it goes on; nullopt: that was all
};

// A node of which something is known.
struct RemoteView {
  NodeId node;
  path::RemoteInfo info;
  std::vector<path::KnownAddress> addresses;  // best first
  std::set<SocketAddress> own;                // of these, those that are ours and never dialled
  bool looking_up = false;
  std::vector<path::PathView> paths;  // open ones; none without a connection of ours
  path::Why selected_because = path::Why::kNothing;
  std::vector<TransferId> transfers;  // that run from it now
  double download_rate = 0;           // of these, bytes per second
};

struct RemoteFilter {
  StateFilter<path::Link> links;
  bool banned_only = false;
};

struct RemotePage {
  std::vector<RemoteView> remotes;
  std::optional<NodeId> next;  // behind which it goes on; nullopt: that was all
};

// As it is kept for later lives.
registry::RemoteAddressRow RowOf(const NodeId& node, const path::KnownAddress& known);

struct StatusView {
  bool draining = false;
  bool paused = false;   // everything
  std::string degraded;  // why, if the registry is damaged
  store::DiskState disk;
  uint64_t unfinished_requests = 0;
  uint64_t waiting_for_disk = 0;  // of these
  uint64_t running_transfers = 0;
  double download_rate = 0;
  uint64_t verified_bytes = 0;
};

struct BanView {
  ProviderId provider;
  WallTime until;
  uint32_t times = 0;
  std::string reason;
};

// What an unfinished request waits for.
struct WaitView {
  schedule::WaitFact fact = schedule::WaitFact::kStore;
  uint32_t count = 0;  // of what the fact is about, where that can be counted
  WallTime until;      // 0: until something happens
};
struct ProviderWhyView {
  ProviderId provider;
  schedule::ProviderStanding standing = schedule::ProviderStanding::kFree;
  WallTime until;          // when it is tried or asked again; 0: not of itself
  uint32_t failures = 0;   // in a row
  std::string last_error;  // empty: none
  std::string sentence;    // how it stands, for people; without the error
};
struct WhyView {
  Kind kind;
  IntentState state = IntentState::kQueued;
  std::string sentence;  // for people; empty while it runs
  WallTime since;        // when it last ran, or came
  std::vector<WaitView> waits;
  std::vector<ProviderWhyView> providers;
  std::vector<IntentId> intents;
};

// "drop provider", "not here", ...: the words of design/scheduling.md.
std::string_view OutcomeName(schedule::Outcome outcome);
// "done", "cancelled", "no providers", ...
std::string_view ResultName(registry::ResultCode result);

}  // namespace blobd::engine
