// get: queue, watch with a progress bar, export. And watch: the middle part alone.
#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <set>

#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/export.h"
#include "client/new_file.h"
#include "client/progress_line.h"
#include "client/sentence.h"
#include "client/states.h"

namespace blobd::client {
namespace {

// What the daemon has for the last word of one that does not wait any more.
constexpr std::chrono::seconds kLastWord(10);

// Watches until the intent ends. kCancelled if the person pressed Ctrl-C.
StatusOr<v1::Intent> Watch(Context& context, uint64_t id, bool show) {
  DaemonClient& daemon = *context.daemon;
  v1::Intent last;
  ProgressLine progress(show && !context.style.quiet && !context.style.is_json());
  const Status status = daemon.WatchIntent(id, [&](const v1::Intent& intent) {
    last = intent;
    progress.Show(intent);
    if (context.style.is_json() && show) PrintJsonLine(intent);
  });
  if (context.interrupt.happened()) return Cancelled("interrupted");
  if (!status.ok()) return status;
  return last;
}

void PrintFailures(const v1::Intent& intent) {
  std::string reason = EscapeForTerminal(intent.reason());
  if (reason.empty()) reason = std::string(StateName(intent.state()));
  PrintError("blobctl: {} {}: {}\n", intent.kind().hash().substr(0, 10), StateName(intent.state()),
             reason);
  for (const v1::ProviderFailure& failure : intent.failures()) {
    PrintError("  {}: {}\n", EscapeForTerminal(failure.provider()),
               EscapeForTerminal(failure.reason()));
  }
}

// Ctrl-C on a terminal: let it go on without us? Other signals mean that nobody is there to answer.
bool AsksToCancel(const Context& context) {
  if (context.interrupt.signal() != SIGINT) return false;
  if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) return false;
  // In the background the terminal would stop us.
  if (tcgetpgrp(STDIN_FILENO) != getpgrp()) return false;
  // What was typed before the question is no answer to it.
  tcflush(STDIN_FILENO, TCIFLUSH);
  PrintError("\nLet it go on in the background? [Y/n] ");
  char answer[16] = {};
  pollfd input{STDIN_FILENO, POLLIN, 0};
  if (poll(&input, 1, 30'000) <= 0 || read(STDIN_FILENO, answer, sizeof answer - 1) <= 0)
    return false;
  return answer[0] == 'n' || answer[0] == 'N';
}

Status Cancel(DaemonClient& daemon, const std::set<uint64_t>& ids) {
  v1::CancelRequest request;
  for (const uint64_t id : ids) request.add_intent_ids(id);
  return daemon.Cancel(request).status();
}

// An intent that somebody waited for gives up at once when no provider is left. What goes on in the
// background has time: so it becomes an intent with the usual patience, which shares the request
// with the first. Returns the id under which it goes on. The first is cancelled, unless it has a
// key, under which somebody may ask for it again.
StatusOr<uint64_t> LetGoOn(DaemonClient& daemon, const v1::QueueItem& item, uint64_t id) {
  v1::QueueRequest request;
  *request.add_items() = item;
  request.mutable_items(0)->clear_patience_ms();
  request.mutable_items(0)->clear_idempotency_key();
  BLOBD_ASSIGN_OR_RETURN(const v1::QueueResponse queued, daemon.Queue(request));
  if (item.idempotency_key().empty()) BLOBD_RETURN_IF_ERROR(Cancel(daemon, {id}));
  return queued.intents(0).intent_id();
}

// What a `get` has asked for, and how it was answered.
struct Asked {
  v1::QueueItem item;
  v1::QueuedIntent intent;
  bool is_impatient;  // gives up without a provider, as nobody said otherwise
};

// Nobody waits for it any more: it goes on, or is cancelled.
int Leave(const Context& context, const Asked& asked, const GetOptions& options) {
  // The interrupted connection is used up: a new one for the last word.
  auto daemon = DaemonClient::Connect(context.socket, {kLastWord, nullptr});
  if (!daemon.ok()) return Fail(daemon.status());
  uint64_t id = asked.intent.intent_id();
  const bool cancel = context.interrupt.happened() && options.cancel_on_interrupt;
  // Under a key that was used before it is somebody's who did not wait, and stays as it was.
  const bool is_ours = asked.item.idempotency_key().empty() || !asked.intent.existed();
  // Before the question: a second Ctrl-C ends us, and not the download.
  if (!cancel && asked.is_impatient && is_ours) {
    const auto successor = LetGoOn(**daemon, asked.item, id);
    if (!successor.ok()) return Fail(successor.status());
    id = *successor;
  }
  if (cancel || AsksToCancel(context)) {
    if (const Status status = Cancel(**daemon, {asked.intent.intent_id(), id}); !status.ok())
      return Fail(status);
    PrintError("blobctl: intent {} is cancelled\n", id);
  } else if (options.output.empty()) {
    PrintError("blobctl: intent {} goes on; see it with \"blobctl watch {}\"\n", id, id);
  } else {
    PrintError(
        "blobctl: intent {} goes on, but nothing is written; for that run the same command again\n",
        id);
  }
  return context.interrupt.happened() ? kExitInterrupted : kExitTimeout;
}

int Export(Context& context, const v1::Intent& intent, const GetOptions& options) {
  ProgressLine progress(!context.style.quiet && !context.style.is_json() && options.output != "-");
  const ExportOptions export_options{options.output, options.force};
  const std::string& hash = intent.kind().hash();
  const auto exported = intent.kind().format() == v1::BLOB_FORMAT_HASH_SEQ
                            ? ExportCollection(*context.daemon, hash, export_options, progress)
                            : ExportBlob(*context.daemon, hash, export_options, progress);
  progress.Clear();
  if (!exported.ok()) return Fail(exported.status());
  NoteExisted(context.style, *exported);
  return kExitDone;
}

// What `wanted` will be exported as; a ticket says that itself. Of one that is none, the daemon
// says so when it is queued.
bool IsCollection(DaemonClient& daemon, const std::string& wanted) {
  v1::Kind kind = KindOf(wanted);
  if (!IsHashSyntax(wanted)) {
    const auto ticket = daemon.ParseTicket(wanted);
    if (ticket.ok()) kind = ticket->kind();
  }
  return kind.format() == v1::BLOB_FORMAT_HASH_SEQ;
}

void PrintDone(const Context& context, const v1::Intent& intent, const std::string& output) {
  if (context.style.is_json() || output == "-") return;
  if (context.style.quiet) {
    PrintOut("{}\n", intent.kind().hash());
    return;
  }
  const int64_t ms = std::max<int64_t>(1, intent.finished_unix_ms() - intent.created_unix_ms());
  Say(context.style, "{} {}, {}{}{}\n", intent.kind().hash(), FormatSize(intent.total_bytes()),
      intent.downloaded_bytes() == 0
          ? "already here"
          : fmt::format("verified in {} ({})", FormatDuration(milliseconds(ms)),
                        FormatRate(static_cast<double>(intent.downloaded_bytes()) * 1000 /
                                   static_cast<double>(ms))),
      output.empty() ? "" : " -> ", EscapeForTerminal(output));
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
  // Before the download, so that it is not for nothing.
  if (!options.output.empty() && options.output != "-" && !options.detach) {
    const Status status = IsCollection(*context.daemon, wanted)
                              ? CheckCollectionTarget(options.output)
                              : CheckTarget(options.output, options.force);
    if (!status.ok()) return Fail(status);
  }
  const auto item = ItemOf(wanted, queue);
  if (!item.ok()) return Fail(item.status());
  *request.add_items() = *item;
  const auto queued = context.daemon->Queue(request);
  if (!queued.ok()) return Fail(queued.status());
  const v1::QueuedIntent& intent = queued->intents(0);
  for (const std::string& provider : intent.refused_providers()) {
    PrintError("blobctl: provider {} is banned and was not used\n", EscapeForTerminal(provider));
  }
  if (options.detach) {
    if (context.style.is_json()) {
      PrintJson(context.style, intent);
    } else {
      PrintOut("{}{}\n", context.style.quiet ? "" : "intent ", intent.intent_id());
    }
    return kExitDone;
  }
  const auto ended = Watch(context, intent.intent_id(), true);
  if (!ended.ok()) {
    if (context.interrupt.happened() || ended.status().code() == StatusCode::kDeadlineExceeded)
      return Leave(context, {*item, intent, !options.queue.patience_ms}, options);
    return Fail(ended.status());
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
