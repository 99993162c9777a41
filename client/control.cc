// pause, resume, limits, drain, and bans: how the daemon is steered while it runs.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/time.h"
#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/pages.h"
#include "client/sentence.h"
#include "client/table.h"
#include "client/words.h"

namespace blobd::client {
namespace {

// NAME=VALUE. A rate's may be written with units, or be "off".
StatusOr<v1::LimitChange> ChangeOf(const std::string& text) {
  const size_t equals = text.find('=');
  const std::string_view value =
      equals == std::string::npos ? std::string_view() : std::string_view(text).substr(equals + 1);
  v1::LimitChange change;
  change.set_name(text.substr(0, equals));
  uint64_t number = 0;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
  if (value == "off") {
    change.set_unlimited(true);
  } else if (parsed.ec == std::errc() && parsed.ptr == value.data() + value.size()) {
    change.set_value(number);
  } else if (const auto rate = ParseRate(value); rate && change.name().ends_with("_rate")) {
    change.set_value(*rate);
  } else {
    return InvalidArgument(
        "\"{}\" is not NAME=VALUE with a whole number, as in connections=50, or with a rate, as "
        "in download_rate=10MB/s or download_rate=off",
        EscapeForTerminal(text));
  }
  if (equals == 0) return InvalidArgument("\"{}\" names no limit", EscapeForTerminal(text));
  return change;
}

std::string LimitText(const v1::Limit& limit, uint64_t value) {
  if (!limit.is_rate()) return std::to_string(value);
  return value == 0 ? "off" : FormatRate(static_cast<double>(value));
}

void PrintLimits(const Style& style, const google::protobuf::RepeatedPtrField<v1::Limit>& limits) {
  Table table({"LIMIT", "VALUE", {"CONFIGURED", 0, 2}, {"PERSISTED", 0, 3}, {"BECAUSE", 10, 1}});
  std::string schedule;
  for (const v1::Limit& limit : limits) {
    if (style.quiet) {
      const bool is_off = limit.is_rate() && limit.value() == 0;
      PrintOut("{}={}\n", limit.name(), is_off ? "off" : std::to_string(limit.value()));
      continue;
    }
    table.Add({limit.name(), LimitText(limit, limit.value()), LimitText(limit, limit.configured()),
               limit.has_persisted() ? LimitText(limit, limit.persisted()) : "-", limit.source()});
    if (limit.until_unix_ms() == 0) continue;
    const Duration left = WallTime{limit.until_unix_ms()} - SystemClock().WallNow();
    schedule = FormatDuration(std::max(Duration::zero(), left));
  }
  if (style.quiet) return;
  table.Print(style);
  if (!schedule.empty()) Say(style, "The schedule of rates changes in {}.\n", schedule);
}

template <typename Ids>
void PrintIds(const Style& style, const Ids& changed, const char* what,
              const google::protobuf::RepeatedField<google::protobuf::uint64>& ended) {
  if (style.quiet) return;
  for (const uint64_t id : changed) Say(style, "intent {} {}\n", id, what);
  for (const uint64_t id : ended) Say(style, "intent {} has ended already\n", id);
}

// Who resumed an intent wonders why it does not go on.
void SayIfAllRests(Context& context) {
  const auto status = context.daemon->DaemonStatus();
  if (!status.ok() || !status->everything_paused()) return;
  Say(context.style,
      "but everything is paused still; \"blobctl resume --everything\" ends that, for root\n");
}

Status CheckIds(const PauseOptions& options) {
  if (options.ids.empty() != options.everything) {
    return InvalidArgument("say which intents, or --everything");
  }
  return OkStatus();
}

}  // namespace

int RunPause(Context& context, const PauseOptions& options) {
  if (const Status status = CheckIds(options); !status.ok()) return Fail(status);
  v1::PauseRequest request;
  for (const uint64_t id : options.ids) request.add_intent_ids(id);
  request.set_everything(options.everything);
  const auto response = context.daemon->Pause(request);
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
    return kExitDone;
  }
  PrintIds(context.style, response->paused(), "paused", response->already_ended());
  if (options.everything && !context.style.quiet) Say(context.style, "everything is paused\n");
  return kExitDone;
}

