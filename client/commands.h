// The commands of blobctl, with their options and arguments: what the command line can say.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/context.h"

namespace blobd::client {

// What was said; each command reads its own.
struct Arguments {
  std::string socket;
  bool offline = false;
  std::string state_dir;
  std::optional<int64_t> timeout_ms;
  std::string json = "off";  // auto, pretty, short or off
  bool quiet = false;
  bool full = false;
  bool no_legend = false;
  bool no_pager = false;  // accepted, since there is none
  bool watch = false;
  GetOptions get;
  QueueOptions queue;
  ListOptions list;
  TopOptions top;
  uint16_t port = 0;
  ExportArguments exported;
  AddOptions add;
  ImportStoreOptions import_store;
  ExportStoreOptions export_store;
  TicketOptions ticket;
  TagOptions tag;
  GcOptions gc;
  PauseOptions pause;
  LimitsOptions limits;
  ConfigOptions config;
  OutboardOptions outboard;
  ImportOptions import;
  BanOptions ban;
  bool publish = false;
  bool force = false;
  bool all = false;
  std::string shell;
  std::vector<uint64_t> ids;
  std::vector<std::string> paths;
  std::string hash;
  uint64_t offset = 0;
  uint64_t length = 0;
};

using Command = std::function<int(Context&)>;

struct Commands {
  std::map<const CLI::App*, Command> local;   // need no daemon
  std::map<const CLI::App*, Command> remote;  // Context::daemon is there
};

// Both arguments outlive `app`.
void AddGlobalOptions(CLI::App& app, Arguments& args);
Commands AddCommands(CLI::App& app, Arguments& args);

}  // namespace blobd::client
