// States that lists are asked for. See convert.h.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/error_reason.h"
#include "rpc/convert.h"

namespace blobd::rpc {
namespace {

using google::protobuf::RepeatedField;

constexpr int kMaxStates = 16;

constexpr auto kUnfinished = std::to_array<std::pair<v1::IntentState, engine::IntentState>>({
    {v1::INTENT_STATE_QUEUED, engine::IntentState::kQueued},
    {v1::INTENT_STATE_WAITING, engine::IntentState::kWaiting},
    {v1::INTENT_STATE_PARKED, engine::IntentState::kParked},
    {v1::INTENT_STATE_RUNNING, engine::IntentState::kRunning},
    {v1::INTENT_STATE_PAUSED, engine::IntentState::kPaused},
});
constexpr auto kEnded = std::to_array<std::pair<v1::IntentState, registry::ResultCode>>({
    {v1::INTENT_STATE_DONE, registry::ResultCode::kDone},
    {v1::INTENT_STATE_CANCELLED, registry::ResultCode::kCancelled},
    {v1::INTENT_STATE_NO_PROVIDERS, registry::ResultCode::kNoProviders},
    {v1::INTENT_STATE_FAILED, registry::ResultCode::kFailed},
    {v1::INTENT_STATE_DEADLINE_EXCEEDED, registry::ResultCode::kDeadlineExceeded},
});
constexpr auto kTransfers = std::to_array<std::pair<v1::TransferState, engine::TransferState>>({
    {v1::TRANSFER_STATE_WAITING, engine::TransferState::kWaiting},
    {v1::TRANSFER_STATE_CONNECTING, engine::TransferState::kConnecting},
    {v1::TRANSFER_STATE_REQUESTING, engine::TransferState::kRequesting},
    {v1::TRANSFER_STATE_RECEIVING, engine::TransferState::kReceiving},
    {v1::TRANSFER_STATE_VERIFYING, engine::TransferState::kVerifying},
    {v1::TRANSFER_STATE_DONE, engine::TransferState::kDone},
    {v1::TRANSFER_STATE_FAILED, engine::TransferState::kFailed},
    {v1::TRANSFER_STATE_CANCELLED, engine::TransferState::kCancelled},
});
constexpr auto kLinks = std::to_array<std::pair<v1::RemoteState, path::Link>>({
    {v1::REMOTE_STATE_DOWN, path::Link::kDown},
    {v1::REMOTE_STATE_DIALLING, path::Link::kDialling},
    {v1::REMOTE_STATE_CONNECTED, path::Link::kConnected},
});

Status CheckCount(const RepeatedField<int>& states) {
  if (states.size() <= kMaxStates) return OkStatus();
  return TooMany("states", states.size(), 0, kMaxStates);
}

Status Unknown(int i, int state) {
  return FieldError(Reason::kInvalidField, fmt::format("states[{}]", i),
                    "{} is no state that can be asked for here", state);
}

// True if it is in the table, and in `states` now.
template <typename Table, typename States>
bool AddFrom(const Table& table, int state, States* states) {
  for (const auto& [wire, ours] : table) {
    if (static_cast<int>(wire) != state) continue;
    states->Add(ours);
    return true;
  }
  return false;
}

template <typename State, typename Table>
StatusOr<engine::StateFilter<State>> ToStates(const RepeatedField<int>& states,
                                              const Table& table) {
  BLOBD_RETURN_IF_ERROR(CheckCount(states));
  engine::StateFilter<State> filter;
  for (int i = 0; i < states.size(); ++i) {
    if (!AddFrom(table, states[i], &filter)) return Unknown(i, states[i]);
  }
  return filter;
}

}  // namespace

StatusOr<engine::IntentStates> ToIntentStates(const RepeatedField<int>& states) {
  BLOBD_RETURN_IF_ERROR(CheckCount(states));
  engine::IntentStates filter;
  for (int i = 0; i < states.size(); ++i) {
    if (!AddFrom(kUnfinished, states[i], &filter) && !AddFrom(kEnded, states[i], &filter))
      return Unknown(i, states[i]);
  }
  return filter;
}

StatusOr<engine::StateFilter<engine::IntentState>> ToRequestStates(
    const RepeatedField<int>& states) {
  return ToStates<engine::IntentState>(states, kUnfinished);
}

StatusOr<engine::StateFilter<engine::TransferState>> ToTransferStates(
    const RepeatedField<int>& states) {
  return ToStates<engine::TransferState>(states, kTransfers);
}

StatusOr<engine::StateFilter<path::Link>> ToLinks(const RepeatedField<int>& states) {
  return ToStates<path::Link>(states, kLinks);
}

}  // namespace blobd::rpc
