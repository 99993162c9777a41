// get: queue, watch with a progress bar, export. And watch: the middle part alone.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>

#include "base/units.h"
#include "base/utf8.h"
#include "client/context.h"
#include "client/export.h"
#include "client/progress_line.h"

namespace blobd::client {
namespace {

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
  fmt::print(stderr, "blobctl: {} {}: {}\n", intent.kind().hash().substr(0, 10),
             StateName(intent.state()), reason);
  for (const v1::ProviderFailure& failure : intent.failures()) {
    fmt::print(stderr, "  {}: {}\n", EscapeForTerminal(failure.provider()).substr(0, 80),
               EscapeForTerminal(failure.reason()));
  }
}

// Ctrl-C on a terminal: let it go on without us?
bool AsksToCancel() {
  if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) return false;
  fmt::print(stderr, "\nLet the download go on in the background? [Y/n] ");
  std::fflush(stderr);
  char answer[16] = {};
  pollfd input{STDIN_FILENO, POLLIN, 0};
  if (poll(&input, 1, 30'000) <= 0 || read(STDIN_FILENO, answer, sizeof answer - 1) <= 0)
    return false;
  return answer[0] == 'n' || answer[0] == 'N';
}

int Interrupted(const Context& context, uint64_t id, bool cancel) {
  // The interrupted connection is used up: a new one for the last word.
  if (cancel || AsksToCancel()) {
    auto daemon = DaemonClient::Connect(context.socket);
    if (!daemon.ok()) return Fail(daemon.status());
    v1::CancelRequest request;
    request.add_intent_ids(id);
    if (const auto answer = (*daemon)->Cancel(request); !answer.ok()) return Fail(answer.status());
    fmt::print(stderr, "blobctl: intent {} is cancelled\n", id);
  } else {
    fmt::print(stderr, "blobctl: intent {} goes on; see it with \"blobctl watch {}\"\n", id, id);
  }
  return kExitInterrupted;
}

int Export(Context& context, const v1::Intent& intent, const GetOptions& options) {
  ProgressLine progress(!context.style.quiet && !context.style.is_json() && options.output != "-");
  const ExportOptions export_options{options.output, options.force};
  const std::string& hash = intent.kind().hash();
  const Status status = intent.kind().format() == v1::BLOB_FORMAT_HASH_SEQ
                            ? ExportCollection(*context.daemon, hash, export_options, progress)
                            : ExportBlob(*context.daemon, hash, export_options, progress);
  progress.Clear();
  return status.ok() ? kExitDone : Fail(status);
}

void PrintDone(const Context& context, const v1::Intent& intent, const std::string& output) {
  if (context.style.is_json() || output == "-") return;
  if (context.style.quiet) {
    fmt::print("{}\n", intent.kind().hash());
    return;
  }
  const int64_t ms = std::max<int64_t>(1, intent.finished_unix_ms() - intent.created_unix_ms());
  fmt::print("{} {}, {} verified{}{}\n", intent.kind().hash(), FormatSize(intent.total_bytes()),
             intent.downloaded_bytes() == 0
                 ? "already here"
                 : fmt::format("in {} ({})", FormatDuration(milliseconds(ms)),
                               FormatRate(static_cast<double>(intent.downloaded_bytes()) * 1000 /
                                          static_cast<double>(ms))),
             output.empty() ? "" : " -> ", EscapeForTerminal(output));
}

}  // namespace

int RunGet(Context& context, const GetOptions& options) {
  QueueOptions queue = options.queue;
  // Somebody is waiting: no provider now is an answer, not a reason to wait for a day.
  if (!queue.patience_ms && !options.detach) queue.patience_ms = 0;
  v1::QueueRequest request;
  std::string wanted = queue.wanted.front();
  if (const Status status = ResolveWanted(context, &wanted); !status.ok()) return Fail(status);
  const auto item = ItemOf(wanted, queue);
  if (!item.ok()) return Fail(item.status());
  *request.add_items() = *item;
  const auto queued = context.daemon->Queue(request);
  if (!queued.ok()) return Fail(queued.status());
  const v1::QueuedIntent& intent = queued->intents(0);
  for (const std::string& provider : intent.refused_providers()) {
    fmt::print(stderr, "blobctl: provider {} is banned and was not used\n",
               EscapeForTerminal(provider));
  }
  if (options.detach) {
    if (context.style.is_json()) {
      PrintJson(context.style, intent);
    } else {
      fmt::print("{}{}\n", context.style.quiet ? "" : "intent ", intent.intent_id());
    }
    return kExitDone;
  }
  const auto ended = Watch(context, intent.intent_id(), true);
  if (!ended.ok()) {
    if (ended.status().code() == StatusCode::kCancelled && context.interrupt.happened()) {
      return Interrupted(context, intent.intent_id(), options.cancel_on_interrupt);
    }
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
