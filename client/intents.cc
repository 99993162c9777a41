// queue, cancel, nodes-have, intents, blobs: what is wanted and how it goes.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/leave_get.h"
#include "client/pages.h"
#include "client/sentence.h"
#include "client/states.h"
#include "client/table.h"

namespace blobd::client {
namespace {

std::string Format(const v1::Kind& kind) {
  return kind.format() == v1::BLOB_FORMAT_HASH_SEQ ? "hash_seq" : "raw";
}

// Of so many is asked who else wants the same.
constexpr size_t kAskedAfterCancel = 20;

std::string OthersBesides(DaemonClient& daemon, uint64_t id, const std::set<uint64_t>& ours) {
  const auto intent = daemon.GetIntent(id);
  return intent.ok() ? OthersWhoWant(daemon, intent->kind(), ours) : "";
}

// Sorted as the options say; the first `limit` of them, 0: all. True if others are left out.
bool SortBlobs(const ListOptions& options, v1::ListBlobsResponse* all) {
  auto& blobs = *all->mutable_blobs();
  const bool by_size = options.sort == "size";
  std::sort(blobs.begin(), blobs.end(), [&](const v1::Blob& a, const v1::Blob& b) {
    // The largest first, and of the same size the smallest hash.
    const auto key = [&](const v1::Blob& blob) {
      return std::make_pair(by_size ? ~blob.size() : 0, std::string_view(blob.hash()));
    };
    return options.newest_first ? key(b) < key(a) : key(a) < key(b);
  });
  const auto limit = static_cast<int>(std::min<uint32_t>(options.limit, INT32_MAX));
  if (limit == 0 || blobs.size() <= limit) return false;
  blobs.DeleteSubrange(limit, blobs.size() - limit);
  return true;
}

std::string StateOf(const v1::Intent& intent) {
  const bool goes_on = intent.paused() && intent.state() != v1::INTENT_STATE_PAUSED &&
                       intent.finished_unix_ms() == 0;
  return goes_on ? "paused (others want it)" : std::string(StateName(intent.state()));
}

}  // namespace

int RunQueue(Context& context, const QueueOptions& options) {
  v1::QueueRequest request;
  for (const std::string& wanted : options.wanted) {
    std::string name = wanted;
    if (const Status status = ResolveWanted(context, &name); !status.ok()) return Fail(status);
    const auto item = ItemOf(name, options);
    if (!item.ok()) return Fail(item.status());
    *request.add_items() = *item;
  }
  const auto response = context.daemon->Queue(request);
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
    return kExitDone;
  }
  for (const v1::QueuedIntent& intent : response->intents()) {
    if (context.style.quiet) {
      PrintOut("{}\n", intent.intent_id());
    } else {
      Say(context.style, "intent {}{}\n", intent.intent_id(),
          intent.existed() && !options.key.empty() ? " (queued before under this key)" : "");
    }
    for (const std::string& provider : intent.refused_providers()) {
      PrintError("blobctl: provider {} is banned and was not used{}\n", EscapeForTerminal(provider),
                 HowToUnban(provider));
    }
  }
  return kExitDone;
}

int RunCancel(Context& context, const std::vector<uint64_t>& ids) {
  v1::CancelRequest request;
  for (const uint64_t id : ids) request.add_intent_ids(id);
  const auto response = context.daemon->Cancel(request);
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
  } else if (!context.style.quiet) {
    const std::set<uint64_t> ours(ids.begin(), ids.end());
    size_t asked = 0;
    for (const uint64_t id : response->cancelled()) {
      const bool is_asked = ++asked <= kAskedAfterCancel;
      Say(context.style, "intent {} cancelled{}\n", id,
          is_asked ? OthersBesides(*context.daemon, id, ours) : "");
    }
    for (const uint64_t id : response->already_ended())
      Say(context.style, "intent {} had ended already; nothing to cancel\n", id);
  }
  return kExitDone;
}

int RunNodesHave(Context& context, const std::string& hash,
                 const std::vector<std::string>& providers) {
  std::string wanted = hash;
  if (const Status status = ResolveHash(context, &wanted); !status.ok()) return Fail(status);
  v1::NodesHaveRequest request;
  request.set_hash(wanted);
  for (const std::string& text : providers) {
    auto provider = ProviderOf(text);
    if (!provider.ok()) return Fail(provider.status());
    *request.add_providers() = *std::move(provider);
  }
  const auto response = context.daemon->NodesHave(request);
  if (!response.ok()) return Fail(response.status());
  if (context.style.is_json()) {
    PrintJson(context.style, *response);
  } else if (!context.style.quiet) {
    if (response->wanted()) {
      Say(context.style, "{} of {} providers are new\n", response->added(),
          request.providers_size());
    } else {
      Say(context.style,
          "no unfinished request wants this hash; queue it with \"blobctl queue {}\"\n",
          EscapeForTerminal(hash));
    }
    for (const std::string& provider : response->refused_providers()) {
      PrintError("blobctl: provider {} is banned and was refused{}\n", EscapeForTerminal(provider),
                 HowToUnban(provider));
    }
  }
  return kExitDone;
}

