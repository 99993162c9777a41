// Why: what requests wait for, in the words of callers; and lines in the journal about waits that
// get long. See engine.h.
#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "engine/engine.h"

namespace blobd::engine {
namespace {

// Looked at, and told, each time.
constexpr size_t kLooksAtOnce = 1000;
constexpr size_t kLinesAtOnce = 10;
constexpr Duration kLookInterval = minutes(1);

using schedule::ProviderStanding;

std::string In(Duration wait) {
  return wait > Duration::zero() ? "in " + FormatDuration(wait) : "now";
}

// `left`: until it is tried or asked again; nullopt: not of itself.
std::string Sentence(const schedule::ProviderWhy& why, std::optional<Duration> left) {
  const std::string times =
      fmt::format("{} time{} in a row", why.failures, why.failures == 1 ? "" : "s");
  switch (why.standing) {
    case ProviderStanding::kUsed:
      return "gives it now";
    case ProviderStanding::kFree:
      return "could give it";
    case ProviderStanding::kBusy:
      return "has no free slot";
    case ProviderStanding::kDialling:
      return "is being dialled";
    case ProviderStanding::kFailed:
      return fmt::format("failed {}, tried again {}", times, In(left.value_or(Duration::zero())));
    case ProviderStanding::kAskedToWait:
      return "asked us to wait, tried again " + In(left.value_or(Duration::zero()));
    case ProviderStanding::kOwnFault:
      return "cannot be reached through a fault of this machine, tried again " +
             In(left.value_or(Duration::zero()));
    case ProviderStanding::kUnreachable:
      return fmt::format("unreachable: failed {}, tried again {}", times,
                         In(left.value_or(Duration::zero())));
    case ProviderStanding::kWithoutContent:
      return left ? "does not have it, asked again " + In(*left) : "does not have it";
    case ProviderStanding::kSetAside:
      return "its transfer was cancelled, used again " + In(left.value_or(Duration::zero()));
    case ProviderStanding::kBanned:
      return "banned" + (left ? ", for " + FormatDuration(*left) : std::string());
  }
  return "";
}

}  // namespace

WhyView Engine::Describe(const schedule::Why& why, const schedule::RequestView& request) const {
  const Instant now = deps_.timers.Now();
  const WallTime wall_now = deps_.clock.WallNow();
  const auto left = [&](Instant until) -> std::optional<Duration> {
    if (until == Instant::Max()) return std::nullopt;
    return std::max(Duration::zero(), until - now);
  };
  const auto wall = [&](Instant until) {
    const auto wait = left(until);
    return wait ? wall_now + *wait : WallTime{};
  };
  WhyView view;
  view.kind = why.kind;
  view.state = StateOf(why.state);
  view.since = wall_now + (why.since - now);
  view.sentence = request.waits_for;
  view.intents = scheduler_->IntentsOf(why.kind, kIntentsShown);
  for (const schedule::Wait& wait : why.waits) {
    view.waits.push_back({wait.fact, wait.count, wall(wait.until)});
  }
  for (const schedule::ProviderWhy& provider : why.providers) {
    view.providers.push_back({provider.provider, provider.standing, wall(provider.until),
                              provider.failures, provider.last_error,
                              Sentence(provider, left(provider.until))});
  }
  return view;
}

std::optional<WhyView> Engine::WhyOfIntent(IntentId id) const {
  if (scheduler_ == nullptr) return std::nullopt;
  const auto why = scheduler_->WhyOfIntent(id);
  if (!why) return std::nullopt;
  WhyView view = Describe(*why, *scheduler_->ViewOfIntent(id));
  const auto live = live_.find(id);
  const bool wants_provider =
      std::any_of(why->waits.begin(), why->waits.end(),
                  [](const auto& wait) { return wait.fact == schedule::WaitFact::kProvider; });
  if (!wants_provider || live == live_.end() || live->second.row.paused) return view;
  // Patience begins anew with each start of the daemon: it may last longer than that.
  const registry::IntentRow& row = live->second.row;
  const Duration left = row.created + milliseconds(row.patience_ms) - deps_.clock.WallNow();
  if (left > Duration::zero()) {
    view.sentence +=
        fmt::format("; it gives up {} at the earliest, unless somebody has it by then", In(left));
  }
  return view;
}

std::vector<WhyView> Engine::WhyOfHash(const Hash& hash) const {
  std::vector<WhyView> views;
  if (scheduler_ == nullptr) return views;
  for (const BlobFormat format : {BlobFormat::kRaw, BlobFormat::kHashSeq}) {
    const auto why = scheduler_->WhyOfKind({hash, format});
    if (why) views.push_back(Describe(*why, *scheduler_->ViewOfKind({hash, format})));
  }
  return views;
}

// ---- Waits that get long ----

void Engine::LookForLongWaits() {
  const Instant now = deps_.timers.Now();
  size_t told = 0;
  size_t more = 0;
  for (const IntentId id : long_waits_.Take(now, kLooksAtOnce)) {
    const auto why = scheduler_->WhyOfIntent(id);
    if (!why) continue;  // it has ended
    const auto request = scheduler_->ViewOfIntent(id);
    const Duration waited = now - why->since;
    const bool waits = !why->waits.empty() && why->state != schedule::RequestState::kPaused;
    if (!waits || waited < options_.long_wait) {
      long_waits_.Add(id, (waits ? why->since : now) + options_.long_wait);
      continue;
    }
    long_waits_.Add(id, now + options_.long_wait_repeat);
    if (request->first_intent != id) continue;  // said once per request
    if (told == kLinesAtOnce) {
      ++more;
      continue;
    }
    ++told;
    deps_.log.Write(
        LogLevel::kNotice, {.hash = why->kind.hash, .intent = id, .event = LogEvent::kLongWait},
        fmt::format("nothing has moved for {}: it {}", FormatDuration(waited), request->waits_for));
  }
  if (more > 0) {
    deps_.log.Write(LogLevel::kNotice, {},
                    fmt::format("{} more requests wait as long; \"blobctl intents\" lists them, "
                                "\"blobctl why\" says what for",
                                more));
  }
  ArmLongWaits();
}

void Engine::ArmLongWaits() {
  if (long_wait_timer_ != 0) return;
  long_wait_timer_ = deps_.timers.AddTimer(deps_.timers.Now() + kLookInterval, [this] {
    long_wait_timer_ = 0;
    LookForLongWaits();
  });
}

}  // namespace blobd::engine
