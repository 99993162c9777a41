// What the status page knows, as the JSON document that it asks for every second. Text of others
// (labels, addresses, errors) is in it as it came: the page shows it as text and nothing else.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "client/dashboard_history.h"
#include "client/dashboard_requests.h"
#include "client/top_view.h"

namespace blobd::client {

// What is known at one time.
struct DashboardState {
  bool has_answered = false;  // else only `top.trouble` counts
  bool is_reachable = false;  // in trouble: whether somebody holds the daemon's socket all the same
  TopState top;
  KnownRequests requests;
};

// One sample of the rates.
DashboardHistory::Sample SampleOf(const TopState& state, int64_t now_unix_ms);

// Sizes in bytes, rates in bytes per second, times in milliseconds since 1970; see the functions in
// dashboard_data.cc for what is in it. A `share` is a part of 1.
std::string DashboardJson(const DashboardState& state, const DashboardHistory& history,
                          int64_t now_unix_ms);

}  // namespace blobd::client
