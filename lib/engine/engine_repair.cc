// Repair: what rotted on the disk is got again, from whoever had it. See engine.h.
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/error_reason.h"
#include "engine/engine.h"

namespace blobd::engine {
namespace {

constexpr size_t kRepairProviders = 64;

}  // namespace

void Engine::OnRotten(const Hash& hash, const RangeSet& groups) {
  LookWhetherPrivate(hash, [this, hash, groups](const std::optional<Hash>& logged) {
    RepairNow(hash, groups, logged, [this, logged](const StatusOr<IntentId>& intent) {
      if (intent.ok()) {
        deps_.log.Write(LogLevel::kNotice, {.hash = logged, .intent = *intent},
                        "intent " + std::to_string(intent->value) + " gets it again");
      } else {
        deps_.log.Write(
            LogLevel::kError, {.hash = logged},
            "the blob is not repaired; queue it to get it again: " + Message(intent.status()));
      }
    });
  });
}

void Engine::Repair(const Hash& hash, const RangeSet& groups,
                    UniqueFunction<void(StatusOr<IntentId>)> done) {
  LookWhetherPrivate(hash, [this, hash, groups,
                            done = std::move(done)](const std::optional<Hash>& logged) mutable {
    RepairNow(hash, groups, logged, std::move(done));
  });
}

// `logged`: the hash as the journal may have it, nullopt if it is private, or nobody knows.
void Engine::LookWhetherPrivate(const Hash& hash,
                                UniqueFunction<void(std::optional<Hash> logged)> then) {
  deps_.store.Lookup(hash, deps_.control,
                     [hash, then = std::move(then)](const StatusOr<store::BlobInfo>& info) mutable {
                       const bool may_be_logged = info.ok() && !info->is_private;
                       then(may_be_logged ? std::optional<Hash>(hash) : std::nullopt);
                     });
}

void Engine::RepairNow(const Hash& hash, const RangeSet& groups, const std::optional<Hash>& logged,
                       UniqueFunction<void(StatusOr<IntentId>)> done) {
  deps_.log.Write(LogLevel::kWarning, {.hash = logged, .event = LogEvent::kRotten},
                  "groups " + groups.ToString() +
                      " of this blob did not fit its hash when read; they were withdrawn");
  const Kind kind{hash, BlobFormat::kRaw};
  if (scheduler_ != nullptr) {
    const auto view = scheduler_->ViewOfKind(kind);
    if (view && view->intents > 0) return done(view->first_intent);  // it is wanted already
  }
  deps_.registry.ProvidersSeen(
      hash, kRepairProviders,
      [this, kind,
       done = std::move(done)](const StatusOr<std::vector<ProviderId>>& earlier) mutable {
        QueueRepair(kind, earlier.ok() ? *earlier : std::vector<ProviderId>(), std::move(done));
      });
}

// `earlier`: who gave it to us, in this life or one before.
void Engine::QueueRepair(const Kind& kind, const std::vector<ProviderId>& earlier,
                         UniqueFunction<void(StatusOr<IntentId>)> done) {
  const Caller ourselves;
  if (const auto own = intents_of_uid_.find(ourselves.uid);
      own != intents_of_uid_.end() && own->second >= limits_.intents_per_uid) {
    return done(ErrorFor(Reason::kIntentQuota, "uid {} has {} unfinished intents", ourselves.uid,
                         own->second));
  }
  std::set<ProviderId> providers(earlier.begin(), earlier.end());
  providers.merge(ProvidersNow(kind.hash));
  QueueItem item;
  item.kind = kind;
  item.label = kRepairLabel;
  for (const ProviderId& provider : providers) item.providers.push_back({provider, {}});
  std::vector<QueueItem> items;
  items.push_back(std::move(item));
  // Whoever repairs lives on this thread.
  Queue(ourselves, std::move(items),
        [this, done = std::move(done)](const StatusOr<std::vector<QueuedIntent>>& queued) mutable {
          auto intent = queued.ok() ? StatusOr<IntentId>(queued->front().intent)
                                    : StatusOr<IntentId>(queued.status());
          deps_.control.Post([done = std::move(done), intent = std::move(intent)]() mutable {
            done(std::move(intent));
          });
        });
}

// Who provides the hash for a request, or is giving it to us.
std::set<ProviderId> Engine::ProvidersNow(const Hash& hash) const {
  std::set<ProviderId> providers = transfers_.ProvidersSeen(hash);
  if (scheduler_ == nullptr) return providers;
  for (const BlobFormat format : {BlobFormat::kRaw, BlobFormat::kHashSeq}) {
    const std::vector<ProviderId> named = scheduler_->ProvidersOf({hash, format});
    providers.insert(named.begin(), named.end());
  }
  return providers;
}

}  // namespace blobd::engine
