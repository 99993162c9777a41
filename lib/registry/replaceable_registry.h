// ReplaceableRegistry: stands before the real registry, which may turn out to be damaged, and be
// recovered while the daemon runs. Without one behind it every call is answered with the reason.
//
// Thread:    the control loop only: the one that answers are posted to.
// Ownership: owns the registry behind it; `answer_on` outlives it.
#pragma once

#include <memory>
#include <utility>

#include "base/error_reason.h"
#include "registry/registry.h"

namespace blobd::registry {

// What a caller is told of a registry that cannot be used because of `why` (kDataLoss).
inline Status RegistryDamaged(const Status& why) {
  if (Message(why).starts_with("registry_damaged")) return why;
  return ErrorFor(
      Reason::kRegistryDamaged,
      "registry_damaged: {}; as root, \"blobctl registry recover\" saves what can be read",
      Message(why));
}

class ReplaceableRegistry final : public Registry {
 public:
  explicit ReplaceableRegistry(Executor& answer_on) : answer_on_(answer_on) {}

  void Put(std::unique_ptr<Registry> registry) { registry_ = std::move(registry); }
  // From now on calls are answered with `why`. Waits until the registry behind it has done what it
  // was asked; blocks on the disk.
  void Take(const Status& why) {
    why_ = RegistryDamaged(why);
    registry_.reset();
  }
  bool is_there() const { return registry_ != nullptr; }

  void Load(Done<Snapshot> done) override { Ask(&Registry::Load, std::move(done)); }
  void LoadPage(const LoadCursor& from, size_t limit, Done<LoadedPage> done) override {
    Ask(&Registry::LoadPage, std::move(done), from, limit);
  }
  void CommitAndTell(std::vector<Change> changes, Task at_once,
                     UniqueFunction<void(Status)> done) override {
    Ask(&Registry::CommitAndTell, std::move(done), std::move(changes), std::move(at_once));
  }
  void ReserveIds(IdSpace space, uint64_t count, Done<IdBlock> done) override {
    Ask(&Registry::ReserveIds, std::move(done), space, count);
  }
  void GetIntent(IntentId id, Done<std::optional<IntentRow>> done) override {
    Ask(&Registry::GetIntent, std::move(done), id);
  }
  void KnownIntents(std::vector<IntentId> ids, Done<std::vector<IntentId>> done) override {
    Ask(&Registry::KnownIntents, std::move(done), std::move(ids));
  }
  void FindIntentsByKeys(uint32_t owner_uid, std::vector<std::string> keys,
                         Done<std::vector<IntentRow>> done) override {
    Ask(&Registry::FindIntentsByKeys, std::move(done), owner_uid, std::move(keys));
  }
  void ListIntents(const IntentFilter& filter, IntentId after, size_t limit,
                   Done<std::vector<IntentRow>> done) override {
    Ask(&Registry::ListIntents, std::move(done), filter, after, limit);
  }
  void FailuresOf(IntentId intent, Done<std::vector<FailureRow>> done) override {
    Ask(&Registry::FailuresOf, std::move(done), intent);
  }
  void FindTag(const std::string& name, Done<std::optional<TagRow>> done) override {
    Ask(&Registry::FindTag, std::move(done), name);
  }
  void ListTags(const TagFilter& filter, const std::string& after, size_t limit,
                Done<std::vector<TagRow>> done) override {
    Ask(&Registry::ListTags, std::move(done), filter, after, limit);
  }
  void ListLeases(Done<std::vector<LeaseRow>> done) override {
    Ask(&Registry::ListLeases, std::move(done));
  }
  void ListTransfers(const TransferFilter& filter, TransferId after, size_t limit,
                     Done<std::vector<TransferRow>> done) override {
    Ask(&Registry::ListTransfers, std::move(done), filter, after, limit);
  }
  void ProvidersSeen(const Hash& hash, size_t limit, Done<std::vector<ProviderId>> done) override {
    Ask(&Registry::ProvidersSeen, std::move(done), hash, limit);
  }
  void TotalsOf(const ProviderId& provider, Done<std::optional<ProviderTotals>> done) override {
    Ask(&Registry::TotalsOf, std::move(done), provider);
  }
  void AddressesOf(const NodeId& node, Done<std::vector<RemoteAddressRow>> done) override {
    Ask(&Registry::AddressesOf, std::move(done), node);
  }
  void ListProtected(WallTime now, WallTime finished_after,
                     Done<std::vector<ProtectedRow>> done) override {
    Ask(&Registry::ListProtected, std::move(done), now, finished_after);
  }
  void Backup(const std::string& path, UniqueFunction<void(Status)> done) override {
    Ask(&Registry::Backup, std::move(done), path);
  }

 private:
  template <typename Method, typename DoneFunction, typename... Args>
  void Ask(Method method, DoneFunction done, Args&&... args) {
    if (registry_ != nullptr) {
      return (registry_.get()->*method)(std::forward<Args>(args)..., std::move(done));
    }
    answer_on_.Post([why = why_, done = std::move(done)]() mutable { done(why); });
  }

  Executor& answer_on_;
  Status why_ = Unavailable("the registry is not open");
  std::unique_ptr<Registry> registry_;
};

}  // namespace blobd::registry