int RunResume(Context& context, const PauseOptions& options) {
  if (const Status status = CheckIds(options); !status.ok()) return Fail(status);
  v1::ResumeRequest request;
  for (const uint64_t id : options.ids) request.add_intent_ids(id);
  request.set_everything(options.everything);
  const auto response = context.daemon->Resume(request);
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
    return kExitDone;
  }
  PrintIds(context.style, response->resumed(), "resumed", response->already_ended());
  if (!options.everything && !context.style.quiet) SayIfAllRests(context);
  if (options.everything && !context.style.quiet) {
    Say(context.style, "everything goes on, but for intents that are paused themselves\n");
  }
  return kExitDone;
}

int RunLimits(Context& context, const LimitsOptions& options) {
  if (options.changes.empty() && options.reset.empty()) {
    if (options.persist) return Fail(InvalidArgument("--persist goes with new values"));
    const auto limits = context.daemon->GetLimits();
    if (!limits.ok()) return Fail(limits.status());
    if (context.style.is_json()) {
      PrintJson(context.style, *limits);
    } else {
      PrintLimits(context.style, limits->limits());
    }
    return kExitDone;
  }
  v1::SetLimitsRequest request;
  for (const std::string& text : options.changes) {
    auto change = ChangeOf(text);
    if (!change.ok()) return Fail(change.status());
    *request.add_changes() = *std::move(change);
  }
  for (const std::string& name : options.reset) request.add_reset(name);
  request.set_persist(options.persist);
  const auto limits = context.daemon->SetLimits(request);
  if (!limits.ok()) return Fail(limits.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *limits);
  } else {
    PrintLimits(context.style, limits->limits());
  }
  return kExitDone;
}

int RunDrain(Context& context) {
  const auto response = context.daemon->Drain();
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
  } else if (!context.style.quiet) {
    Say(context.style,
        "drained; nothing new is taken until blobd is started again, and {} {} on then\n",
        Counted(response->unfinished_requests(), "unfinished request"),
        response->unfinished_requests() == 1 ? "goes" : "go");
  }
  return kExitDone;
}

// ---- Bans ----

std::string HowToUnban(const std::string& provider) {
  // Only what a shell takes as it is; and what was left out of a URL ("?...") is needed to name it.
  const bool is_plain =
      !provider.empty() && std::all_of(provider.begin(), provider.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("-._:/%@+=,").find(c) != std::string_view::npos;
      });
  return fmt::format("; \"blobctl unban {}\", for root, ends that",
                     is_plain ? provider : "PROVIDER");
}

int RunBan(Context& context, const BanOptions& options) {
  v1::BanRequest request;
  request.set_provider(options.provider);
  request.set_length_ms(options.length_ms);
  request.set_reason(options.reason);
  const auto response = context.daemon->Ban(request);
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
  } else if (!context.style.quiet) {
    const Duration left = WallTime{response->until_unix_ms()} - SystemClock().WallNow();
    Say(context.style, "banned for {}\n", FormatDuration(std::max(Duration::zero(), left)));
  }
  return kExitDone;
}

int RunUnban(Context& context, const std::string& provider) {
  v1::UnbanRequest request;
  request.set_provider(provider);
  const auto response = context.daemon->Unban(request);
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
  } else if (!context.style.quiet) {
    Say(context.style, "the ban is lifted\n");
  }
  return kExitDone;
}

int RunBans(Context& context, const ListOptions& options) {
  v1::ListBansResponse all;
  const Status status = CollectPages(
      v1::ListBansRequest(), options.limit,
      [&](const v1::ListBansRequest& r) { return context.daemon->ListBans(r); },
      [](v1::ListBansResponse* r) { return r->mutable_bans(); }, &all);
  if (!status.ok()) return Fail(status);
  if (context.style.is_json()) {
    PrintJson(context.style, all);
    return kExitDone;
  }
  Table table({{"PROVIDER", 10, 0}, "FOR", {"TIMES", 0, 2}, {"REASON", 12, 1}});
  for (const v1::Ban& ban : all.bans()) {
    if (context.style.quiet) {
      PrintOut("{}\n", EscapeForTerminal(ban.provider()));
      continue;
    }
    const Duration left = WallTime{ban.until_unix_ms()} - SystemClock().WallNow();
    table.Add({ShownProvider(context.style, ban.provider()),
               FormatDuration(std::max(Duration::zero(), left)), std::to_string(ban.times()),
               ban.reason()});
  }
  if (!context.style.quiet) table.Print(context.style, "no bans");
  SayIfMore(context.style, all.next_page_token());
  return kExitDone;
}

}  // namespace blobd::client
