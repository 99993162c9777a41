#include "client/leave_get.h"

#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <set>
#include <utility>

#include "client/states.h"

namespace blobd::client {
namespace {

// What the daemon has for the last word of one that does not wait any more.
constexpr std::chrono::seconds kLastWord(10);
// As many ids of others as are named.
constexpr size_t kNamedOthers = 10;

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
// with the first, and whose id takes the place of the first's. The first is cancelled, unless it
// has a key, under which somebody may ask for it again.
Status LetGoOn(DaemonClient& daemon, const v1::QueueItem& item, uint64_t* id) {
  v1::QueueRequest request;
  *request.add_items() = item;
  request.mutable_items(0)->clear_patience_ms();
  request.mutable_items(0)->clear_idempotency_key();
  BLOBD_ASSIGN_OR_RETURN(const v1::QueueResponse queued, daemon.Queue(request));
  const uint64_t first = std::exchange(*id, queued.intents(0).intent_id());
  return item.idempotency_key().empty() ? Cancel(daemon, {first}) : OkStatus();
}

std::string GoesOn(uint64_t id, const GetOptions& options) {
  if (options.output.empty())
    return fmt::format("intent {} goes on; see it with \"blobctl watch {}\"", id, id);
  return fmt::format(
      "intent {} goes on, but nothing is written; for that run the same command again", id);
}

// What is to be said of an intent that is left as it is.
std::string HowItIsLeft(const v1::Intent& intent, const GetOptions& options) {
  const uint64_t id = intent.intent_id();
  if (intent.state() == v1::INTENT_STATE_DONE && !options.output.empty()) {
    return fmt::format(
        "intent {} is done, but nothing is written; for that run the same command again", id);
  }
  if (intent.finished_unix_ms() != 0)
    return fmt::format("intent {} {}", id, StandsSo(intent.state()));
  if (intent.paused())
    return fmt::format("intent {} is paused; \"blobctl resume {}\" lets it go on", id, id);
  return GoesOn(id, options);
}

}  // namespace

std::string OthersWhoWant(DaemonClient& daemon, const v1::Kind& kind,
                          const std::set<uint64_t>& ours) {
  v1::ListRequestsRequest request;
  request.set_hash(kind.hash());
  const auto found =
      kind.hash().empty() ? v1::ListRequestsResponse() : daemon.ListRequests(request);
  if (!found.ok()) return "";
  std::string named;
  size_t count = 0;
  for (const v1::Request& each : found->requests()) {
    if (each.kind().format() != kind.format()) continue;
    for (const uint64_t id : each.intent_ids()) {
      if (ours.contains(id) || ++count > kNamedOthers) continue;
      named += fmt::format("{}{}", named.empty() ? "" : ", ", id);
    }
  }
  if (count == 0) return "";
  if (count > kNamedOthers) named += ", ...";
  return "; others still want it, and it goes on for them: " + named;
}

namespace {

// The last word itself, said to the daemon and to the person.
Status Leave(Context& context, const Asked& asked, const GetOptions& options, uint64_t* id) {
  // The interrupted connection is used up.
  BLOBD_ASSIGN_OR_RETURN(const auto daemon,
                         DaemonClient::Connect(context.socket, {kLastWord, nullptr}));
  BLOBD_ASSIGN_OR_RETURN(v1::Intent intent, daemon->GetIntent(*id));
  const bool cancel = context.interrupt.happened() && options.cancel_on_interrupt;
  // Under a key that was used before it is somebody's who did not wait, and stays as it was.
  const bool is_ours = asked.item.idempotency_key().empty() || !asked.intent.existed();
  const bool is_over = intent.finished_unix_ms() != 0;
  // What is paused, or over, gives up by nobody's absence.
  const bool rests = intent.paused() || is_over;
  // Before the question: a second Ctrl-C ends us, and not the download.
  if (!cancel && asked.is_impatient && is_ours && !rests) {
    BLOBD_RETURN_IF_ERROR(LetGoOn(*daemon, asked.item, id));
    intent.set_intent_id(*id);
    SayIdOnSecond(context, *id, options);
  }
  if (!is_over && (cancel || AsksToCancel(context))) {
    const std::set<uint64_t> ours = {asked.intent.intent_id(), *id};
    BLOBD_RETURN_IF_ERROR(Cancel(*daemon, ours));
    PrintError("blobctl: intent {} is cancelled{}\n", *id,
               OthersWhoWant(*daemon, intent.kind(), ours));
  } else {
    PrintError("blobctl: {}\n", HowItIsLeft(intent, options));
  }
  return OkStatus();
}

}  // namespace

void SayIdOnSecond(Context& context, uint64_t id, const GetOptions& options) {
  context.interrupt.OnSecond([text = GoesOn(id, options)] {
    PrintError("{}blobctl: {}\n", isatty(STDERR_FILENO) == 1 ? "\n" : "", text);
  });
}

StatusOr<v1::QueueResponse> QueueOnceMore(const Context& context, const v1::QueueRequest& request) {
  BLOBD_ASSIGN_OR_RETURN(const auto daemon,
                         DaemonClient::Connect(context.socket, {kLastWord, nullptr}));
  return daemon->Queue(request);
}

int LeaveGet(Context& context, const Asked& asked, const GetOptions& options) {
  uint64_t id = asked.intent.intent_id();
  if (const Status status = Leave(context, asked, options, &id); !status.ok()) {
    Fail(status);
    PrintError("blobctl: {}\n", GoesOn(id, options));
  }
  return context.interrupt.happened() ? kExitInterrupted : kExitTimeout;
}

}  // namespace blobd::client
