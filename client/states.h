// The words for states: as tables show them, and, with hyphens for blanks, as options take them.
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "blobd/v1/downloads.pb.h"
#include "blobd/v1/remotes.pb.h"

namespace blobd::client {

// "unknown" for one that is newer than we are.
std::string_view StateName(v1::IntentState state);
std::string_view StateName(v1::TransferState state);
std::string_view StateName(v1::RemoteState state);
// As the end of a sentence: "is waiting", "has no provider".
std::string StandsSo(v1::IntentState state);

// What options take. A request has the states of an intent that has not ended.
std::vector<std::string> IntentStateWords();
std::vector<std::string> RequestStateWords();
std::vector<std::string> TransferStateWords();
std::vector<std::string> RemoteStateWords();

// The state that such a word names; unspecified if it names none.
v1::IntentState IntentStateOf(const std::string& word);
v1::TransferState TransferStateOf(const std::string& word);
v1::RemoteState RemoteStateOf(const std::string& word);

}  // namespace blobd::client
