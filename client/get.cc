// get: queue, watch with a progress bar, export. And watch: the middle part alone.
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/export.h"
#include "client/leave_get.h"
#include "client/new_file.h"
#include "client/progress_line.h"
#include "client/sentence.h"
#include "client/states.h"
#include "client/wait_notes.h"

namespace blobd::client {
namespace {

// Watches until the intent ends. kCancelled if the person pressed Ctrl-C.
StatusOr<v1::Intent> Watch(Context& context, uint64_t id, bool show) {
  DaemonClient& daemon = *context.daemon;
  v1::Intent last;
  const bool is_text = show && !context.style.quiet && !context.style.is_json();
  ProgressLine progress(is_text);
  WaitNotes notes(is_text);
  const Status status = daemon.WatchIntent(id, [&](const v1::Intent& intent) {
    last = intent;
    notes.Look(intent);
    progress.Show(intent);
    if (context.style.is_json() && show) PrintJsonLine(intent);
  });
  if (context.interrupt.happened()) return Cancelled("interrupted");
  if (!status.ok()) return status;
  return last;
}

// The name or address in a URL; empty: it is none.
std::string_view HostOf(std::string_view url) {
  const size_t at = url.find("://");
  if (at == std::string_view::npos) return "";
  const std::string_view rest = url.substr(at + 3);
  if (rest.starts_with('[')) return rest.substr(1, rest.find(']') - 1);
  return rest.substr(0, rest.find_first_of("/:?#"));
}

// What to do about a failure that the daemon's words leave open; empty: nothing.
std::string_view HintFor(const v1::ProviderFailure& failure) {
  const std::string_view host = HostOf(failure.provider());
  // Where a redirect led to, nothing helps.
  if (host.empty() || failure.reason().find(host) == std::string::npos) return "";
  for (const char* place : {"a loopback address", "a link-local address", "a metadata service"}) {
    if (failure.reason().ends_with(place))
      return "; mirrors may be there with allow_local = true in [mirrors] of blobd.toml";
  }
  return "";
}

void PrintFailures(const v1::Intent& intent) {
  std::string reason = EscapeForTerminal(intent.reason());
  if (reason.empty()) reason = std::string(StateName(intent.state()));
  PrintError("blobctl: {} {}: {}\n", intent.kind().hash().substr(0, 10), StateName(intent.state()),
             reason);
  for (const v1::ProviderFailure& failure : intent.failures()) {
    PrintError("  {}: {}{}\n", EscapeForTerminal(failure.provider()),
               EscapeForTerminal(failure.reason()), HintFor(failure));
  }
}

// So that an answer that does not come can be asked for again.
std::string NewKey() {
  std::random_device random;
  std::string key = "blobctl-get-";
  for (int i = 0; i < 4; ++i) key += fmt::format("{:08x}", random());
  return key;
}

int Export(Context& context, const v1::Intent& intent, const GetOptions& options) {
  ProgressLine progress(!context.style.quiet && !context.style.is_json() && options.output != "-");
  const ExportOptions export_options{options.output, options.force};
  const std::string& hash = intent.kind().hash();
  const auto exported = intent.kind().format() == v1::BLOB_FORMAT_HASH_SEQ
                            ? ExportCollection(*context.daemon, hash, export_options, progress)
                            : ExportBlob(*context.daemon, hash, export_options, progress);
  progress.Clear();
  if (!exported.ok() && context.interrupt.happened()) {
    PrintError("blobctl: interrupted; {} is in the store, and the same command again writes it\n",
               NameOf(intent.kind()));
    return kExitInterrupted;
  }
  if (!exported.ok()) return Fail(exported.status());
  NoteExisted(context.style, *exported);
  return kExitDone;
}

void PrintDone(const Context& context, const v1::Intent& intent, const std::string& output) {
  if (context.style.is_json() || output == "-") return;
  if (context.style.quiet) {
    PrintOut("{}\n", NameOf(intent.kind()));
    return;
  }
  // What was thrown away, or came twice, made nothing faster.
  const uint64_t useful = std::min(intent.downloaded_bytes(), intent.total_bytes());
  const int64_t ms = std::max<int64_t>(1, intent.finished_unix_ms() - intent.created_unix_ms());
  Say(context.style, "{} {}, {}{}{}\n", NameOf(intent.kind()), FormatSize(intent.total_bytes()),
      intent.downloaded_bytes() == 0
          ? "already here"
          : fmt::format("verified in {} ({})", FormatDuration(milliseconds(ms)),
                        FormatRate(static_cast<double>(useful) * 1000 / static_cast<double>(ms))),
      output.empty() ? "" : " -> ", EscapeForTerminal(output));
}

// Whether what is wanted can be written where it is to be, before it is got.
Status CheckOutput(DaemonClient& daemon, const std::string& wanted, const GetOptions& options) {
  if (options.output.empty() || options.detach) return OkStatus();
  v1::Kind kind = KindOf(wanted);
  if (!IsHashSyntax(wanted)) {
    const auto ticket = daemon.ParseTicket(wanted);
    // What is wrong with it is said when it is queued.
    if (!ticket.ok()) return OkStatus();
    kind = ticket->kind();
  }
  const bool is_collection = kind.format() == v1::BLOB_FORMAT_HASH_SEQ;
  if (options.output == "-") return is_collection ? NeedsDirectory() : OkStatus();
  return is_collection ? CheckCollectionTarget(options.output)
                       : CheckTarget(options.output, options.force);
}

// Nobody leaves without the intent's id said, if it may go on.
int AwaitAndWrite(Context& context, const Asked& asked, const GetOptions& options) {
  const uint64_t id = asked.intent.intent_id();
  SayIdOnSecond(context, id, options);
  const auto ended = Watch(context, id, true);
  const bool is_left = !ended.ok() && (context.interrupt.happened() ||
                                       ended.status().code() == StatusCode::kDeadlineExceeded);
  const int left = is_left ? LeaveGet(context, asked, options) : kExitDone;
  context.interrupt.OnSecond(nullptr);
  if (is_left) return left;
  if (!ended.ok()) {
    const int code = Fail(ended.status());
    if (ended.status().code() == StatusCode::kUnavailable)
      PrintError("blobctl: intent {} is kept, and goes on when blobd runs again\n", id);
    return code;
  }
  if (ended->state() != v1::INTENT_STATE_DONE) {
    PrintFailures(*ended);
    return ExitCodeOf(*ended);
  }
  if (!options.output.empty()) {
    if (const int code = Export(context, *ended, options); code != kExitDone) return code;
  }
  PrintDone(context, *ended, options.output);
  return kExitDone;
}

}  // namespace

int RunGet(Context& context, const GetOptions& options) {
  if (options.output == "-" && context.style.is_json() && !options.detach) {
    return Fail(InvalidArgument(
        "-o - writes the content to standard output, where --json writes too; use -o FILE"));
  }
  QueueOptions queue = options.queue;
  // Somebody is waiting: no provider now is an answer, not a reason to wait for a day.
  if (!queue.patience_ms && !options.detach) queue.patience_ms = 0;
  v1::QueueRequest request;
  std::string wanted = queue.wanted.front();
  if (const Status status = ResolveWanted(context, &wanted); !status.ok()) return Fail(status);
  if (const Status status = CheckOutput(*context.daemon, wanted, options); !status.ok())
    return Fail(status);
  const auto item = ItemOf(wanted, queue);
  if (!item.ok()) return Fail(item.status());
  *request.add_items() = *item;
  if (item->idempotency_key().empty()) request.mutable_items(0)->set_idempotency_key(NewKey());
  if (context.interrupt.happened()) return Fail(Cancelled("interrupted; nothing was queued"));
  auto queued = context.daemon->Queue(request);
  if (!queued.ok() && context.interrupt.happened()) queued = QueueOnceMore(context, request);
  if (!queued.ok()) {
    if (!context.interrupt.happened()) return Fail(queued.status());
    PrintError("blobctl: interrupted; \"blobctl intents\" shows whether it was queued\n");
    return kExitInterrupted;
  }
  const v1::QueuedIntent& intent = queued->intents(0);
  for (const std::string& provider : intent.refused_providers()) {
    PrintError("blobctl: provider {} is banned and was not used{}\n", EscapeForTerminal(provider),
               HowToUnban(provider));
  }
  if (options.detach) {
    if (context.style.is_json()) {
      PrintJson(context.style, intent);
    } else {
      PrintOut("{}{}\n", context.style.quiet ? "" : "intent ", intent.intent_id());
    }
    return context.interrupt.happened() ? kExitInterrupted : kExitDone;
  }
  return AwaitAndWrite(context, {*item, intent, !options.queue.patience_ms}, options);
}

int RunWatch(Context& context, uint64_t id) {
  const auto ended = Watch(context, id, true);
  if (!ended.ok()) {
    return context.interrupt.happened() ? static_cast<int>(kExitInterrupted) : Fail(ended.status());
  }
  if (ended->state() == v1::INTENT_STATE_DONE) {
    PrintDone(context, *ended, "");
  } else {
    PrintFailures(*ended);
  }
  return ExitCodeOf(*ended);
}

}  // namespace blobd::client
