// PkarrLookup: nodes by the packets that they signed, which an HTTP relay keeps
// (protocol/transport.md, section 8):
//
//   GET <base>/<z-base-32 id>   the packet without the id; 404: none
//   PUT <base>/<z-base-32 id>   the same as a body
//
// It also publishes our own packet, again every five minutes, and soon after what it says changes.
// What a relay gives is believed only with the node's signature, and never if it is older than what
// this service has seen of the node.
//
// Thread: the loop's.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/time.h"
#include "base/timers.h"
#include "lookup/http_exchange.h"
#include "lookup/service.h"
#include "lookup/signed_packet.h"

namespace blobd::lookup {

class PkarrLookup final : public Service {
 public:
  // What of old packets is remembered: of so many nodes when their latest was signed.
  static constexpr size_t kMaxSeen = 4096;

  // `base`: "https://dns.iroh.link/pkarr". REQUIRES: the exchange outlives this
  PkarrLookup(HttpExchange& exchange, std::string base);
  ~PkarrLookup() override;

  std::string_view name() const override { return "pkarr"; }
  void Resolve(QueryId query, const NodeId& node, ServiceSink* sink) override;
  void Stop(QueryId query) override;

 private:
  struct Open {
    ExchangeId exchange;
    NodeId node;
    ServiceSink* sink = nullptr;
  };
  void Answer(QueryId query, const StatusOr<HttpExchange::Answer>& answer);
  StatusOr<NodeRecord> Read(const NodeId& node, const HttpExchange::Answer& answer);

  HttpExchange& exchange_;
  const std::string base_;
  std::map<QueryId, Open> open_;
  std::map<NodeId, uint64_t> seen_;  // when the latest packet was signed, microseconds
  std::deque<NodeId> seen_order_;
};

class PkarrPublisher final : public Publisher {
 public:
  struct Options {
    std::string base;
    Duration again = minutes(5);
    // After a failure; doubled each time, up to `again`.
    Duration retry = seconds(10);
    // What changes meanwhile is said in one go.
    Duration settle = seconds(1);
  };
  struct Stats {
    uint64_t published = 0;
    uint64_t failed = 0;
    std::string last_error;  // of the latest; empty after a success
  };

  // Signs with the key of `seed`. REQUIRES: seed has 32 bytes; clock, timers and exchange outlive
  // this
  PkarrPublisher(const Clock& clock, Timers& timers, HttpExchange& exchange, ByteView seed,
                 Options options);
  ~PkarrPublisher() override;

  void Publish(const NodeRecord& own) override;
  const Stats& stats() const { return stats_; }

 private:
  void Arm(Duration wait);
  void Put();
  void Answer(const StatusOr<HttpExchange::Answer>& answer);

  const Clock& clock_;
  Timers& timers_;
  HttpExchange& exchange_;
  std::array<uint8_t, 32> seed_{};
  const Options options_;
  NodeRecord own_;
  Stats stats_;
  TimerId timer_ = 0;
  ExchangeId exchange_id_;  // while a packet is on its way
  bool changed_ = false;    // since it was sent
  Duration retry_{0};
  uint64_t last_us_ = 0;  // a later packet has a later time, whatever the clock does
};

}  // namespace blobd::lookup
