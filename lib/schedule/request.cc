#include "schedule/request.h"

#include <algorithm>

#include "base/check.h"
#include "schedule/provider.h"

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

Trouble& Request::MakeTrouble() {
  if (trouble == nullptr) trouble = std::make_unique<Trouble>();
  return *trouble;
}

namespace {
auto FindRefusal(std::vector<Refusal>& refused, uint64_t number) {
  return std::lower_bound(refused.begin(), refused.end(), number,
                          [](const Refusal& a, uint64_t b) { return a.provider < b; });
}
}  // namespace

bool Request::Refuses(uint64_t provider_number) const {
  if (trouble == nullptr) return false;
  if (SetsAside(provider_number)) return true;
  const auto at = FindRefusal(trouble->refused, provider_number);
  return at != trouble->refused.end() && at->provider == provider_number && at->active;
}

bool Request::SetsAside(uint64_t provider_number) const {
  if (trouble == nullptr) return false;
  const std::vector<uint64_t>& aside = trouble->set_aside;
  return std::find(aside.begin(), aside.end(), provider_number) != aside.end();
}

bool Request::CouldUse(const Provider& provider) const {
  if (!provider.usable() || Refuses(provider.number)) return false;
  if (content == nullptr || content->length == 0 || stage == Stage::kRunning) return true;
  return !content->FirstFor(provider.number).empty();
}

uint32_t Request::Refuse(uint64_t provider_number) {
  std::vector<Refusal>& refused = MakeTrouble().refused;
  auto at = FindRefusal(refused, provider_number);
  if (at == refused.end() || at->provider != provider_number) {
    at = refused.insert(at, Refusal{provider_number, Instant::Max(), 0, true});
  }
  at->active = true;
  at->until = Instant::Max();
  return ++at->times;
}

void Request::RefuseUntil(uint64_t provider_number, Instant until) {
  FindRefusal(MakeTrouble().refused, provider_number)->until = until;
}

bool Request::Unrefuse(uint64_t provider_number) {
  if (trouble == nullptr) return false;
  const auto at = FindRefusal(trouble->refused, provider_number);
  if (at == trouble->refused.end() || at->provider != provider_number) return false;
  const bool refused = at->active;
  trouble->refused.erase(at);
  return refused;
}

std::vector<uint64_t> Request::Forgive(Instant now) {
  std::vector<uint64_t> forgiven;
  if (trouble == nullptr) return forgiven;
  for (Refusal& refusal : trouble->refused) {
    if (!refusal.active || refusal.until > now) continue;
    refusal.active = false;
    forgiven.push_back(refusal.provider);
  }
  return forgiven;
}

void Request::ForgiveEarly() {
  if (trouble == nullptr) return;
  for (Refusal& refusal : trouble->refused) {
    if (refusal.until != Instant::Max()) refusal.active = false;
  }
}

bool Request::paused() const { return intents_of_priority == std::array<uint32_t, 3>{}; }

Intent* Request::Find(IntentId intent) {
  const auto at = intents.find(intent);
  return at != intents.end() ? &at->second : nullptr;
}

Priority Request::HighestPriority() const {
  for (size_t level = intents_of_priority.size(); level-- > 0;) {
    if (intents_of_priority[level] > 0) return static_cast<Priority>(level);
  }
  return Priority::kBackground;
}

void Request::Note(const ProviderId& provider, Outcome outcome, std::string_view reason) {
  std::vector<ProviderFailure>& failures = MakeTrouble().failures;
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
