// top: what the daemon does now, on a whole screen, as one frame, or as JSON once a second.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "client/context.h"
#include "client/screen.h"
#include "client/top_feed.h"
#include "client/top_view.h"

namespace blobd::client {
namespace {

constexpr int kFrameMs = 1000;

template <typename Messages>
std::string JsonList(const Messages& messages) {
  std::string list;
  for (const auto& message : messages) list += (list.empty() ? "" : ",") + JsonOf(message);
  return "[" + list + "]";
}

// `count` 0: until interrupted.
int PrintAsJson(Context& context, uint64_t count) {
  for (uint64_t i = 0; count == 0 || i < count; ++i) {
    if (i > 0) {
      pollfd interrupted{context.interrupt.descriptor(), POLLIN, 0};
      poll(&interrupted, 1, kFrameMs);
    }
    const auto state = AskTopState(*context.daemon);
    if (context.interrupt.happened()) return kExitInterrupted;
    if (!state.ok()) return Fail(state.status());
    PrintOut("{{\"status\":{},\"transfers\":{},\"remotes\":{}}}\n", JsonOf(state->status),
             JsonList(state->transfers), JsonList(state->remotes));
    FlushOutput();
  }
  return kExitDone;
}

int PrintOnce(Context& context) {
  const auto state = AskTopState(*context.daemon);
  if (context.interrupt.happened()) return kExitInterrupted;
  if (!state.ok()) return Fail(state.status());
  Style style = context.style;
  style.colour = false;
  for (const std::string& line : ShowTop(*state, {}, style).lines) PrintOut("{}\n", line);
  return kExitDone;
}

// What is to be done when the screen is ours no more; OK: nothing.
Status ShowOnScreen(Context& context) {
  Screen screen;
  context.has_screen = true;
  context.interrupt.OnSecond([&screen] { screen.Leave(); });
  std::optional<TopFeed> feed(std::in_place, *context.daemon, TopFeed::Options());
  TopShape shape;
  TopFrame frame;
  std::string typed;
  Status status;
  for (bool quit = false; !quit && !context.interrupt.happened();) {
    auto state = feed->State();
    if (!state.ok()) {
      status = state.status();
      break;
    }
    Style style = context.style;
    style.columns = screen.columns();
    style.full = false;
    shape.lines = screen.lines();
    if (!feed->has_answered() && state->trouble.empty()) state->trouble = "waiting for blobd ...";
    frame = ShowTop(*state, shape, style);
    screen.Draw(frame.lines);
    std::array<pollfd, 3> events = {pollfd{STDIN_FILENO, POLLIN, 0},
                                    pollfd{screen.descriptor(), POLLIN, 0},
                                    pollfd{context.interrupt.descriptor(), POLLIN, 0}};
    if (poll(events.data(), events.size(), kFrameMs) <= 0) continue;
    if (events[1].revents != 0) screen.Attend();
    if (events[0].revents != 0 && !Screen::ReadKeys(&typed)) quit = true;
    while (const auto key = TakeKey(&typed)) {
      quit = quit || *key == TopKey::kQuit;
      shape = AfterKey(shape, *key, frame);
    }
  }
  feed.reset();  // it may take a moment, in which a second signal still finds the screen ours
  context.interrupt.OnSecond(nullptr);
  context.has_screen = false;
  return status;
}

}  // namespace

int RunTop(Context& context, const TopOptions& options) {
  if (context.style.is_json()) return PrintAsJson(context, options.once ? 1 : options.count);
  const bool is_terminal = isatty(STDOUT_FILENO) == 1 && isatty(STDIN_FILENO) == 1;
  if (options.once || !is_terminal || IsDumbTerminal()) return PrintOnce(context);
  const Status status = ShowOnScreen(context);
  if (context.interrupt.happened()) return kExitInterrupted;
  return status.ok() ? kExitDone : Fail(status);
}

}  // namespace blobd::client
