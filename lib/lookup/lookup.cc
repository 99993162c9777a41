#include "lookup/lookup.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "base/utf8.h"

namespace blobd::lookup {
namespace {

constexpr size_t kMaxReason = 200;  // bytes of what one service says

}  // namespace

Lookup::Lookup(Timers& timers, LookupSink* sink, Duration timeout)
    : timers_(timers), sink_(sink), timeout_(timeout) {}

Lookup::~Lookup() {
  for (auto& [id, query] : queries_) {
    timers_.CancelTimer(query.timer);
    services_[query.service].service->Stop(id);
  }
  for (const auto& [key, timer] : ending_) timers_.CancelTimer(timer);
}

void Lookup::Add(std::unique_ptr<Service> service) {
  ServiceStats stats;
  stats.service = service->name();
  services_.push_back({std::move(service), std::move(stats)});
}

void Lookup::Start(LookupKey key, const NodeId& node) {
  BLOBD_CHECK(running_.count(key) == 0 && ending_.count(key) == 0);
  if (services_.empty()) return EndSoon(key, node, "every lookup service is switched off");
  if (running_.size() < kMaxRunning) return Begin(key, node);
  if (waiting_.size() >= kMaxWaiting) {
    return EndSoon(key, node, fmt::format("{} lookups are waiting already", kMaxWaiting));
  }
  place_of_[key] = next_place_;
  waiting_.emplace(next_place_++, std::pair(key, node));
}

void Lookup::Begin(LookupKey key, const NodeId& node) {
  running_[key].node = node;
  std::vector<QueryId> begun;
  for (size_t i = 0; i < services_.size(); ++i) {
    const QueryId id{next_query_++};
    Query query;
    query.key = key;
    query.service = i;
    query.timer = timers_.AddTimer(timers_.Now() + timeout_, [this, id] { TimeOut(id); });
    queries_.emplace(id, query);
    running_[key].queries[i] = id;
    ++services_[i].stats.asked;
    begun.push_back(id);
  }
  for (size_t i = 0; i < services_.size(); ++i) {
    services_[i].service->Resolve(begun[i], node, this);
  }
}

void Lookup::EndSoon(LookupKey key, const NodeId& node, std::string reason) {
  ending_[key] = timers_.AddTimer(timers_.Now(), [this, key, node, reason = std::move(reason)] {
    ending_.erase(key);
    sink_->OnLookupEnded(key, node, reason);
  });
}

void Lookup::Stop(LookupKey key) {
  if (const auto ending = ending_.find(key); ending != ending_.end()) {
    timers_.CancelTimer(ending->second);
    ending_.erase(ending);
    return;
  }
  const auto running = running_.find(key);
  if (running == running_.end()) {
    const auto place = place_of_.find(key);
    if (place == place_of_.end()) return;
    waiting_.erase(place->second);
    place_of_.erase(place);
    return;
  }
  for (const auto& [service, id] : running->second.queries) {
    timers_.CancelTimer(queries_.at(id).timer);
    queries_.erase(id);
    services_[service].service->Stop(id);
  }
  running_.erase(running);
  BeginWaiting();
}

void Lookup::OnFound(QueryId id, const NodeRecord& record) {
  const auto query = queries_.find(id);
  if (query == queries_.end() || record.empty()) return;
  NodeRecord passed = record;
  const size_t room = NodeRecord::kMaxAddresses - query->second.addresses;
  if (passed.addresses.size() > room) passed.addresses.resize(room);
  if (passed.empty()) return;
  query->second.addresses += passed.addresses.size();
  ServiceStats& stats = services_[query->second.service].stats;
  stats.addresses += passed.addresses.size();
  if (!std::exchange(query->second.found, true)) ++stats.found;
  const LookupKey key = query->second.key;
  sink_->OnLookupFound(key, running_.at(key).node, stats.service, passed);
}

void Lookup::OnEnded(QueryId id, const Status& status) {
  const auto query = queries_.find(id);
  if (query == queries_.end()) return;
  timers_.CancelTimer(query->second.timer);
  ServiceStats& stats = services_[query->second.service].stats;
  const std::string said = ShortText(Message(status), kMaxReason);
  if (!status.ok() && status.code() != StatusCode::kNotFound) {
    ++stats.failed;
    stats.last_error = said;
  } else if (!query->second.found) {
    ++stats.empty;
  }
  Conclude(query, status.ok() ? "knows nothing of the node" : said);
}

void Lookup::TimeOut(QueryId id) {
  const auto query = queries_.find(id);
  if (query == queries_.end()) return;
  Entry& entry = services_[query->second.service];
  ++entry.stats.timed_out;
  entry.service->Stop(id);
  Conclude(query, fmt::format("no answer within {} ms", timeout_ / milliseconds(1)));
}

// The query has ended; so has the lookup, if it was the last one.
void Lookup::Conclude(std::unordered_map<QueryId, Query>::iterator query,
                      const std::string& reason) {
  const Query ended = query->second;
  queries_.erase(query);
  const auto running = running_.find(ended.key);
  running->second.queries.erase(ended.service);
  if (!ended.found) running->second.reasons[ended.service] = reason;
  if (!running->second.queries.empty()) return;
  std::string reasons;
  for (const auto& [service, text] : running->second.reasons) {
    if (!reasons.empty()) reasons += "; ";
    reasons += fmt::format("{}: {}", services_[service].stats.service, text);
  }
  const NodeId node = running->second.node;
  running_.erase(running);
  sink_->OnLookupEnded(ended.key, node, reasons);
  BeginWaiting();
}

void Lookup::BeginWaiting() {
  while (!waiting_.empty() && running_.size() < kMaxRunning) {
    const auto [key, node] = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    place_of_.erase(key);
    Begin(key, node);
  }
}

std::vector<ServiceStats> Lookup::stats() const {
  std::vector<ServiceStats> all;
  all.reserve(services_.size());
  for (const Entry& entry : services_) all.push_back(entry.stats);
  return all;
}

}  // namespace blobd::lookup
