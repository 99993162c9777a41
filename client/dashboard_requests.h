// DashboardRequests: what the status page shows and top does not: requests, what they wait for, and
// how people call them. Bounded: a page shows the first of each kind, and says how many more there
// are.
//
// Thread:    Ask on one thread at a time; Latest from any.
// Ownership: `daemon` outlives it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "client/daemon_client.h"

namespace blobd::client {

// What a request is besides what the daemon lists, from the first intent that there is for it.
struct RequestIntent {
  std::string label;
  // Of the first there was since its content is shown: that one may be gone. 0: not known.
  int64_t created_unix_ms = 0;
};

struct KnownRequests {
  std::vector<v1::Request> running;  // the oldest first
  std::vector<v1::Request> waiting;  // likewise
  // There may be more of them.
  bool running_more = false;
  bool waiting_more = false;
  // By the request's first intent. Of the first few that wait, why they do.
  std::map<uint64_t, RequestIntent> intents;
  std::map<uint64_t, v1::RequestWhy> whys;
  // Since when contents are wanted, by hash and format.
  std::map<std::pair<std::string, v1::BlobFormat>, int64_t> since;
};

// 0: none is listed.
inline uint64_t FirstIntentOf(const v1::Request& request) {
  return request.intent_ids().empty() ? 0 : request.intent_ids(0);
}

class DashboardRequests {
 public:
  static constexpr size_t kMostShown = 50;      // of those that run, and of those that wait
  static constexpr size_t kMostExplained = 12;  // of those that wait

  explicit DashboardRequests(DaemonClient& daemon) : daemon_(daemon) {}

  Status Ask();
  KnownRequests Latest();

 private:
  Status List(const std::vector<v1::IntentState>& states, std::vector<v1::Request>* found,
              bool* more);
  Status AskIntents(const std::vector<v1::Request>& requests, KnownRequests* known);

  DaemonClient& daemon_;
  Mutex mutex_;
  KnownRequests latest_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace blobd::client
