// view: what can be said of a request from outside, with a sentence on what it waits for.
#pragma once

#include <vector>

#include "schedule/scheduler.h"
#include "schedule/tables.h"

namespace blobd::schedule {

// Failures by who failed. The list must outlive it, unchanged.
class FailureIndex {
 public:
  FailureIndex(const ProviderFailure* begin, const ProviderFailure* end);
  // nullptr: it did not fail.
  const ProviderFailure* Find(const ProviderId& provider) const;

 private:
  std::vector<const ProviderFailure*> sorted_;
};

// The last reason of every provider that failed it: what it said of this request, else its last
// failure with any.
Failures FailuresOf(const Request& request);

RequestState StateOf(const Tables& tables, const Request& request);

// In time proportional to its providers.
Why WhyOf(const Tables& tables, const Request& request);

RequestView ViewOf(const Tables& tables, const Request& request);

}  // namespace blobd::schedule
