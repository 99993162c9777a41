// why: what an intent, or everybody who wants a hash, waits for; and why a blob is kept.
#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "base/utf8.h"
#include "client/context.h"
#include "client/states.h"
#include "client/table.h"

namespace blobd::client {
namespace {

std::optional<uint64_t> IntentIdOf(const std::string& text) {
  uint64_t id = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, id);
  if (parsed.ec != std::errc() || parsed.ptr != end || IsHashSyntax(text)) return std::nullopt;
  return id;
}

void PrintProviders(Style style, const v1::RequestWhy& why) {
  // Sentences that say what to do are not cut.
  style.columns = 0;
  Table table({"PROVIDER", "HOW IT STANDS", "LAST ERROR"});
  for (const v1::ProviderWhy& provider : why.providers()) {
    table.Add({ShownProvider(style, provider.provider()), provider.sentence(),
               provider.last_error().empty() ? "-" : provider.last_error()});
  }
  table.Print(style);
}

void PrintRequest(const Style& style, const std::string& what, const v1::RequestWhy& why) {
  PrintOut("{} is {}{}{}\n", what, StateName(why.state()), why.sentence().empty() ? "" : ": it ",
           EscapeForTerminal(why.sentence()));
  const bool rests = !why.sentence().empty() && why.since_unix_ms() != 0;
  if (rests) PrintOut("nothing has moved for {}\n", ShownAge(why.since_unix_ms()));
  if (!why.providers().empty()) PrintProviders(style, why);
}

void PrintEnded(const v1::Intent& intent) {
  PrintOut("intent {} is {}{}{}\n", intent.intent_id(), StateName(intent.state()),
           intent.reason().empty() ? "" : ": ", EscapeForTerminal(intent.reason()));
  for (const v1::ProviderFailure& failure : intent.failures()) {
    PrintOut("  {}: {}\n", EscapeForTerminal(failure.provider()),
             EscapeForTerminal(failure.reason()));
  }
}

void PrintIntent(const Style& style, const v1::WhyResponse& why) {
  if (why.requests().empty()) return PrintEnded(why.intent());
  const v1::RequestWhy& request = why.requests(0);
  const std::string name = fmt::format("intent {}", why.intent().intent_id());
  if (why.intent().paused() && request.state() != v1::INTENT_STATE_PAUSED) {
    PrintOut("{} is paused, but others want the same\n", name);
  }
  PrintRequest(style, name, request);
}

int PrintHash(const Style& style, const v1::WhyResponse& why) {
  const bool absent = why.blob().state() == v1::BLOB_STATE_ABSENT;
  if (absent) PrintOut("nothing of it is here\n");
  for (const v1::Keeping& keeping : why.keepings()) {
    PrintOut("kept: {}\n", EscapeForTerminal(KeptReason(keeping)));
  }
  if (why.keepings().empty() && !absent) {
    PrintOut("nothing keeps it: it goes when room is needed, or with \"blobctl gc\"\n");
  }
  for (const v1::RequestWhy& request : why.requests()) {
    const bool collection = request.kind().format() == v1::BLOB_FORMAT_HASH_SEQ;
    std::string intents;
    for (const uint64_t id : request.intent_ids()) intents += fmt::format(" {}", id);
    PrintRequest(style,
                 fmt::format("the {} (wanted by intent{})",
                             collection ? "whole collection" : "blob", intents),
                 request);
  }
  return absent && why.requests().empty() ? kExitNotFound : kExitDone;
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
    return kExitDone;
  }
  if (request.has_hash()) return PrintHash(context.style, *why);
  PrintIntent(context.style, *why);
  return kExitDone;
}

}  // namespace blobd::client
