// Requests: unfinished ones, listed for callers. See engine.h.
#include <utility>

#include "engine/engine.h"

namespace blobd::engine {
namespace {

// What a page may look at: requests, the providers and intents of those that it tells, and again
// the providers where it has to be found out what they wait for.
constexpr uint64_t kMostLooks = 10'000;

}  // namespace

RequestView Engine::ViewOf(const Kind& kind, const LiveKind& live,
                           const schedule::RequestView& request) const {
  RequestView view;
  view.kind = kind;
  view.place = live.place;
  view.state = StateOf(request.state);
  view.waits_for = request.waits_for;
  view.priority = request.priority;
  view.verified_bytes = live.verified_bytes;
  view.total_bytes = live.total_bytes;
  view.claimed_bytes = live.claimed_bytes;
  view.unproven_bytes = live.unproven_bytes;
  view.total_blobs = live.total_blobs;
  view.complete_blobs = live.complete_blobs;
  view.rate = transfers_.RateOf(kind);
  view.transfers = request.transfers;
  view.intents = scheduler_->IntentsOf(kind, kIntentsShown);
  view.intent_count = request.intents;
  view.since = deps_.clock.WallNow() + (request.since - deps_.timers.Now());
  return view;
}

RequestPage Engine::ListRequests(const RequestFilter& filter, IntentId after, size_t limit) const {
  RequestPage page;
  if (scheduler_ == nullptr) return page;
  uint64_t looks = 0;
  // Where its end is on its way to the disk there is an intent, and no request any more.
  const auto look = [&](const Kind& kind, const LiveKind& live) {
    ++looks;
    if (filter.owner_uid && !live.owners.Has(*filter.owner_uid)) return;
    if (!filter.states.empty()) {
      const auto state = scheduler_->StateOfKind(kind);
      if (!state || !filter.states.Has(StateOf(*state))) return;
    }
    const auto request = scheduler_->ViewOfKind(kind);
    if (!request) return;
    page.requests.push_back(ViewOf(kind, live, *request));
    looks += request->providers + page.requests.back().intents.size();
  };
  if (filter.hash) {
    absl::btree_map<IntentId, const Kind*> of_hash;
    for (const BlobFormat format : {BlobFormat::kRaw, BlobFormat::kHashSeq}) {
      const auto it = kinds_.find({*filter.hash, format});
      if (it != kinds_.end()) of_hash[it->second.place] = &it->first;
    }
    for (auto it = of_hash.upper_bound(after); it != of_hash.end(); ++it) {
      if (page.requests.size() == limit) break;
      look(*it->second, kinds_.at(*it->second));
      page.next = it->first;
    }
    if (!page.next || *page.next == of_hash.rbegin()->first) page.next.reset();
    return page;
  }
  const uint64_t touched = scheduler_->stats().touched;
  for (auto it = places_.upper_bound(after); it != places_.end(); ++it) {
    const uint64_t cost = looks + scheduler_->stats().touched - touched;
    if (page.requests.size() == limit || cost >= kMostLooks) return page;
    look(*it->second, kinds_.at(*it->second));
    page.next = it->first;
  }
  page.next.reset();
  return page;
}

// A uid's next list comes behind what others asked for meanwhile.
void Engine::ListRequests(const Caller& caller, const RequestFilter& filter, IntentId after,
                          size_t limit, UniqueFunction<void(RequestPage)> done) {
  request_lists_.Start(
      caller.uid, 1,
      [this, uid = caller.uid, filter, after, limit, done = std::move(done)]() mutable {
        done(ListRequests(filter, after, limit));
        deps_.control.Post([this, uid] { request_lists_.End(uid, 1); });
      });
}

}  // namespace blobd::engine
