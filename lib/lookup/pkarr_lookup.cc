#include "lookup/pkarr_lookup.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "wire/base32.h"

namespace blobd::lookup {
namespace {

std::string UrlOf(const std::string& base, const NodeId& node) {
  const bool slash = !base.empty() && base.back() == '/';
  return fmt::format("{}{}{}", base, slash ? "" : "/", wire::ToZBase32(node.view()));
}

}  // namespace

PkarrLookup::PkarrLookup(HttpExchange& exchange, std::string base)
    : exchange_(exchange), base_(std::move(base)) {}

PkarrLookup::~PkarrLookup() {
  for (const auto& [query, open] : open_) exchange_.Stop(open.exchange);
}

void PkarrLookup::Resolve(QueryId query, const NodeId& node, ServiceSink* sink) {
  HttpExchange::Request request;
  request.url = UrlOf(base_, node);
  request.max_answer = SignedPacket::kMaxPayload;
  const ExchangeId id = exchange_.Start(
      std::move(request),
      [this, query](const StatusOr<HttpExchange::Answer>& answer) { Answer(query, answer); });
  open_[query] = {id, node, sink};
}

void PkarrLookup::Stop(QueryId query) {
  const auto open = open_.find(query);
  if (open == open_.end()) return;
  exchange_.Stop(open->second.exchange);
  open_.erase(open);
}

void PkarrLookup::Answer(QueryId query, const StatusOr<HttpExchange::Answer>& answer) {
  const auto open = open_.find(query);
  if (open == open_.end()) return;
  const auto [exchange, node, sink] = open->second;
  const StatusOr<NodeRecord> record =
      answer.ok() ? Read(node, *answer) : StatusOr<NodeRecord>(answer.status());
  if (record.ok() && !record->empty()) sink->OnFound(query, *record);
  // Whoever heard that may have stopped the query.
  if (open_.erase(query) == 0) return;
  if (record.ok() && record->empty()) {
    return sink->OnEnded(query, NotFound("the node's packet holds no address"));
  }
  sink->OnEnded(query, record.status());
}

StatusOr<NodeRecord> PkarrLookup::Read(const NodeId& node, const HttpExchange::Answer& answer) {
  if (answer.code == 404) return NotFound("the relay has no packet of the node");
  if (answer.code != 200) return Unavailable("the relay answers with {}", answer.code);
  BLOBD_ASSIGN_OR_RETURN(const SignedPacket packet, SignedPacket::FromPayload(node, answer.body));
  const auto seen = seen_.find(node);
  if (seen != seen_.end() && packet.unix_us() < seen->second) {
    return DataLoss("the relay gives an older packet than before");
  }
  if (seen == seen_.end()) {
    seen_order_.push_back(node);
    if (seen_order_.size() > kMaxSeen) {
      seen_.erase(seen_order_.front());
      seen_order_.pop_front();
    }
  }
  seen_[node] = packet.unix_us();
  return packet.record();
}

PkarrPublisher::PkarrPublisher(const Clock& clock, Timers& timers, HttpExchange& exchange,
                               ByteView seed, Options options)
    : clock_(clock),
      timers_(timers),
      exchange_(exchange),
      options_(std::move(options)),
      retry_(options_.retry) {
  BLOBD_CHECK(seed.size() == seed_.size());
  std::copy(seed.begin(), seed.end(), seed_.begin());
}

PkarrPublisher::~PkarrPublisher() {
  if (timer_ != 0) timers_.CancelTimer(timer_);
  if (exchange_id_) exchange_.Stop(exchange_id_);
  sodium_memzero(seed_.data(), seed_.size());
}

void PkarrPublisher::Publish(const NodeRecord& own) {
  if (own == own_) return;
  own_ = own;
  changed_ = true;
  retry_ = options_.retry;
  if (!exchange_id_) Arm(options_.settle);
}

void PkarrPublisher::Arm(Duration wait) {
  if (timer_ != 0) timers_.CancelTimer(std::exchange(timer_, 0));
  timer_ = timers_.AddTimer(timers_.Now() + wait, [this] {
    timer_ = 0;
    Put();
  });
}

void PkarrPublisher::Put() {
  changed_ = false;
  if (own_.empty()) return;
  const auto now_us = static_cast<uint64_t>(std::max<int64_t>(clock_.WallNow().unix_ms, 1)) * 1000;
  last_us_ = std::max(now_us, last_us_ + 1);
  const SignedPacket packet = SignedPacket::Make(seed_, own_, last_us_);
  HttpExchange::Request request;
  request.url = UrlOf(options_.base, packet.node());
  request.put = true;
  request.body = packet.Payload();
  exchange_id_ = exchange_.Start(
      std::move(request), [this](const StatusOr<HttpExchange::Answer>& answer) { Answer(answer); });
}

void PkarrPublisher::Answer(const StatusOr<HttpExchange::Answer>& answer) {
  exchange_id_ = {};
  const bool taken = answer.ok() && answer->code >= 200 && answer->code < 300;
  if (taken) {
    ++stats_.published;
    stats_.last_error.clear();
    retry_ = options_.retry;
  } else {
    ++stats_.failed;
    stats_.last_error = answer.ok() ? fmt::format("the relay answers with {}", answer->code)
                                    : Message(answer.status());
  }
  if (changed_) return Arm(options_.settle);
  if (taken) return Arm(options_.again);
  Arm(retry_);
  retry_ = std::min(retry_ * 2, options_.again);
}

}  // namespace blobd::lookup
