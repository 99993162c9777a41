#include "client/states.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>

namespace blobd::client {
namespace {

template <typename State>
std::string WordOf(State state) {
  std::string word(StateName(state));
  std::replace(word.begin(), word.end(), ' ', '-');
  return word;
}

// Every state but the one that is never sent, in the order of their numbers.
template <typename State>
std::vector<State> AllOf(const google::protobuf::EnumDescriptor* states) {
  std::vector<State> all;
  for (int i = 0; i < states->value_count(); ++i)
    if (states->value(i)->number() != 0)
      all.push_back(static_cast<State>(states->value(i)->number()));
  return all;
}

template <typename State>
std::vector<std::string> WordsOf(const std::vector<State>& states) {
  std::vector<std::string> words;
  for (const State state : states) words.push_back(WordOf(state));
  return words;
}

template <typename State>
State Named(const std::string& word, const std::vector<State>& states) {
  const auto it = std::find_if(states.begin(), states.end(),
                               [&](State state) { return WordOf(state) == word; });
  return it == states.end() ? State{} : *it;
}

}  // namespace

std::string_view StateName(v1::IntentState state) {
  switch (static_cast<int>(state)) {
    case v1::INTENT_STATE_QUEUED:
      return "queued";
    case v1::INTENT_STATE_WAITING:
      return "waiting";
    case v1::INTENT_STATE_PARKED:
      return "parked";
    case v1::INTENT_STATE_RUNNING:
      return "running";
    case v1::INTENT_STATE_DONE:
      return "done";
    case v1::INTENT_STATE_CANCELLED:
      return "cancelled";
    case v1::INTENT_STATE_NO_PROVIDERS:
      return "no providers";
    case v1::INTENT_STATE_FAILED:
      return "failed";
    case v1::INTENT_STATE_DEADLINE_EXCEEDED:
      return "deadline exceeded";
    case v1::INTENT_STATE_PAUSED:
      return "paused";
    default:
      return "unknown";
  }
}

std::string_view StateName(v1::TransferState state) {
  switch (static_cast<int>(state)) {
    case v1::TRANSFER_STATE_WAITING:
      return "waiting";
    case v1::TRANSFER_STATE_CONNECTING:
      return "connecting";
    case v1::TRANSFER_STATE_REQUESTING:
      return "requesting";
    case v1::TRANSFER_STATE_RECEIVING:
      return "receiving";
    case v1::TRANSFER_STATE_VERIFYING:
      return "verifying";
    case v1::TRANSFER_STATE_DONE:
      return "done";
    case v1::TRANSFER_STATE_FAILED:
      return "failed";
    case v1::TRANSFER_STATE_CANCELLED:
      return "cancelled";
    default:
      return "unknown";
  }
}

std::string_view StateName(v1::RemoteState state) {
  switch (static_cast<int>(state)) {
    case v1::REMOTE_STATE_DOWN:
      return "down";
    case v1::REMOTE_STATE_DIALLING:
      return "dialling";
    case v1::REMOTE_STATE_CONNECTED:
      return "connected";
    default:
      return "unknown";
  }
}

std::string StandsSo(v1::IntentState state) {
  switch (static_cast<int>(state)) {
    case v1::INTENT_STATE_NO_PROVIDERS:
      return "has no provider";
    case v1::INTENT_STATE_FAILED:
      return "has failed";
    case v1::INTENT_STATE_DEADLINE_EXCEEDED:
      return "is past its deadline";
    default:
      return "is " + std::string(StateName(state));
  }
}

std::vector<std::string> IntentStateWords() {
  return WordsOf(AllOf<v1::IntentState>(v1::IntentState_descriptor()));
}

std::vector<std::string> RequestStateWords() {
  return WordsOf(std::vector<v1::IntentState>{v1::INTENT_STATE_QUEUED, v1::INTENT_STATE_WAITING,
                                              v1::INTENT_STATE_PARKED, v1::INTENT_STATE_RUNNING,
                                              v1::INTENT_STATE_PAUSED});
}

std::vector<std::string> TransferStateWords() {
  return WordsOf(AllOf<v1::TransferState>(v1::TransferState_descriptor()));
}

std::vector<std::string> RemoteStateWords() {
  return WordsOf(AllOf<v1::RemoteState>(v1::RemoteState_descriptor()));
}

v1::IntentState IntentStateOf(const std::string& word) {
  return Named(word, AllOf<v1::IntentState>(v1::IntentState_descriptor()));
}

v1::TransferState TransferStateOf(const std::string& word) {
  return Named(word, AllOf<v1::TransferState>(v1::TransferState_descriptor()));
}

v1::RemoteState RemoteStateOf(const std::string& word) {
  return Named(word, AllOf<v1::RemoteState>(v1::RemoteState_descriptor()));
}

}  // namespace blobd::client
