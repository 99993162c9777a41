// Intents: cancelled, kept, asked for. See engine.h; their ends are written in engine_ends.cc.
#include <algorithm>
#include <set>
#include <utility>

#include "base/error_reason.h"
#include "engine/engine.h"
#include "engine/history.h"

namespace blobd::engine {
namespace {

// Rows that a list reads where states are asked for: of the registry in one turn, and in all.
constexpr size_t kRowsAtOnce = 1000;
constexpr size_t kMostRows = 10'000;

Status UnknownIntent(IntentId id) {
  return WithDetail(ErrorFor(Reason::kUnknownIntent, "there is no intent {}", id.value),
                    "intent_id", std::to_string(id.value));
}

}  // namespace

// ---- Cancelling ----

// True: it lives, and is in `sorted` now. An error: it is another's.
StatusOr<bool> Engine::SortLive(const Caller& caller, IntentId id, SortedIds* sorted) const {
  const auto it = live_.find(id);
  if (it == live_.end() || !it->second.durable) return false;
  const uint32_t owner = it->second.row.owner_uid;
  if (!caller.is_admin() && owner != caller.uid)
    return ErrorFor(Reason::kNotOwner, "intent {} belongs to uid {}", id.value, owner);
  sorted->live.push_back(id);
  return true;
}

// Which of these live, and which have ended; the others would be an error. Nothing is done to any
// before all are known.
void Engine::SortIds(const Caller& caller, const std::vector<IntentId>& ids,
                     UniqueFunction<void(StatusOr<SortedIds>)> done) {
  if (scheduler_ == nullptr || restoring_) return done(Ready());
  SortedIds sorted;
  std::vector<IntentId> others;  // they may have ended: those the registry knows
  std::set<IntentId> seen;
  for (const IntentId id : ids) {
    if (!seen.insert(id).second) continue;
    const StatusOr<bool> lives = SortLive(caller, id, &sorted);
    if (!lives.ok()) return done(lives.status());
    if (!*lives) others.push_back(id);
  }
  if (others.empty()) return done(std::move(sorted));
  const size_t weight = others.size();
  auto on_known = [this, caller, others, sorted = std::move(sorted),
                   done = std::move(done)](const StatusOr<std::vector<IntentId>>& known) mutable {
    look_ups_.End(caller.uid, others.size());
    if (!known.ok()) return done(known.status());
    for (size_t i = 0; i < others.size(); ++i) {
      if (i == known->size() || known->at(i) != others[i]) return done(UnknownIntent(others[i]));
      // Its Queue may have been answered meanwhile.
      const StatusOr<bool> lives = SortLive(caller, others[i], &sorted);
      if (!lives.ok()) return done(lives.status());
      if (!*lives) sorted.ended.push_back(others[i]);
    }
    done(std::move(sorted));
  };
  look_ups_.Start(caller.uid, weight,
                  [this, others = std::move(others), on_known = std::move(on_known)]() mutable {
                    deps_.registry.KnownIntents(std::move(others), std::move(on_known));
                  });
}

void Engine::Cancel(const Caller& caller, const std::vector<IntentId>& intents,
                    UniqueFunction<void(StatusOr<CancelAnswer>)> done) {
  SortIds(caller, intents, [this, done = std::move(done)](StatusOr<SortedIds> ids) mutable {
    if (!ids.ok()) return done(ids.status());
    CancelNow(*ids, std::move(done));
  });
}

// Answered when every end is durable.
void Engine::CancelNow(const SortedIds& ids, UniqueFunction<void(StatusOr<CancelAnswer>)> done) {
  struct Pending {
    CancelAnswer answer;
    Status failure;
    size_t waits = 1;
    UniqueFunction<void(StatusOr<CancelAnswer>)> done;
  };
  auto pending = std::make_shared<Pending>();
  pending->answer.already_ended = ids.ended;
  pending->done = std::move(done);
  const auto on_end = [pending](const Status& status) {
    if (!status.ok()) pending->failure = status;
    if (--pending->waits > 0) return;
    if (!pending->failure.ok()) return pending->done(pending->failure);
    pending->done(std::move(pending->answer));
  };
  for (const IntentId id : ids.live) {
    const auto it = live_.find(id);
    if (it == live_.end()) {
      pending->answer.already_ended.push_back(id);
      continue;
    }
    const bool ended = it->second.finished != nullptr;
    (ended ? pending->answer.already_ended : pending->answer.cancelled).push_back(id);
    ends_awaited_[id].emplace_back(on_end);
    ++pending->waits;
    if (!ended) Deliver(schedule::Cancel{id});
  }
  on_end(OkStatus());
}

// ---- The table of live intents ----

void Engine::AddLive(registry::IntentRow row, bool durable) {
  const IntentId id = row.id;
  const auto kind = kinds_.try_emplace(row.kind).first;
  if (kind->second.owners.empty()) {
    kind->second.place = id;
    places_[id] = &kind->first;
  }
  AddOwner(kind->second, row.owner_uid);
  NoteTransfersOf(row.kind);
  NoteWant(row);
  ++intents_of_uid_[row.owner_uid];
  LiveIntent& intent = live_[id];
  intent.row = std::move(row);
  intent.durable = durable;
  if (!intent.row.idempotency_key.empty()) keys_.insert(&intent);
  long_waits_.Add(id, deps_.timers.Now() + options_.long_wait);
}

void Engine::RemoveLive(IntentId id) {
  auto node = live_.extract(id);
  if (node.empty()) return;
  const LiveIntent& intent = node.mapped();
  const registry::IntentRow& row = intent.row;
  late_drops_.Over(intent.finished == nullptr ? 0 : intent.finished->number);
  if (const auto it = keys_.find(&intent); it != keys_.end() && *it == &intent) keys_.erase(it);
  if (--intents_of_uid_[row.owner_uid] == 0) intents_of_uid_.erase(row.owner_uid);
  const auto kind = kinds_.find(row.kind);
  if (!intent.finished) EndOwner(intent);
  kind->second.owners.Remove(row.owner_uid);
  NoteTransfersOf(row.kind);
  const bool last = kind->second.owners.empty();
  if (last) {
    contents_.Forget(row.kind);
    places_.erase(kind->second.place);
    kinds_.erase(kind);
    ForgetUnproven(row.kind.hash);
  }
  NoteUnwanted(row, last);
}

IntentView Engine::ViewOf(const LiveIntent& intent) const {
  RequestViews requests(scheduler_.get());
  return ViewOf(intent, requests);
}

IntentView Engine::ViewOf(const LiveIntent& intent, RequestViews& requests) const {
  IntentView view;
  view.row = intent.row;
  if (intent.finished) {
    // Ended, but not durably: for callers it still runs.
    view.row.result = registry::ResultCode::kNone;
    view.row.reason.clear();
    view.row.finished = {};
    view.state = IntentState::kRunning;
  }
  if (const auto* request = requests.Of(intent.row.id)) {
    view.state = StateOf(request->state);
    view.waits_for = request->waits_for;
    view.transfers = request->transfers;
    view.failures = request->failures;
    // Others may want it still.
    if (intent.row.paused && !intent.finished && view.state != IntentState::kRunning) {
      view.state = IntentState::kPaused;
    }
  }
  if (const auto it = kinds_.find(intent.row.kind); it != kinds_.end()) {
    view.verified_bytes = it->second.verified_bytes;
    view.total_bytes = it->second.total_bytes;
    view.claimed_bytes = it->second.claimed_bytes;
    view.unproven_bytes = it->second.unproven_bytes;
    view.total_blobs = it->second.total_blobs;
    view.complete_blobs = it->second.complete_blobs;
  }
  view.rate = transfers_.RateOf(intent.row.kind);
  return view;
}

// One that the registry has. It lives, or has ended; or it is not taken over yet from an earlier
// life.
IntentView Engine::ViewOfRow(registry::IntentRow row, RequestViews& requests) const {
  if (const auto it = live_.find(row.id); it != live_.end()) return ViewOf(it->second, requests);
  if (row.result != registry::ResultCode::kNone) return ViewOfEnded(std::move(row));
  IntentView view;
  view.row = std::move(row);
  view.waits_for = "the daemon to take it over: it is starting";
  return view;
}

void Engine::GetIntent(IntentId id, UniqueFunction<void(StatusOr<IntentView>)> done) {
  // One that is not durable yet is nobody's to know: the registry answers, behind its commit.
  if (const auto it = live_.find(id); it != live_.end() && it->second.durable) {
    return done(ViewOf(it->second));
  }
  deps_.registry.GetIntent(id, [this, id, done = std::move(done)](auto row) mutable {
    if (!row.ok()) return done(row.status());
    if (!row->has_value()) return done(UnknownIntent(id));
    RequestViews requests(scheduler_.get());
    auto view = std::make_shared<IntentView>(ViewOfRow(**std::move(row), requests));
    const bool has_failures =
        view->state == IntentState::kEnded && view->row.result != registry::ResultCode::kDone;
    if (!has_failures) return done(std::move(*view));
    deps_.registry.FailuresOf(
        id, [view,
             done = std::move(done)](StatusOr<std::vector<registry::FailureRow>> failures) mutable {
          if (!failures.ok()) return done(failures.status());
          view->failures = schedule::Failures(ToFailures(*std::move(failures)));
          done(std::move(*view));
        });
  });
}

// ---- Lists ----

struct Engine::IntentListing {
  uint32_t uid = 0;
  IntentFilter filter;
  IntentId after;
  size_t limit = 0;
  size_t asked = 0;   // rows of the registry, in this turn
  size_t looked = 0;  // at rows, in all turns
  IntentPage page;
  UniqueFunction<void(StatusOr<IntentPage>)> done;
};

// Where a living one stands the registry does not know, and how they ended none of its indexes: it
// is asked for rows until enough of them fit.
void Engine::ListIntents(const Caller& caller, const IntentFilter& filter, IntentId after,
                         size_t limit, UniqueFunction<void(StatusOr<IntentPage>)> done) {
  auto listing = std::make_shared<IntentListing>();
  listing->uid = caller.uid;
  listing->filter = filter;
  registry::IntentFilter& rows = listing->filter.rows;
  const bool must_end = filter.states.all_ended();
  if (must_end || filter.states.none_ended()) {
    if (rows.finished && *rows.finished != must_end) return done(IntentPage{});
    rows.finished = must_end;
  }
  listing->after = after;
  listing->limit = limit;
  listing->done = std::move(done);
  lists_.Start(caller.uid, 1, [this, listing] { ListMore(listing); });
}

void Engine::ListMore(const std::shared_ptr<IntentListing>& listing) {
  listing->asked = listing->filter.states.empty() ? listing->limit : kRowsAtOnce;
  deps_.registry.ListIntents(listing->filter.rows, listing->after, listing->asked,
                             [this, listing](StatusOr<std::vector<registry::IntentRow>> rows) {
                               const Status status = rows.status();
                               if (status.ok() && !AddRows(*listing, *std::move(rows)))
                                 return ListMore(listing);
                               lists_.End(listing->uid, 1);
                               if (!status.ok()) return listing->done(status);
                               listing->done(std::move(listing->page));
                             });
}

// True: the page is made.
bool Engine::AddRows(IntentListing& listing, std::vector<registry::IntentRow> rows) {
  const bool is_end = rows.size() < listing.asked;
  std::vector<IntentView>& intents = listing.page.intents;
  RequestViews requests(scheduler_.get());
  for (registry::IntentRow& row : rows) {
    if (intents.size() == listing.limit) break;
    listing.after = row.id;
    listing.page.next = row.id;
    IntentView view = ViewOfRow(std::move(row), requests);
    if (listing.filter.states.Has(view)) intents.push_back(std::move(view));
  }
  listing.looked += rows.size();
  if (intents.size() == listing.limit) return true;
  if (is_end) listing.page.next.reset();
  return is_end || listing.looked >= kMostRows;
}

}  // namespace blobd::engine
