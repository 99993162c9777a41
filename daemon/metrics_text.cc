#include "daemon/metrics_text.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <iterator>
#include <map>
#include <utility>

namespace blobd::daemon {
namespace {

using Type = MetricsText::Type;

std::string_view NameOf(Type type) {
  switch (type) {
    case Type::kCounter:
      return "counter";
    case Type::kGauge:
      return "gauge";
    case Type::kHistogram:
      return "histogram";
  }
  return "untyped";
}

std::string LabelText(std::string_view label, std::string_view value) {
  std::string text = fmt::format("{}=\"", label);
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n') {
      text += "\\n";
    } else {
      text += c;
    }
  }
  return text + '"';
}

void One(MetricsText& text, std::string_view name, Type type, std::string_view help, double value) {
  text.Begin(name, type, help);
  text.Value(value);
}
void One(MetricsText& text, std::string_view name, Type type, std::string_view help,
         uint64_t value) {
  One(text, name, type, help, static_cast<double>(value));
}
void ByName(MetricsText& text, std::string_view name, std::string_view help, std::string_view label,
            const std::map<std::string, uint64_t>& values) {
  text.Begin(name, Type::kCounter, help);
  for (const auto& [of, value] : values) text.Value(label, of, static_cast<double>(value));
}

void AddWork(MetricsText& text, const engine::MetricsView& view) {
  const engine::StatusView& status = view.status;
  One(text, "blobd_intents_unfinished", Type::kGauge, "Intents that wait or run.",
      view.unfinished_intents);
  ByName(text, "blobd_intents_ended_total", "Intents that ended, by result.", "result",
         view.counters.intents_ended);
  text.Begin("blobd_intent_seconds", Type::kHistogram,
             "How long intents took that are done, from queueing on.");
  text.Values(view.counters.intent_time);
  One(text, "blobd_requests_unfinished", Type::kGauge, "Kinds that are wanted and not here.",
      status.unfinished_requests);
  One(text, "blobd_transfers_running", Type::kGauge, "Transfers that run.",
      status.running_transfers);
  ByName(text, "blobd_transfers_ended_total", "Transfers that ended, by outcome.", "outcome",
         view.counters.transfers_ended);
  text.Begin("blobd_transfer_seconds", Type::kHistogram, "How long transfers took that are done.");
  text.Values(view.counters.transfer_time);
  One(text, "blobd_verified_bytes_total", Type::kCounter, "Bytes that came and were verified.",
      status.verified_bytes);
  One(text, "blobd_download_bytes_per_second", Type::kGauge, "What comes now, verified or not.",
      status.download_rate);
}

void AddScheduling(MetricsText& text, const schedule::Stats& stats) {
  One(text, "blobd_schedule_events_total", Type::kCounter, "Events that were scheduled by.",
      stats.events);
  One(text, "blobd_schedule_decisions_total", Type::kCounter,
      "Requests looked at to find their next step.", stats.decisions);
  One(text, "blobd_dials_total", Type::kCounter, "Nodes that were dialled.", stats.dials);
  One(text, "blobd_transfers_started_total", Type::kCounter, "Transfers that were begun.",
      stats.transfers_started);
  One(text, "blobd_splits_total", Type::kCounter, "Parts that were given to one more provider.",
      stats.splits);
  One(text, "blobd_races_total", Type::kCounter, "Last parts that two providers were asked for.",
      stats.races);
  One(text, "blobd_provider_failures_total", Type::kCounter, "Failures that led to a retry.",
      stats.failures);
  One(text, "blobd_provider_unreachable_total", Type::kCounter,
      "Providers that failed too often and are asked seldom.", stats.unreachable);
  One(text, "blobd_bans_total", Type::kCounter, "Providers that were banned.", stats.bans);
}

void AddUploads(MetricsText& text, const engine::UploadsView& uploads) {
  One(text, "blobd_upload_nodes", Type::kGauge, "Nodes that are connected to get from here.",
      uint64_t{uploads.nodes.size()});
  One(text, "blobd_upload_bytes_total", Type::kCounter, "Bytes that nodes acknowledged.",
      uploads.totals.sent_bytes);
  One(text, "blobd_upload_bytes_per_second", Type::kGauge, "What goes out now.", uploads.rate);
  One(text, "blobd_upload_requests_total", Type::kCounter, "Requests of nodes.",
      uploads.totals.requests);
  One(text, "blobd_upload_refused_total", Type::kCounter,
      "Connections and requests turned away by policy or a limit.", uploads.totals.refused);
  One(text, "blobd_upload_stalled_total", Type::kCounter,
      "Requests ended because the node stalled.", uploads.totals.stalled);
  One(text, "blobd_upload_failed_total", Type::kCounter, "Requests ended because of our own disk.",
      uploads.totals.failed);
}

