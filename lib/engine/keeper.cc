#include "engine/keeper.h"

#include <chrono>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/error_reason.h"
#include "engine/lease.h"

namespace blobd::engine {
namespace {

// That somebody wants hidden content, added it or got it would say more than the tag that hides it.
std::vector<Keeping> ToldOfHidden(const Caller& caller, std::vector<Keeping> all) {
  std::erase_if(all, [&](const Keeping& keeping) {
    const bool is_own = keeping.because == KeptBecause::kLeased && keeping.owner_uid == caller.uid;
    return keeping.because != KeptBecause::kTagged && !is_own;
  });
  if (all.empty()) all.push_back(kHiddenKeeping);
  return all;
}

}  // namespace

Keeper::Keeper(Deps deps, KeeperOptions options)
    : deps_(std::move(deps)),
      options_(options),
      tags_({deps_.control, deps_.clock, deps_.registry, deps_.store, deps_.wants.journal(),
             deps_.make_strand}),
      all_([this] { return Gather(); }),
      private_tags_([this] {
        return Gathering::OfPrivateTags(
            {deps_.control, deps_.registry, deps_.store, deps_.wants, deps_.make_strand()});
      }) {}

Keeper::~Keeper() { Stop(); }

// ---- Tags ----

void Keeper::FindTag(const std::string& name,
                     registry::Registry::Done<std::optional<registry::TagRow>> done) {
  deps_.registry.FindTag(name, std::move(done));
}

void Keeper::ListTags(const registry::TagFilter& filter, const std::string& after, size_t limit,
                      registry::Registry::Done<std::vector<registry::TagRow>> done) {
  deps_.registry.ListTags(filter, after, limit, std::move(done));
}

void Keeper::HiddenFrom(const Caller& caller, std::vector<Hash> hashes,
                        UniqueFunction<void(Hidden)> done) {
  if (hashes.empty() || caller.is_admin()) return done({});
  auto shared = std::make_shared<const std::vector<Hash>>(std::move(hashes));
  deps_.store.LookupMany(*shared, deps_.control,
                         [this, caller, shared, done = std::move(done),
                          is_first = true](const std::vector<store::LookedUp>& some) mutable {
                           // What the store has to read first is taken for private.
                           if (!std::exchange(is_first, false)) return;
                           Hidden doubtful(shared->begin(), shared->end());
                           for (const store::LookedUp& one : some) {
                             if (one.info.ok() && !one.info->is_private)
                               doubtful.erase((*shared)[one.index]);
                           }
                           std::erase_if(doubtful, [&](const Hash& hash) {
                             return deps_.wants.IsWantedBy(caller.uid, hash);
                           });
                           if (doubtful.empty()) return done({});
                           HideWhatOthersTagged(caller, std::move(doubtful), std::move(done));
                         });
}

void Keeper::HideWhatOthersTagged(const Caller& caller, Hidden doubtful,
                                  UniqueFunction<void(Hidden)> done) {
  private_tags_.Ask([caller, doubtful = std::move(doubtful),
                     done = std::move(done)](StatusOr<const Gathering*> gathering) mutable {
    if (gathering.ok()) {
      const Protection& tags = (*gathering)->protection();
      std::erase_if(doubtful, [&](const Hash& hash) {
        // Who tagged it in private as well knows it already.
        return !tags.Strongest(hash) || tags.IsHeldBy(caller.uid, hash);
      });
    }
    done(std::move(doubtful));
  });
}

// ---- Adding ----

Keeper::AddId Keeper::BeginAdd(std::vector<Hash> pins) {
  for (const Hash& hash : pins) ++pins_[hash];
  adds_[next_add_] = {deps_.clock.WallNow(), std::move(pins)};
  return next_add_++;
}

void Keeper::EndAdd(AddId id) {
  auto add = adds_.extract(id);
  if (add.empty()) return;
  for (const Hash& hash : add.mapped().pins) {
    const auto it = pins_.find(hash);
    if (--it->second == 0) pins_.erase(it);
  }
}

void Keeper::KeepAdded(AddId id, const Caller& caller, const std::vector<Kind>& kinds,
                       UniqueFunction<void(Status)> done) {
  const auto add = adds_.find(id);
  BLOBD_CHECK(add != adds_.end() && !kinds.empty());
  std::vector<Hash> hashes;
  std::vector<registry::Change> changes;
  const WallTime until = deps_.clock.WallNow() + options_.lease;
  for (const Kind& kind : kinds) {
    // Not removed from now on, first because it is pinned, then because of its lease.
    ++pins_[kind.hash];
    add->second.pins.push_back(kind.hash);
    hashes.push_back(kind.hash);
    deps_.wants.journal().Note(kind);
    if (options_.lease > Duration::zero())
      changes.emplace_back(registry::PutLease{{kind, LeaseHolder(caller.uid), until}});
  }
  deps_.registry.Commit(std::move(changes), [this, id, hashes = std::move(hashes),
                                             done = std::move(done)](const Status& status) mutable {
    // While the registry is damaged nothing is collected either, so it stays all the same.
    if (!status.ok() && status.code() != StatusCode::kDataLoss) {
      return done(Annotate(status, "the registry could not be written"));
    }
    LookAtAdded(id, std::move(hashes), std::move(done));
  });
}

// Behind every removal that was ordered before they were pinned.
void Keeper::LookAtAdded(AddId id, std::vector<Hash> hashes, UniqueFunction<void(Status)> done) {
  Status worst;
  auto shared = std::make_shared<const std::vector<Hash>>(std::move(hashes));
  deps_.store.LookupMany(*shared, deps_.control,
                         [this, id, shared, worst, done = std::move(done),
                          left = shared->size()](const std::vector<store::LookedUp>& some) mutable {
                           for (const store::LookedUp& one : some) {
                             Status status = one.info.status();
                             if (status.ok() && one.info->state != store::BlobState::kComplete) {
                               status = ErrorFor(
                                   Reason::kRemovedMeanwhile,
                                   "{} was removed in the moment it was added; add it again",
                                   (*shared)[one.index].ToHex());
                             }
                             if (!status.ok()) worst = status;
                           }
                           left -= some.size();
                           if (left > 0) return;
                           if (!worst.ok()) return done(worst);
                           EndAdd(id);
                           done(OkStatus());
                         });
}

bool Keeper::IsBeingAdded(const store::BlobUse& blob) const {
  return IsPinned(blob.hash) || (!adds_.empty() && blob.last_use >= adds_.begin()->second.since);
}

// ---- Keeping and removing ----

std::shared_ptr<Gathering> Keeper::Gather() {
  const WallTime now = deps_.clock.WallNow();
  auto gathering = std::make_shared<Gathering>(
      Gathering::Deps{deps_.control, deps_.registry, deps_.store, deps_.wants, deps_.make_strand()},
      now,
      WallTime{now.unix_ms - std::chrono::duration_cast<milliseconds>(options_.lease).count()});
  tags_.NoteUnderWay();
  return gathering;
}

void Keeper::WhyKept(const Caller& caller, const Hash& hash,
                     UniqueFunction<void(StatusOr<std::vector<Keeping>>)> done) {
  HiddenFrom(caller, {hash},
             [this, caller, hash, done = std::move(done)](const Hidden& hidden) mutable {
               if (hidden.empty()) return AskWhyKept(hash, std::move(done));
               AskWhyKept(hash, [caller, done = std::move(done)](auto all) mutable {
                 if (!all.ok()) return done(all.status());
                 done(ToldOfHidden(caller, *std::move(all)));
               });
             });
}

void Keeper::AskWhyKept(const Hash& hash,
                        UniqueFunction<void(StatusOr<std::vector<Keeping>>)> done) {
  all_.Ask([hash, done = std::move(done)](StatusOr<const Gathering*> gathering) mutable {
    if (!gathering.ok()) return done(gathering.status());
    std::vector<Keeping> all = (*gathering)->protection().All(hash);
    const bool told = !all.empty() && all.front().because == KeptBecause::kWanted;
    if (!told && (*gathering)->IsWanted(hash)) {
      all.insert(all.begin(), Keeping{.because = KeptBecause::kWanted});
    }
    done(std::move(all));
  });
}

void Keeper::Remove(const Caller& caller, std::vector<Hash> hashes, bool force,
                    UniqueFunction<void(StatusOr<Removed>)> done) {
  if (force && !caller.is_admin()) {
    return done(ErrorFor(Reason::kNeedsAdmin,
                         "only administrators may remove by force: root, members of the admin "
                         "group, and whoever runs the daemon; you are uid {}",
                         caller.uid));
  }
  Removal removal{caller, std::move(hashes), force,
                  [this](const Hash& hash) { return IsPinned(hash); }};
  if (force) {
    return engine::Remove(deps_.control, deps_.store, nullptr, std::move(removal), std::move(done));
  }
  if (const Status status = deps_.may_remove(); !status.ok()) return done(status);
  std::vector<Hash> named = removal.hashes;
  HiddenFrom(caller, std::move(named),
             [this, removal = std::move(removal), done = std::move(done)](Hidden hidden) mutable {
               removal.hidden = std::move(hidden);
               all_.Ask([this, removal = std::move(removal),
                         done = std::move(done)](StatusOr<const Gathering*> gathering) mutable {
                 if (!gathering.ok()) return done(gathering.status());
                 engine::Remove(deps_.control, deps_.store, *gathering, std::move(removal),
                                std::move(done));
               });
             });
}

std::shared_ptr<KeeperJob> Keeper::Collect(const GcRequest& request,
                                           std::function<void(const GcReport&)> progress,
                                           UniqueFunction<void(const Status&, GcReport)> done) {
  Status status = deps_.may_remove();
  // Whoever may only look must not keep from it who has to make room.
  std::shared_ptr<KeeperJob>& slot = request.dry_run ? dry_running_ : collecting_;
  if (status.ok() && slot != nullptr) {
    status = ErrorFor(Reason::kAlreadyRunning, "a {} is running already; try again later",
                      request.dry_run ? "dry run" : "garbage collection");
  }
  if (!status.ok()) {
    done(status, {});
    return nullptr;
  }
  auto collector = std::make_shared<Collector>(
      Collector::Deps{deps_.control, deps_.timers, deps_.store, Gather(),
                      [this](const store::BlobUse& blob) { return IsBeingAdded(blob); }},
      request, std::move(progress),
      [&slot, done = std::move(done)](const Status& ended, GcReport report) mutable {
        slot = nullptr;
        done(ended, std::move(report));
      });
  slot = collector;
  collector->Start();
  return collector;
}

std::shared_ptr<KeeperJob> Keeper::Verify(std::vector<Hash> hashes, Verifier::Listener listener) {
  if (verifying_ != nullptr) {
    listener.done(
        ErrorFor(Reason::kAlreadyRunning, "a verification is running already; try again later"),
        {});
    return nullptr;
  }
  listener.done = [this, done = std::move(listener.done)](const Status& status,
                                                          const VerifyReport& report) mutable {
    verifying_ = nullptr;
    done(status, report);
  };
  auto verifier =
      std::make_shared<Verifier>(Verifier::Deps{deps_.control, deps_.store, deps_.repair},
                                 std::move(hashes), std::move(listener));
  verifying_ = verifier;
  verifier->Start();
  return verifier;
}

}  // namespace blobd::engine
