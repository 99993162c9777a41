// What "blobctl top" shows, as lines of text, and the keys that change it.
//
// Pure functions; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "blobd/v1/admin.pb.h"
#include "blobd/v1/downloads.pb.h"
#include "blobd/v1/remotes.pb.h"
#include "client/output.h"

namespace blobd::client {

// What is known at one time.
struct TopState {
  v1::StatusResponse status;
  std::vector<v1::Transfer> transfers;  // that run
  std::vector<v1::Remote> remotes;      // connected, being dialled, or getting blobs from us
  std::vector<v1::Transfer> ended;      // a while ago at most; only where they were asked for
  std::string trouble;                  // why the above is old; empty: it is not
  int64_t answered_unix_ms = 0;         // when the daemon answered last; 0: never
};

enum class TopSort { kRate, kProgress, kProvider, kAge };

// How it is to be shown.
struct TopShape {
  size_t lines = 0;   // of the screen; 0: as many as it takes, and no line about keys
  size_t scroll = 0;  // transfers that are above the first one shown
  TopSort sort = TopSort::kRate;
  bool help = false;  // instead of the rest
};

struct TopFrame {
  std::vector<std::string> lines;  // with a screen no more than it has
  size_t most_scroll = 0;          // beyond it nothing more would be shown
};

// `style` has the columns; 0: as many as it takes. What is old is shown as far as it may still be
// so: what there was, but not how fast it goes or how it stands.
TopFrame ShowTop(const TopState& state, const TopShape& shape, const Style& style);

// Adds the nodes that get blobs from us and are not among `remotes`.
void AddUploads(const google::protobuf::RepeatedPtrField<v1::Upload>& uploads,
                std::vector<v1::Remote>* remotes);

// A round trip on the path in use, or on the best one known, in microseconds; 0: none is.
int64_t RttUsOf(const v1::Remote& remote);

enum class TopKey { kQuit, kSort, kHelp, kUp, kDown, kPageUp, kPageDown, kHome, kEnd };

// Takes the first key off `typed`, and what means nothing before it; nullopt: there is none, and
// what is left may be the beginning of one.
std::optional<TopKey> TakeKey(std::string* typed);

// `shape` after such a key; of kQuit as it is. `frame` is the last one shown.
TopShape AfterKey(TopShape shape, TopKey key, const TopFrame& frame);

}  // namespace blobd::client
