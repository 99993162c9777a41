#include "schedule/request.h"

#include <algorithm>

#include "base/check.h"

namespace blobd::schedule {
namespace {
// A sentence or two; with 1,024 providers a request's reasons stay below 300 KiB.
constexpr size_t kLongestReason = 256;
constexpr size_t kMostFailures = 1024;
}  // namespace

std::string CutReason(std::string_view reason) {
  if (reason.size() <= kLongestReason) return std::string(reason);
  size_t end = kLongestReason;
  // Not in the middle of a UTF-8 sequence: the text ends up in messages that must be valid.
  while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xc0u) == 0x80u) --end;
  return std::string(reason.substr(0, end));
}

bool Request::Refuses(uint64_t provider_number) const {
  return std::binary_search(refused.begin(), refused.end(), provider_number);
}

void Request::Refuse(uint64_t provider_number) {
  const auto at = std::lower_bound(refused.begin(), refused.end(), provider_number);
  if (at == refused.end() || *at != provider_number) refused.insert(at, provider_number);
}

bool Request::Unrefuse(uint64_t provider_number) {
  const auto at = std::lower_bound(refused.begin(), refused.end(), provider_number);
  if (at == refused.end() || *at != provider_number) return false;
  refused.erase(at);
  return true;
}

Intent* Request::Find(IntentId intent) {
  const auto at = std::lower_bound(intents.begin(), intents.end(), intent,
                                   [](const Intent& a, IntentId b) { return a.id < b; });
  return at != intents.end() && at->id == intent ? &*at : nullptr;
}

Priority Request::HighestPriority() const {
  for (size_t level = intents_of_priority.size(); level-- > 0;) {
    if (intents_of_priority[level] > 0) return static_cast<Priority>(level);
  }
  CheckFailed("a request without an intent has no priority", __FILE__, __LINE__);
}

void Request::Note(const ProviderId& provider, Outcome outcome, std::string_view reason) {
  for (ProviderFailure& failure : failures) {
    if (failure.provider == provider) {
      failure.outcome = outcome;
      failure.reason = CutReason(reason);
      return;
    }
  }
  if (failures.size() >= kMostFailures) failures.erase(failures.begin());
  failures.push_back(ProviderFailure{provider, outcome, CutReason(reason)});
}

}  // namespace blobd::schedule
