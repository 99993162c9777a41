// blobctl: the command line. It parses, connects and dispatches; the commands are in their own
// files.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>

#include "base/utf8.h"
#include "client/commands.h"
#include "client/context.h"
#include "client/daemon_socket.h"
#include "client/field_names.h"
#include "client/help.h"
#include "client/offline_client.h"
#include "client/version.h"

namespace blobd::client {

int Fail(const Status& status) {
  PrintError("blobctl: {}\n", InWordsOfOptions(status));
  return ExitCodeOf(status);
}

namespace {

// The command given: with a command of its own, that one.
CLI::App* ChosenOf(CLI::App* app) {
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return app;
}

// "--json" alone takes no value, and so no word behind it: that may be an argument.
std::vector<std::string> WithoutBareJson(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + std::max(argc, 1));
  for (std::string& word : words) {
    if (word == "--") break;
    if (word == "--json") word = "--json=auto";
  }
  // CLI11 takes them from the end.
  std::reverse(words.begin(), words.end());
  return words;
}

Style StyleOf(const Arguments& args) {
  Style style;
  style.quiet = args.quiet;
  style.full = args.full;
  style.no_legend = args.no_legend;
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  const char* no_colour = std::getenv("NO_COLOR");
  style.colour = terminal && !IsDumbTerminal() && (no_colour == nullptr || *no_colour == '\0');
  if (terminal) style.columns = ColumnsOf(STDOUT_FILENO, 80);
  if (args.json == "off") return style;
  style.json = args.json == "pretty" || (args.json == "auto" && terminal) ? JsonForm::kPretty
                                                                          : JsonForm::kShort;
  return style;
}

// Says once that the daemon lets us wait, where somebody may read it.
void SayWaiting(const Context& context) {
  if (context.style.quiet || context.has_screen || isatty(STDERR_FILENO) != 1) return;
  PrintError("{}blobctl: waiting for blobd at {} ...\n", IsDumbTerminal() ? "" : "\r\x1b[K",
             EscapeForTerminal(context.socket));
}

int Run(const CLI::App* chosen, const Commands& commands, const Arguments& args) {
  Interrupt interrupt;
  Context context{args.socket.empty() ? DefaultSocket() : args.socket, StyleOf(args), interrupt,
                  nullptr};
  if (const auto local = commands.local.find(chosen); local != commands.local.end())
    return local->second(context);
  DaemonClient::Options options;
  if (args.timeout_ms) options.timeout = std::chrono::milliseconds(*args.timeout_ms);
  options.on_waiting = [&context] { SayWaiting(context); };
  auto daemon =
      args.offline ? OpenOffline(args.state_dir) : DaemonClient::Connect(context.socket, options);
  if (!daemon.ok()) return Fail(daemon.status());
  context.daemon = *std::move(daemon);
  context.is_offline = args.offline;
  interrupt.OnInterrupt([&context] { context.daemon->Interrupt(); });
  const int code = commands.remote.at(chosen)(context);
  interrupt.OnInterrupt(nullptr);
  return code;
}

int Main(int argc, char** argv) {
  CLI::App app{"Asks blobd, the machine's download daemon for immutable content", "blobctl"};
  Arguments args;
  app.fallthrough();
  app.require_subcommand(1);
  app.set_help_flag("-h,--help", "Help; also of each command");
  AddGlobalOptions(app, args);
  // Not in the help, which has no line to spare: there is "blobctl version".
  app.set_version_flag("--version", kVersion)->group("");
  const Commands commands = AddCommands(app, args);
  try {
    app.parse(WithoutBareJson(argc, argv));
  } catch (const CLI::CallForHelp&) {
    WriteOutput(HelpOf(*ChosenOf(&app)));
    return kExitDone;
  } catch (const CLI::CallForVersion&) {
    PrintOut("blobctl {}\n", kVersion);
    return kExitDone;
  } catch (const CLI::ParseError& error) {
    WriteError(UsageError(app, *ChosenOf(&app), error));
    return kExitUsage;
  }
  return Run(ChosenOf(&app), commands, args);
}

}  // namespace
}  // namespace blobd::client

int main(int argc, char** argv) {
  const int code = blobd::client::Main(argc, argv);
  blobd::client::FlushOutput();
  // gRPC's own clean-up at exit can hang for seconds, and there is nothing left to save.
  _exit(code);
}
