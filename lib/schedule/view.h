// view: what can be said of a request from outside, with a sentence on what it waits for.
#pragma once

#include "schedule/scheduler.h"
#include "schedule/tables.h"

namespace blobd::schedule {

// The last reason of every provider that failed it: what it said of this request, else its last
// failure with any.
std::vector<ProviderFailure> FailuresOf(const Request& request);

RequestState StateOf(const Tables& tables, const Request& request);

// In time proportional to its providers.
Why WhyOf(const Tables& tables, const Request& request);

RequestView ViewOf(const Tables& tables, const Request& request);

}  // namespace blobd::schedule