void AddLimits(MetricsText& text, const std::vector<engine::LimitView>& limits) {
  const auto values = [&](bool rates) {
    for (const engine::LimitView& limit : limits) {
      if (engine::FindLimit(limit.name)->is_rate == rates)
        text.Value("limit", limit.name, static_cast<double>(limit.value));
    }
  };
  text.Begin("blobd_limit", Type::kGauge, "Limits in force, by name.");
  values(false);
  text.Begin("blobd_limit_bytes_per_second", Type::kGauge,
             "Limits of the bandwidth in force, by name; 0: none.");
  values(true);
}

void AddEffects(MetricsText& text, const Measured& measured) {
  const auto in_seconds = [](Duration time) { return std::chrono::duration<double>(time).count(); };
  One(text, "blobd_download_held_back_bytes", Type::kGauge,
      "Bytes that came, and that the limit lets nobody send more for yet.",
      measured.download.held_back_bytes);
  One(text, "blobd_download_limited_seconds_total", Type::kCounter,
      "Time in which the limit held downloads back.", in_seconds(measured.download.limited));
  One(text, "blobd_upload_held_back_bytes", Type::kGauge,
      "Bytes that were read for nodes, and that the limit does not let out yet.",
      measured.upload.held_back_bytes);
  One(text, "blobd_upload_limited_seconds_total", Type::kCounter,
      "Time in which the limit held uploads back.", in_seconds(measured.upload.limited));
}

void AddLookup(MetricsText& text, const std::vector<engine::LookupServiceView>& services) {
  text.Begin("blobd_lookups_total", Type::kCounter, "Nodes that were looked for, by service.");
  for (const auto& each : services) text.Value("service", each.name, double(each.asked));
  text.Begin("blobd_lookups_found_total", Type::kCounter, "Of these, found by the service.");
  for (const auto& each : services) text.Value("service", each.name, double(each.found));
  text.Begin("blobd_lookups_failed_total", Type::kCounter,
             "Of these, failed or out of time at the service.");
  for (const auto& each : services)
    text.Value("service", each.name, double(each.failed + each.timed_out));
}

void AddCalls(MetricsText& text, const rpc::CallCounts& calls) {
  text.Begin("blobd_rpc_calls_total", Type::kCounter, "Calls of the API that ended.");
  // A method may have several rules, and so be there several times.
  std::map<std::pair<std::string_view, StatusCode>, uint64_t> of_method;
  for (const rpc::CallCounts::Ended& ended : calls.ended) {
    const auto name = rpc::AuthorityTable()[static_cast<size_t>(ended.method)].name;
    of_method[{name, ended.code}] += ended.count;
  }
  for (const auto& [key, count] : of_method) {
    text.Value({{"method", key.first}, {"code", absl::StatusCodeToString(key.second)}},
               static_cast<double>(count));
  }
  text.Begin("blobd_rpc_errors_total", Type::kCounter, "Errors that callers were told, by reason.");
  for (const auto& [reason, count] : calls.errors)
    text.Value("reason", NameOf(reason), static_cast<double>(count));
  text.Begin("blobd_rpc_call_seconds", Type::kHistogram,
             "How long calls with one answer took, from when they were read.");
  for (const auto& [service, times] : calls.times) {
    text.Values({"service", service}, rpc::CallTimes::kBoundsSeconds, times.counts,
                times.sum_seconds);
  }
  One(text, "blobd_rpc_calls_open", Type::kGauge, "Calls under way.", calls.open_calls);
  One(text, "blobd_rpc_streams_open", Type::kGauge, "Of these, streams.", calls.open_streams);
  One(text, "blobd_rpc_connections", Type::kGauge, "Connections to the socket.",
      calls.connections.open);
  One(text, "blobd_rpc_connections_total", Type::kCounter, "Connections that were taken.",
      calls.connections.accepted);
  text.Begin("blobd_rpc_connections_refused_total", Type::kCounter,
             "Connections that were closed at once.");
  text.Value("cause", "limit", static_cast<double>(calls.connections.refused_by_limit));
  text.Value("cause", "unknown_user", static_cast<double>(calls.connections.refused_as_unknown));
}

