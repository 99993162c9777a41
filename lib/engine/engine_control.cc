// Control: pausing and limits, while everything runs. See engine.h.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/engine.h"

namespace blobd::engine {
namespace {

constexpr std::string_view kPausedSetting = "paused";
constexpr std::string_view kLimitPrefix = "limits.";

std::string SettingOf(const LimitField& field) {
  return std::string(kLimitPrefix) + std::string(field.name);
}

}  // namespace

// ---- Pausing ----

void Engine::SetPaused(const Caller& caller, const std::vector<IntentId>& intents, bool paused,
                       UniqueFunction<void(StatusOr<PauseAnswer>)> done) {
  SortIds(caller, intents, [this, paused, done = std::move(done)](StatusOr<SortedIds> ids) mutable {
    if (!ids.ok()) return done(ids.status());
    SetPausedNow(*ids, paused, std::move(done));
  });
}

// First it is durable, then it is so. An end that comes meanwhile is committed behind it, and wins.
void Engine::SetPausedNow(const SortedIds& ids, bool paused,
                          UniqueFunction<void(StatusOr<PauseAnswer>)> done) {
  PauseAnswer answer;
  answer.already_ended = ids.ended;
  std::vector<IntentId> pending;
  std::vector<registry::Change> changes;
  for (const IntentId id : ids.live) {
    const auto it = live_.find(id);
    if (it == live_.end() || it->second.finished) {
      answer.already_ended.push_back(id);
      continue;
    }
    registry::IntentRow row = it->second.row;
    row.paused = paused;
    changes.push_back(registry::PutIntent{std::move(row)});
    pending.push_back(id);
  }
  deps_.registry.Commit(std::move(changes),
                        [this, paused, pending = std::move(pending), answer = std::move(answer),
                         done = std::move(done)](const Status& status) mutable {
                          if (!status.ok())
                            return done(Annotate(status, "the registry could not be written"));
                          for (const IntentId id : pending) {
                            const auto it = live_.find(id);
                            if (it == live_.end() || it->second.finished) {
                              answer.already_ended.push_back(id);
                              continue;
                            }
                            it->second.row.paused = paused;
                            answer.changed.push_back(id);
                            Deliver(schedule::SetPaused{id, paused});
                          }
                          ArmSampling();
                          done(std::move(answer));
                        });
}

void Engine::SetEverythingPaused(bool paused, UniqueFunction<void(Status)> done) {
  if (scheduler_ == nullptr || restoring_) return done(Ready());
  std::vector<registry::Change> changes;
  if (paused) {
    changes.push_back(registry::PutSetting{{std::string(kPausedSetting), 1}});
  } else {
    changes.push_back(registry::DropSetting{std::string(kPausedSetting)});
  }
  deps_.registry.Commit(
      std::move(changes), [this, paused, done = std::move(done)](const Status& status) mutable {
        if (!status.ok()) return done(Annotate(status, "the registry could not be written"));
        if (std::exchange(everything_paused_, paused) != paused) {
          deps_.log.Write(LogLevel::kNotice, {},
                          paused ? "everything is paused" : "everything is resumed");
        }
        Deliver(schedule::SetPaused{std::nullopt, paused});
        ArmSampling();
        done(OkStatus());
      });
}

// ---- Limits ----

std::vector<LimitView> Engine::ListLimits() const {
  std::vector<LimitView> views;
  for (const LimitField& field : LimitFields()) {
    LimitView view;
    view.name = field.name;
    view.value = field.of(limits_);
    view.configured = field.of(configured_limits_);
    if (const auto kept = kept_limits_.find(std::string(field.name)); kept != kept_limits_.end()) {
      view.is_kept = true;
      view.kept = kept->second;
    }
    view.source = "set";
    if (view.is_kept && view.kept == view.value) {
      view.source = "set to stay";
    } else if (view.value == view.configured) {
      const std::string& rule = RuleOf(field);
      view.source = rule.empty() ? "configuration" : "schedule " + rule;
    }
    if (field.is_rate) view.until = configured_limits_.rules_until;
    views.push_back(std::move(view));
  }
  return views;
}

void Engine::SetLimits(std::vector<LimitChange> changes, std::vector<const LimitField*> reset,
                       bool keep, UniqueFunction<void(Status)> done) {
  if (scheduler_ == nullptr || restoring_) return done(Ready());
  for (const LimitChange& change : changes) {
    if (IsValid(*change.field, change.value)) continue;
    return done(CheckLimit(*change.field, change.value));
  }
  std::vector<registry::Change> kept;
  for (const LimitField* field : reset) {
    if (kept_limits_.count(std::string(field->name)) == 0) continue;
    kept.push_back(registry::DropSetting{SettingOf(*field)});
  }
  if (keep) {
    for (const LimitChange& change : changes) {
      kept.push_back(
          registry::PutSetting{{SettingOf(*change.field), static_cast<int64_t>(change.value)}});
    }
  }
  auto apply = [this, changes = std::move(changes), reset = std::move(reset), keep] {
    LiveLimits limits = limits_;
    for (const LimitField* field : reset) {
      field->set(limits, field->of(configured_limits_));
      kept_limits_.erase(std::string(field->name));
    }
    for (const LimitChange& change : changes) {
      change.field->set(limits, change.value);
      if (keep) kept_limits_[std::string(change.field->name)] = change.value;
    }
    ApplyLimits(limits);
  };
  if (kept.empty()) {
    apply();
    return done(OkStatus());
  }
  deps_.registry.Commit(std::move(kept), [apply = std::move(apply),
                                          done = std::move(done)](const Status& status) mutable {
    if (!status.ok()) return done(Annotate(status, "the registry could not be written"));
    apply();
    done(OkStatus());
  });
}

void Engine::Reconfigure(const LiveLimits& configured, Duration drain_grace) {
  options_.drain_grace = drain_grace;
  const LiveLimits before = std::exchange(configured_limits_, configured);
  LiveLimits limits = limits_;
  for (const LimitField& field : LimitFields()) {
    const bool kept = kept_limits_.count(std::string(field.name)) != 0;
    if (kept || field.of(before) == field.of(configured)) continue;
    field.set(limits, field.of(configured));
  }
  limits.bytes_per_uid = configured.bytes_per_uid;
  if (scheduler_ != nullptr) return ApplyLimits(limits);
  // Before the start, and with a damaged registry, there is nothing yet that the others bound.
  const LiveLimits in_force = std::exchange(limits_, limits);
  ApplyRates();
  ApplyConnections(in_force.schedule.connections_per_mirror);
}

void Engine::ApplyLimits(const LiveLimits& limits) {
  const LiveLimits before = std::exchange(limits_, limits);
  for (const LimitField& field : LimitFields()) {
    if (field.of(before) == field.of(limits)) continue;
    deps_.log.Write(LogLevel::kNotice, {},
                    fmt::format("limit {}: {}, was {}", field.name, field.Text(field.of(limits)),
                                field.Text(field.of(before))));
  }
  ApplyRates();
  ApplyConnections(before.schedule.connections_per_mirror);
  // It looks at all providers: not for a rate that changed by the clock.
  if (limits.schedule != before.schedule) Deliver(schedule::SetLimits{limits.schedule});
}

void Engine::ApplyRates() {
  if (deps_.set_rates) deps_.set_rates(limits_.download_rate, limits_.upload_rate);
}

// One origin's transfer has several connections, which are not the scheduler's to count.
void Engine::ApplyConnections(uint32_t before) {
  const uint32_t connections = limits_.schedule.connections_per_mirror;
  if (deps_.mirrors != nullptr && connections != before) deps_.mirrors->SetConnections(connections);
}

const std::string& Engine::RuleOf(const LimitField& field) const {
  static const std::string kNoRule;
  if (field.name == "download_rate") return configured_limits_.download_rule;
  return field.name == "upload_rate" ? configured_limits_.upload_rule : kNoRule;
}

// ---- What outlived a restart ----

// Before any intent is. A setting that this version does not know, or cannot use, is left alone.
void Engine::RestoreSettings(const std::vector<registry::SettingRow>& settings) {
  if (settings.empty()) return;
  LiveLimits limits = configured_limits_;
  for (const registry::SettingRow& setting : settings) {
    const std::string_view name = setting.name;
    if (name == kPausedSetting) {
      everything_paused_ = setting.value != 0;
      Deliver(schedule::SetPaused{std::nullopt, everything_paused_});
      continue;
    }
    const LimitField* field =
        name.starts_with(kLimitPrefix) ? FindLimit(name.substr(kLimitPrefix.size())) : nullptr;
    auto value = static_cast<uint64_t>(setting.value);
    if (field != nullptr && field->is_rate && value != LimitField::kNone &&
        value < field->smallest) {
      // An earlier version allowed less. Somebody wanted little, and no limit at all is much.
      deps_.log.Write(LogLevel::kWarning, {},
                      fmt::format("the registry's setting {} = {} is taken for {}, the least",
                                  setting.name, value, field->smallest));
      value = field->smallest;
    }
    if (field == nullptr || !IsValid(*field, value)) {
      deps_.log.Write(
          LogLevel::kWarning, {},
          fmt::format("the registry's setting {} = {} is not used", setting.name, setting.value));
      continue;
    }
    field->set(limits, value);
    kept_limits_[std::string(field->name)] = field->of(limits);
  }
  ApplyLimits(limits);
}

}  // namespace blobd::engine
