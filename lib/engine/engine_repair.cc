// Repair: what rotted on the disk is got again, from whoever had it. See engine.h.
#include <set>
#include <string>
#include <utility>

#include "engine/engine.h"

namespace blobd::engine {
namespace {

constexpr size_t kRepairProviders = 64;

}  // namespace

void Engine::OnRotten(const Hash& hash, const RangeSet& groups) {
  deps_.log.Write(LogLevel::kWarning, {.hash = hash},
                  "groups " + groups.ToString() +
                      " of this blob did not fit its hash when read; they were withdrawn");
  const Kind kind{hash, BlobFormat::kRaw};
  if (scheduler_ != nullptr && scheduler_->ViewOfKind(kind)) return;  // it is wanted already
  deps_.registry.ProvidersSeen(
      hash, kRepairProviders, [this, kind](const StatusOr<std::vector<ProviderId>>& earlier) {
        QueueRepair(kind, earlier.ok() ? *earlier : std::vector<ProviderId>());
      });
}

// `earlier`: who gave it to us, in this life or one before.
void Engine::QueueRepair(const Kind& kind, const std::vector<ProviderId>& earlier) {
  const auto not_repaired = [this, hash = kind.hash](const Status& status) {
    deps_.log.Write(LogLevel::kError, {.hash = hash},
                    "the blob is not repaired; queue it to get it again: " + Message(status));
  };
  const Caller ourselves;
  if (const auto own = intents_of_uid_.find(ourselves.uid);
      own != intents_of_uid_.end() && own->second >= options_.intents_per_uid) {
    return not_repaired(
        ResourceExhausted("uid {} has {} unfinished intents", ourselves.uid, own->second));
  }
  std::set<ProviderId> providers(earlier.begin(), earlier.end());
  providers.merge(ProvidersNow(kind.hash));
  QueueItem item;
  item.kind = kind;
  item.label = "repair";
  for (const ProviderId& provider : providers) item.providers.push_back({provider, {}});
  std::vector<QueueItem> items;
  items.push_back(std::move(item));
  Queue(ourselves, std::move(items),
        [this, not_repaired, hash = kind.hash](const StatusOr<std::vector<QueuedIntent>>& queued) {
          if (!queued.ok()) return not_repaired(queued.status());
          deps_.log.Write(
              LogLevel::kNotice, {.hash = hash},
              "queued as intent " + std::to_string(queued->front().intent.value) + " for repair");
        });
}

// Who provides the hash for a request, or is giving it to us.
std::set<ProviderId> Engine::ProvidersNow(const Hash& hash) const {
  std::set<ProviderId> providers = transfers_.ProvidersSeen(hash);
  if (scheduler_ == nullptr) return providers;
  for (const BlobFormat format : {BlobFormat::kRaw, BlobFormat::kHashSeq}) {
    if (const auto view = scheduler_->ViewOfKind({hash, format})) {
      providers.insert(view->providers.begin(), view->providers.end());
    }
  }
  return providers;
}

}  // namespace blobd::engine
