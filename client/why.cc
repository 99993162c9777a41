// why: what an intent, or everybody who wants a hash, waits for; and why a blob is kept.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/sentence.h"
#include "client/states.h"
#include "client/table.h"
#include "client/text_width.h"

namespace blobd::client {
namespace {

std::optional<uint64_t> IntentIdOf(const std::string& text) {
  uint64_t id = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, id);
  if (parsed.ec != std::errc() || parsed.ptr != end || IsHashSyntax(text)) return std::nullopt;
  return id;
}

bool IsWithin(std::string_view text, size_t columns) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (WidthOf(text.substr(0, end)) > columns) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

// Sentences that say what to do are not cut: where the table is too wide, they stand below each
// other.
void PrintProviders(const Style& style, const v1::RequestWhy& why) {
  Table table({"PROVIDER", "HOW IT STANDS", "LAST ERROR"});
  for (const v1::ProviderWhy& provider : why.providers()) {
    table.Add({ShownProvider(style, provider.provider()), provider.sentence(),
               provider.last_error().empty() ? "-" : provider.last_error()});
  }
  Style uncut = style;
  uncut.columns = 0;
  const std::string text = table.Text(uncut);
  if (style.columns == 0 || style.full || IsWithin(text, style.columns)) return WriteOutput(text);
  for (const v1::ProviderWhy& provider : why.providers()) {
    Say(style, "{}\n", EscapeForTerminal(ShownProvider(style, provider.provider())));
    SayHanging(style, 2, "  {}\n", EscapeForTerminal(provider.sentence()));
    if (!provider.last_error().empty())
      SayHanging(style, 2, "  last error: {}\n", EscapeForTerminal(provider.last_error()));
  }
}

// `id`: an intent that it works for.
void PrintRequest(const Style& style, const std::string& what, const v1::RequestWhy& why,
                  uint64_t id) {
  Say(style, "{} is {}{}{}\n", what, StateName(why.state()), why.sentence().empty() ? "" : ": it ",
      EscapeForTerminal(why.sentence()));
  const bool rests = !why.sentence().empty() && why.since_unix_ms() != 0;
  if (rests) Say(style, "nothing has moved for {}\n", ShownAge(why.since_unix_ms()));
  for (const v1::Wait& wait : why.waits()) {
    if (wait.fact() == v1::WAIT_FACT_CALLERS)
      Say(style, "\"blobctl resume {}\" lets it go on\n", id);
    if (wait.fact() == v1::WAIT_FACT_RESUMPTION)
      Say(style, "\"blobctl resume --everything\", for root, lets all downloads go on\n");
    if (wait.fact() == v1::WAIT_FACT_NEXT_START)
      Say(style, "a start of blobd lets it go on, as by \"systemctl restart blobd\"\n");
  }
  if (!why.providers().empty()) PrintProviders(style, why);
}

// Those among its providers that are banned. Who was banned before it was named is not among them:
// where that may be why nobody is asked, the list of bans is pointed to.
void PrintBans(Context& context, const v1::RequestWhy& why) {
  std::vector<std::string> banned;
  for (const v1::ProviderWhy& provider : why.providers()) {
    const bool is_shown = !provider.provider().empty();  // or it is hidden from the caller
    if (is_shown && provider.standing() == v1::PROVIDER_STANDING_BANNED)
      banned.push_back(provider.provider());
  }
  for (const std::string& provider : banned) {
    Say(context.style, "{} is banned{}\n",
        EscapeForTerminal(ShownProvider(context.style, provider)), HowToUnban(provider));
  }
  const bool wants_provider =
      std::any_of(why.waits().begin(), why.waits().end(),
                  [](const v1::Wait& wait) { return wait.fact() == v1::WAIT_FACT_PROVIDER; });
  if (!banned.empty() || !wants_provider) return;
  v1::ListBansRequest request;
  request.set_page_size(1);
  const auto bans = context.daemon->ListBans(request);
  if (!bans.ok() || bans->bans().empty()) return;
  Say(context.style,
      "if one that you named was banned then, it is not used: \"blobctl bans\" says who is "
      "banned\n");
}

// The daemon's sentence has what there is to say of patience.
void PrintDeadline(const Style& style, const v1::Intent& intent) {
  if (intent.deadline_unix_ms() == 0) return;
  const Duration left = WallTime{intent.deadline_unix_ms()} - SystemClock().WallNow();
  Say(style, "its deadline is in {}: it ends then, done or not\n",
      FormatDuration(std::max(Duration::zero(), left)));
}

void PrintEnded(const Style& style, const v1::Intent& intent) {
  Say(style, "intent {} {}{}{}\n", intent.intent_id(), StandsSo(intent.state()),
      intent.reason().empty() ? "" : ": ", EscapeForTerminal(intent.reason()));
  for (const v1::ProviderFailure& failure : intent.failures()) {
    SayHanging(style, 4, "  {}: {}\n", EscapeForTerminal(failure.provider()),
               EscapeForTerminal(failure.reason()));
  }
}

void PrintIntent(Context& context, const v1::WhyResponse& why) {
  const Style& style = context.style;
  if (why.requests().empty()) return PrintEnded(style, why.intent());
  const v1::RequestWhy& request = why.requests(0);
  const std::string name = fmt::format("intent {}", why.intent().intent_id());
  if (why.intent().paused() && request.state() != v1::INTENT_STATE_PAUSED) {
    Say(style, "{} is paused, but others want the same\n", name);
  }
  PrintRequest(style, name, request, why.intent().intent_id());
  PrintDeadline(style, why.intent());
  PrintBans(context, request);
}

bool IsAbsent(const v1::WhyResponse& why) { return why.blob().state() == v1::BLOB_STATE_ABSENT; }

void PrintHash(const Style& style, const v1::WhyResponse& why) {
  const bool absent = IsAbsent(why);
  if (absent) Say(style, "nothing of it is here\n");
  for (const v1::Keeping& keeping : why.keepings()) {
    Say(style, "kept: {}\n", EscapeForTerminal(KeptReason(keeping)));
  }
  std::set<std::string> ways;
  for (const v1::Keeping& keeping : why.keepings()) ways.insert(HowToFree(keeping));
  for (const std::string& way : ways)
    if (!way.empty()) SayHanging(style, 2, "{}\n", way);
  if (why.keepings().empty() && !absent) {
    Say(style, "nothing keeps it: it goes when room is needed, or with \"blobctl gc\"\n");
  }
  for (const v1::RequestWhy& request : why.requests()) {
    const bool collection = request.kind().format() == v1::BLOB_FORMAT_HASH_SEQ;
    std::string intents;
    for (const uint64_t id : request.intent_ids()) intents += fmt::format(" {}", id);
    PrintRequest(style,
                 fmt::format("the {} (wanted by intent{})",
                             collection ? "whole collection" : "blob", intents),
                 request, request.intent_ids().empty() ? 0 : request.intent_ids(0));
  }
}

}  // namespace

int RunWhy(Context& context, const std::string& wanted) {
  v1::WhyRequest request;
  if (const auto id = IntentIdOf(wanted)) {
    request.set_intent_id(*id);
  } else {
    std::string hash = wanted;
    if (const Status status = ResolveHash(context, &hash); !status.ok()) return Fail(status);
    request.set_hash(hash);
  }
  const auto why = context.daemon->Why(request);
  if (!why.ok()) return Fail(why.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *why);
  } else if (request.has_hash()) {
    PrintHash(context.style, *why);
  } else {
    PrintIntent(context, *why);
  }
  const bool is_nothing = request.has_hash() && IsAbsent(*why) && why->requests().empty();
  return is_nothing ? kExitNotFound : kExitDone;
}

}  // namespace blobd::client
