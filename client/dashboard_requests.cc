#include "client/dashboard_requests.h"

#include <algorithm>
#include <utility>

namespace blobd::client {
namespace {

// One call looks at ten thousand requests at most. Where none of so many fits, none is shown.
constexpr int kMostCalls = 3;

// Whether the next call would end in the same way. Else it is only about one request, which may
// have ended meanwhile, or be hidden from us: then less is known of it.
bool EndsAll(const Status& status) {
  return status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kCancelled ||
         status.code() == StatusCode::kResourceExhausted;
}

// The first intent of a request may be cancelled while another goes on. What the request has got so
// far was not for that one alone.
void Remember(const v1::Request& request, const KnownRequests& before, KnownRequests* known) {
  const v1::Kind& kind = request.kind();
  int64_t& created = known->intents[FirstIntentOf(request)].created_unix_ms;
  if (kind.hash().empty() || created == 0) return;
  const auto key = std::make_pair(kind.hash(), kind.format());
  if (const auto it = before.since.find(key); it != before.since.end())
    created = std::min(created, it->second);
  known->since[key] = created;
}

}  // namespace

Status DashboardRequests::List(const std::vector<v1::IntentState>& states,
                               std::vector<v1::Request>* found, bool* more) {
  v1::ListRequestsRequest request;
  for (const v1::IntentState state : states) request.add_states(state);
  *more = true;
  for (int call = 0; *more && call < kMostCalls && found->size() < kMostShown; ++call) {
    request.set_page_size(static_cast<uint32_t>(kMostShown - found->size()));
    BLOBD_ASSIGN_OR_RETURN(const v1::ListRequestsResponse page, daemon_.ListRequests(request));
    found->insert(found->end(), page.requests().begin(), page.requests().end());
    *more = !page.next_page_token().empty();
    request.set_page_token(page.next_page_token());
  }
  return OkStatus();
}

// An intent's label and age never change: each is asked for once while it is shown, also if it was
// refused.
Status DashboardRequests::AskIntents(const std::vector<v1::Request>& requests,
                                     KnownRequests* known) {
  const KnownRequests before = Latest();
  for (const v1::Request& request : requests) {
    const uint64_t id = FirstIntentOf(request);
    if (id == 0) continue;
    if (const auto it = before.intents.find(id); it != before.intents.end()) {
      known->intents[id] = it->second;
    } else {
      const auto intent = daemon_.GetIntent(id);
      if (EndsAll(intent.status())) return intent.status();
      known->intents[id] =
          intent.ok() ? RequestIntent{intent->label(), intent->created_unix_ms()} : RequestIntent();
    }
    Remember(request, before, known);
  }
  return OkStatus();
}

Status DashboardRequests::Ask() {
  KnownRequests known;
  BLOBD_RETURN_IF_ERROR(List({v1::INTENT_STATE_RUNNING}, &known.running, &known.running_more));
  BLOBD_RETURN_IF_ERROR(List({v1::INTENT_STATE_QUEUED, v1::INTENT_STATE_WAITING,
                              v1::INTENT_STATE_PARKED, v1::INTENT_STATE_PAUSED},
                             &known.waiting, &known.waiting_more));
  BLOBD_RETURN_IF_ERROR(AskIntents(known.running, &known));
  BLOBD_RETURN_IF_ERROR(AskIntents(known.waiting, &known));
  for (size_t i = 0; i < known.waiting.size() && i < kMostExplained; ++i) {
    v1::WhyRequest request;
    request.set_intent_id(FirstIntentOf(known.waiting[i]));
    if (request.intent_id() == 0) continue;
    const auto why = daemon_.Why(request);
    if (why.ok() && !why->requests().empty()) known.whys[request.intent_id()] = why->requests(0);
    if (EndsAll(why.status())) return why.status();
  }
  const MutexLock lock(mutex_);
  latest_ = std::move(known);
  return OkStatus();
}

KnownRequests DashboardRequests::Latest() {
  const MutexLock lock(mutex_);
  return latest_;
}

}  // namespace blobd::client