void AddStore(MetricsText& text, const store::StoreCounts& store, const store::DiskState& disk) {
  One(text, "blobd_store_blobs", Type::kGauge, "Complete blobs.", store.complete_blobs);
  One(text, "blobd_store_bytes", Type::kGauge, "Bytes of complete blobs.", store.complete_bytes);
  One(text, "blobd_store_partial_blobs", Type::kGauge, "Blobs that are not complete.",
      store.partial_blobs);
  One(text, "blobd_store_partial_bytes", Type::kGauge, "Verified bytes of these.",
      store.partial_bytes);
  One(text, "blobd_store_doubtful_blobs", Type::kGauge,
      "Blobs that are hashed again before anything is claimed of them.", store.doubtful_blobs);
  One(text, "blobd_disk_free_bytes", Type::kGauge, "Bytes of the file system that can be used.",
      disk.free_bytes);
  One(text, "blobd_disk_reserve_bytes", Type::kGauge, "Of these, bytes that are kept in reserve.",
      disk.reserve_bytes);
}

}  // namespace

void MetricsText::Begin(std::string_view name, Type type, std::string_view help) {
  name_ = name;
  fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name,
                 NameOf(type));
}

void MetricsText::Value(std::string_view label, std::string_view of, double value) {
  Sample("", LabelText(label, of), value);
}

void MetricsText::Value(const std::vector<Label>& labels, double value) {
  std::string text;
  for (const auto& [label, of] : labels) text += (text.empty() ? "" : ",") + LabelText(label, of);
  Sample("", text, value);
}

void MetricsText::Values(const engine::DurationHistogram& histogram) {
  Values({}, engine::DurationHistogram::kBoundsSeconds, histogram.counts(),
         histogram.sum_seconds());
}

void MetricsText::Values(const Label& label, std::span<const double> bounds,
                         std::span<const uint64_t> counts, double sum) {
  const std::string labels = label.first.empty() ? "" : LabelText(label.first, label.second);
  uint64_t below = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    below += counts[i];
    const std::string bound = i < bounds.size() ? fmt::format("{}", bounds[i]) : "+Inf";
    Sample("_bucket", labels + (labels.empty() ? "" : ",") + LabelText("le", bound),
           static_cast<double>(below));
  }
  Sample("_sum", labels, sum);
  Sample("_count", labels, static_cast<double>(below));
}

void MetricsText::Sample(std::string_view suffix, std::string_view labels, double value) {
  fmt::format_to(std::back_inserter(text_), "{}{}", name_, suffix);
  if (!labels.empty()) fmt::format_to(std::back_inserter(text_), "{{{}}}", labels);
  // What is counted is written as a whole number; a double holds 9 PB of them exactly.
  fmt::format_to(std::back_inserter(text_), " {}\n", value);
}

std::string FormatMetrics(const Measured& measured) {
  const engine::StatusView& status = measured.engine.status;
  MetricsText text;
  text.Begin("blobd_build_info", Type::kGauge, "Always 1; what runs.");
  text.Value("version", measured.version, 1);
  One(text, "blobd_start_time_seconds", Type::kGauge, "When it started, in seconds since 1970.",
      static_cast<double>(measured.started.unix_ms) / 1000);
  One(text, "blobd_degraded", Type::kGauge, "1: the registry is damaged, no intents are taken.",
      uint64_t{!status.degraded.empty()});
  One(text, "blobd_draining", Type::kGauge, "1: it is about to end, nothing new starts.",
      uint64_t{status.draining});
  One(text, "blobd_paused", Type::kGauge, "1: an administrator paused everything.",
      uint64_t{status.paused});
  One(text, "blobd_disk_trouble", Type::kGauge, "1: the disk is full or read-only, downloads wait.",
      uint64_t{status.disk.condition != store::DiskCondition::kOk});
  AddWork(text, measured.engine);
  AddScheduling(text, measured.engine.scheduling);
  AddUploads(text, measured.uploads);
  AddLimits(text, measured.limits);
  AddEffects(text, measured);
  AddLookup(text, measured.lookup);
  AddStore(text, measured.store, status.disk);
  AddCalls(text, measured.calls);
  return text.Take();
}

}  // namespace blobd::daemon