int RunIntents(Context& context, const ListOptions& options) {
  std::string hash = options.hash;
  if (const Status resolved = hash.empty() ? OkStatus() : ResolveHash(context, &hash);
      !resolved.ok()) {
    return Fail(resolved);
  }
  v1::ListIntentsRequest request;
  // Who names a state means it, ended or not.
  const bool all_states = options.all || !options.states.empty();
  request.set_scope(all_states ? v1::INTENT_SCOPE_UNSPECIFIED : v1::INTENT_SCOPE_UNFINISHED);
  request.set_newest_first(options.newest_first);
  for (const std::string& state : options.states) request.add_states(IntentStateOf(state));
  request.set_hash(hash);
  request.set_label(options.label);
  v1::ListIntentsResponse all;
  const Status status = CollectPages(
      request, options.limit,
      [&](const v1::ListIntentsRequest& r) { return context.daemon->ListIntents(r); },
      [](v1::ListIntentsResponse* r) { return r->mutable_intents(); }, &all);
  if (!status.ok()) return Fail(status);
  if (context.style.is_json()) {
    PrintJson(context.style, all);
    return kExitDone;
  }
  Table table({"INTENT",
               "STATE",
               {"HASH", 0, 1},
               {"FORMAT", 0, 6},
               "PROGRESS",
               {"SIZE", 0, 4},
               {"RATE", 0, 2},
               {"AGE", 0, 5},
               {"LABEL", 8, 3}});
  for (const v1::Intent& intent : all.intents()) {
    if (context.style.quiet) {
      PrintOut("{}\n", intent.intent_id());
      continue;
    }
    const uint64_t total =
        intent.total_bytes() != 0 ? intent.total_bytes() : intent.claimed_bytes();
    table.Add({std::to_string(intent.intent_id()), StateOf(intent),
               ShownHash(context.style, intent.kind().hash()), Format(intent.kind()),
               ShownPercent(intent.verified_bytes() + intent.unproven_bytes(), total),
               total == 0 ? "-" : FormatSize(total),
               intent.rate() > 0 ? FormatRate(intent.rate()) : "-",
               ShownAge(intent.created_unix_ms()), intent.label()});
  }
  const std::string none =
      all_states ? "no intents" : "no unfinished intents; --all shows those that have ended";
  if (!context.style.quiet) table.Print(context.style, none);
  SayIfMore(context.style, all.next_page_token());
  return kExitDone;
}

int RunBlobs(Context& context, const ListOptions& options) {
  v1::ListBlobsResponse all;
  // The daemon lists them by hash; another order is made of all of them.
  const bool is_sorted_here = options.newest_first || options.sort == "size";
  const Status status = CollectPages(
      v1::ListBlobsRequest(), is_sorted_here ? 0 : options.limit,
      [&](const v1::ListBlobsRequest& r) { return context.daemon->ListBlobs(r); },
      [](v1::ListBlobsResponse* r) { return r->mutable_blobs(); }, &all);
  if (!status.ok()) return Fail(status);
  const bool was_cut = is_sorted_here && SortBlobs(options, &all);
  if (context.style.is_json()) {
    PrintJson(context.style, all);
    return kExitDone;
  }
  Table table({"HASH", "STATE", "SIZE", {"VERIFIED", 0, 2}, {"PRIVATE", 0, 1}});
  for (const v1::Blob& blob : all.blobs()) {
    if (context.style.quiet) {
      PrintOut("{}\n", blob.hash());
      continue;
    }
    // A stopped daemon's database has that of complete ones only.
    const bool is_unknown = context.is_offline && blob.state() != v1::BLOB_STATE_COMPLETE;
    table.Add({ShownHash(context.style, blob.hash()),
               blob.state() == v1::BLOB_STATE_COMPLETE ? "complete" : "partial",
               blob.size() == 0 && !blob.size_proven() ? "-" : FormatSize(blob.size()),
               is_unknown ? "?" : FormatSize(blob.verified_bytes()),
               blob.is_private() ? "yes" : "-"});
  }
  if (!context.style.quiet) table.Print(context.style, "no blobs");
  SayIfMore(context.style, was_cut ? "more" : all.next_page_token());
  return kExitDone;
}

}  // namespace blobd::client
