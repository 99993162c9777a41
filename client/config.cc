// config dump: what is in force, as a file that the daemon could read.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/utf8.h"
#include "client/context.h"

namespace blobd::client {
namespace {

// TOML from the daemon has nothing in it that could drive a terminal; escaping it would spoil it.
std::string Plain(const std::string& text) {
  return IsPlainText(text) ? text : EscapeForTerminal(text);
}

std::string TableOf(const std::string& key) {
  const size_t dot = key.rfind('.');
  return dot == std::string::npos ? "" : key.substr(0, dot);
}

// Who said what the value is.
std::string OriginOf(const v1::ConfigValue& value) {
  switch (static_cast<int>(value.origin())) {
    case v1::CONFIG_ORIGIN_DEFAULT:
      return "default";
    case v1::CONFIG_ORIGIN_FILE:
      return fmt::format("{}:{}", EscapeForTerminal(value.place()), value.line());
    default:
      return EscapeForTerminal(value.place());
  }
}

std::string Comment(const v1::ConfigValue& value) {
  std::string comment = OriginOf(value);
  if (value.is_secret()) comment += "; not shown, as it may be a secret";
  if (value.has_after_restart())
    comment += fmt::format("; {} after a restart", Plain(value.after_restart()));
  return comment;
}

void PrintTable(const v1::GetConfigResponse& config, const std::string& table) {
  if (!table.empty()) PrintOut("\n[{}]\n", Plain(table));
  for (const v1::ConfigValue& value : config.values()) {
    if (TableOf(value.key()) != table) continue;
    const std::string name = value.key().substr(table.empty() ? 0 : table.size() + 1);
    // As in the file that is installed: a default may be another one in a later version.
    const bool is_default = value.origin() == v1::CONFIG_ORIGIN_DEFAULT;
    PrintOut("{}{} = {}  # {}\n", is_default || value.is_secret() ? "#" : "", Plain(name),
             Plain(value.value()), Comment(value));
  }
}

void PrintConfig(const v1::GetConfigResponse& config) {
  for (const std::string& file : config.files()) PrintOut("# read: {}\n", EscapeForTerminal(file));
  // What is in no table comes first, else it would be in one.
  std::vector<std::string> tables = {""};
  for (const v1::ConfigValue& value : config.values()) {
    const std::string table = TableOf(value.key());
    if (std::find(tables.begin(), tables.end(), table) == tables.end()) tables.push_back(table);
  }
  for (const std::string& table : tables) PrintTable(config, table);
}

}  // namespace

int RunConfigDump(Context& context, const ConfigOptions& options) {
  v1::GetConfigRequest request;
  request.set_prefix(options.prefix);
  request.set_changed_only(options.changed);
  const auto config = context.daemon->GetConfig(request);
  if (!config.ok()) return Fail(config.status());
  if (config->values().empty() && !options.prefix.empty() && !options.changed) {
    return Fail(NotFound("there is no key or table {}; \"blobctl config dump\" has all",
                         EscapeForTerminal(options.prefix)));
  }
  if (context.style.is_json()) {
    PrintJson(context.style, *config);
  } else if (context.style.quiet) {
    for (const v1::ConfigValue& value : config->values())
      if (!value.is_secret()) PrintOut("{} = {}\n", Plain(value.key()), Plain(value.value()));
  } else {
    PrintConfig(*config);
  }
  return kExitDone;
}

}  // namespace blobd::client
