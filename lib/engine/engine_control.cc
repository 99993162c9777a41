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
    view.value = field.Of(limits_);
    view.configured = field.Of(configured_limits_);
    if (const auto kept = kept_limits_.find(std::string(field.name)); kept != kept_limits_.end()) {
      view.is_kept = true;
      view.kept = kept->second;
    }
    views.push_back(view);
  }
  return views;
}

void Engine::SetLimits(std::vector<LimitChange> changes, std::vector<const LimitField*> reset,
                       bool keep, UniqueFunction<void(Status)> done) {
  if (scheduler_ == nullptr || restoring_) return done(Ready());
  for (const LimitChange& change : changes) {
    if (const Status status = CheckLimit(*change.field, change.value); !status.ok()) {
      return done(status);
    }
  }
  std::vector<registry::Change> kept;
  for (const LimitField* field : reset) {
    if (kept_limits_.count(std::string(field->name)) == 0) continue;
    kept.push_back(registry::DropSetting{SettingOf(*field)});
  }
  if (keep) {
    for (const LimitChange& change : changes) {
      kept.push_back(registry::PutSetting{{SettingOf(*change.field), change.value}});
    }
  }
  auto apply = [this, changes = std::move(changes), reset = std::move(reset), keep] {
    LiveLimits limits = limits_;
    for (const LimitField* field : reset) {
      field->place(limits) = field->Of(configured_limits_);
      kept_limits_.erase(std::string(field->name));
    }
    for (const LimitChange& change : changes) {
      change.field->place(limits) = change.value;
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
    if (kept || field.Of(before) == field.Of(configured)) continue;
    field.place(limits) = field.Of(configured);
  }
  // Before the start, and with a damaged registry, there is nothing yet that they bound.
  if (scheduler_ != nullptr) ApplyLimits(limits);
}

void Engine::ApplyLimits(const LiveLimits& limits) {
  const LiveLimits before = std::exchange(limits_, limits);
  for (const LimitField& field : LimitFields()) {
    if (field.Of(before) == field.Of(limits)) continue;
    deps_.log.Write(
        LogLevel::kNotice, {},
        fmt::format("limit {}: {}, was {}", field.name, field.Of(limits), field.Of(before)));
  }
  Deliver(schedule::SetLimits{limits.schedule});
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
    if (field == nullptr || !CheckLimit(*field, setting.value).ok()) {
      deps_.log.Write(
          LogLevel::kWarning, {},
          fmt::format("the registry's setting {} = {} is not used", setting.name, setting.value));
      continue;
    }
    field->place(limits) = static_cast<uint32_t>(setting.value);
    kept_limits_[std::string(field->name)] = field->Of(limits);
  }
  ApplyLimits(limits);
}

}  // namespace blobd::engine
