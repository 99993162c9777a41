#include "daemon/environment.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "base/nearest_name.h"
#include "base/utf8.h"
#include "daemon/config_keys.h"

namespace blobd::daemon {
namespace {

constexpr std::string_view kPrefix = "BLOBD_";
// For units, not for us: options of their command lines.
constexpr std::string_view kOfUnits[] = {"BLOBD_OPTIONS", "BLOBD_GET_OPTIONS"};

// The keys by their variables.
const std::map<std::string, std::string>& Variables() {
  static const std::map<std::string, std::string> variables = [] {
    std::map<std::string, std::string> all;
    for (const auto& [name, key] : AllKeys())
      if (std::string variable = VariableOf(name); !variable.empty()) all[variable] = name;
    return all;
  }();
  return variables;
}

std::string WarningOf(const std::string& variable) {
  std::vector<std::string> names;
  for (const auto& [name, key] : Variables()) names.push_back(name);
  const std::string nearest = NearestName(variable, names);
  return fmt::format("{} in the environment is no key of the configuration{}",
                     EscapeForTerminal(variable),
                     nearest.empty() ? "" : fmt::format(": did you mean {}?", nearest));
}

}  // namespace

Status ApplyEnvironment(std::span<const std::string_view> environment, Config* config) {
  for (const std::string_view line : environment) {
    const size_t equals = line.find('=');
    if (!line.starts_with(kPrefix) || equals == std::string_view::npos) continue;
    const std::string variable(line.substr(0, equals));
    const std::string_view value = line.substr(equals + 1);
    const auto known = Variables().find(variable);
    if (known == Variables().end()) {
      if (std::count(std::begin(kOfUnits), std::end(kOfUnits), variable) == 0)
        config->warnings.push_back(WarningOf(variable));
    } else if (!value.empty()) {
      BLOBD_RETURN_IF_ERROR(
          ApplyOne(known->second, value, {ConfigPlace::Kind::kEnvironment, variable, 0}, config));
    }
  }
  return OkStatus();
}

std::vector<std::string_view> ProcessEnvironment() {
  std::vector<std::string_view> lines;
  for (char** line = environ; line != nullptr && *line != nullptr; ++line)
    lines.emplace_back(*line);
  return lines;
}

}  // namespace blobd::daemon
