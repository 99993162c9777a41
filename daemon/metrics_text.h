// The metrics of the daemon as Prometheus reads them (text format 0.0.4). Names are a contract with
// dashboards and alerts: they are only added.
//
// Nothing in it names content, providers or users: whoever may read it need not be a member.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "engine/limits.h"
#include "engine/metrics_view.h"
#include "engine/node_lookup.h"
#include "engine/upload_table.h"
#include "rpc/call_book.h"
#include "store/blob_store.h"
#include "transfer/throttle.h"

namespace blobd::daemon {

// One page of metrics. Of each name there is one block: Begin, then its values.
class MetricsText {
 public:
  enum class Type { kCounter, kGauge, kHistogram };

  // `name` as it is; `help` in one line.
  void Begin(std::string_view name, Type type, std::string_view help);
  void Value(double value) { Sample("", "", value); }
  // With a label of this name, whose value may be any text.
  void Value(std::string_view label, std::string_view of, double value);
  using Label = std::pair<std::string_view, std::string_view>;
  // With several labels.
  void Value(const std::vector<Label>& labels, double value);
  void Values(const engine::DurationHistogram& histogram);
  // The counts are those above the bound before; the last one those above all bounds.
  void Values(const Label& label, std::span<const double> bounds, std::span<const uint64_t> counts,
              double sum);

  std::string Take() { return std::move(text_); }

 private:
  void Sample(std::string_view suffix, std::string_view labels, double value);

  std::string name_;
  std::string text_;
};

// What the daemon knows of itself at one moment.
struct Measured {
  std::string version;
  WallTime started;
  engine::MetricsView engine;
  std::vector<engine::LimitView> limits;
  // What the limits of the bandwidth do.
  transfer::Throttle::Effect download;
  transfer::Throttle::Effect upload;
  std::vector<engine::LookupServiceView> lookup;
  engine::UploadsView uploads;
  store::StoreCounts store;
  rpc::CallCounts calls;
};
std::string FormatMetrics(const Measured& measured);

}  // namespace blobd::daemon
