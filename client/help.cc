#include "client/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/nearest_name.h"
#include "base/utf8.h"

namespace blobd::client {
namespace {

constexpr size_t kColumns = 79;
constexpr size_t kWidestName = 28;

std::vector<std::string> WordsOf(const std::string& text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

// `first`, then the words beginning in the column `indent`, on as many lines as that takes.
std::string Wrapped(const std::string& first, size_t indent,
                    const std::vector<std::string>& words) {
  std::string text;
  std::string line = first;
  const auto next_line = [&] {
    text += line + "\n";
    line.clear();
  };
  if (line.size() + (indent == 0 ? 0 : 1) > indent && !line.empty()) next_line();
  for (const std::string& word : words) {
    const bool begins = line.size() <= indent;
    if (!begins && line.size() + 1 + word.size() > kColumns) next_line();
    if (line.size() < indent) line.append(indent - line.size(), ' ');
    if (line.size() > indent) line += ' ';
    line += word;
  }
  next_line();
  return text;
}

bool IsHidden(const CLI::Option& option, bool is_top) {
  return option.get_group().empty() || (!is_top && option.check_lname("help"));
}

// "-o, --output PATH", or "WANTED...".
std::string Spelled(const CLI::Option& option) {
  if (option.get_positional()) {
    return "  " + option.get_name(true) + (option.get_items_expected_max() > 1 ? "..." : "");
  }
  std::string text = "      ";
  if (!option.get_snames().empty()) text = fmt::format("  -{}, ", option.get_snames().front());
  text += "--" + option.get_lnames().front();
  const std::string value = option.get_items_expected_max() == 0 ? "" : option.get_type_name();
  return text + (value.empty() || value.front() == '[' ? "" : " ") + value;
}

using Rows = std::vector<std::pair<std::string, std::string>>;

std::string Section(const std::string& title, const Rows& rows) {
  if (rows.empty()) return "";
  size_t width = 0;
  for (const auto& row : rows) width = std::max(width, std::min(row.first.size(), kWidestName));
  std::string text = "\n" + title + "\n";
  for (const auto& [name, description] : rows)
    text += Wrapped(name, width + 2, WordsOf(description));
  return text;
}

std::vector<const CLI::App*> CommandsOf(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// The names of the commands, group by group.
std::string Index(const CLI::App& top) {
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const CLI::App* command : CommandsOf(top)) {
    const auto is_its = [&](const auto& group) { return group.first == command->get_group(); };
    auto group = std::find_if(groups.begin(), groups.end(), is_its);
    if (group == groups.end()) group = groups.insert(groups.end(), {command->get_group(), {}});
    group->second.push_back(command->get_name());
  }
  std::string text = "\nCommands:\n";
  for (const auto& [group, names] : groups) text += Wrapped("  " + group, 13, names);
  return text;
}

std::string UsageOf(const CLI::App& command, bool has_commands) {
  std::string text = fmt::format("Usage: {} [OPTION]...", NameOf(command));
  if (has_commands) text += command.get_parent() == nullptr ? " COMMAND ..." : " [COMMAND]";
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_positional()) continue;
    const std::string name = Spelled(*option).substr(2);
    text += option->get_required() ? " " + name : " [" + name + "]";
  }
  return text + "\n";
}

std::string Quoted(const std::string& word) { return "\"" + EscapeForTerminal(word) + "\""; }

std::string DidYouMean(const std::string& word, const std::vector<std::string>& names) {
  const std::string nearest = NearestName(word, names);
  return nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest);
}

std::string UnknownCommand(const CLI::App& above, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* command : CommandsOf(above)) names.push_back(command->get_name());
  return fmt::format("there is no command {}{}", Quoted(word), DidYouMean(word, names));
}

std::string Unexpected(const CLI::App& top, const CLI::App& chosen, const std::string& word) {
  if (!word.starts_with("-")) {
    const auto options = chosen.get_options();
    const bool takes_words =
        std::any_of(options.begin(), options.end(),
                    [](const CLI::Option* option) { return option->get_positional(); });
    if (!takes_words && !CommandsOf(chosen).empty()) return UnknownCommand(chosen, word);
    return "there is one argument too many: " + Quoted(word);
  }
  std::vector<std::string> names;
  for (const CLI::App* app : {&chosen, &top}) {
    for (const CLI::Option* option : app->get_options())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return fmt::format("there is no option {}{}", Quoted(word),
                     DidYouMean(word.substr(0, word.find('=')), names));
}

// What CLI11 says, in our words.
std::string Explained(const std::string& kind, std::string text) {
  if (kind == "ConversionError" && text.starts_with("Could not convert: ")) {
    text = text.substr(text.find(": ") + 2);
    if (const size_t at = text.find(" = "); at != std::string::npos)
      return fmt::format("{}: {} is no such number", text.substr(0, at),
                         Quoted(text.substr(at + 3)));
  }
  if (kind == "ArgumentMismatch" && text.ends_with(" missing"))
    return text.substr(0, text.find(": ")) + ": its value is missing";
  if (const size_t at = text.find(": At Most "); at != std::string::npos) {
    const std::string numbers = text.substr(at + 10);
    return fmt::format("{}: at most {}, but there are {}", text.substr(0, at),
                       numbers.substr(0, numbers.find(' ')),
                       numbers.substr(numbers.rfind(' ') + 1));
  }
  if (const size_t at = text.find(" excludes "); kind == "ExcludesError" && at != std::string::npos)
    return text.substr(0, at) + " does not go with " + text.substr(at + 10);
  if (kind == "RequiredError") return text.substr(0, text.find(' ')) + " is missing";
  return EscapeForTerminal(text);
}

}  // namespace

std::string NameOf(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return (parent == nullptr ? "" : NameOf(*parent) + " ") + command.get_name();
}

std::string HelpOf(const CLI::App& command) {
  const bool is_top = command.get_parent() == nullptr;
  const auto commands = CommandsOf(command);
  Rows arguments;
  Rows options;
  for (const CLI::Option* option : command.get_options()) {
    if (IsHidden(*option, is_top)) continue;
    (option->get_positional() ? arguments : options)
        .emplace_back(Spelled(*option), option->get_description());
  }
  std::string text = UsageOf(command, !commands.empty());
  text += Wrapped("", 0, WordsOf(command.get_description() + "."));
  if (is_top) {
    text += Index(command) + Section("Options, which every command takes:", options);
    return text + "\n\"blobctl COMMAND --help\" says more of one, blobctl(1) of everything.\n";
  }
  Rows below;
  for (const CLI::App* each : commands)
    below.emplace_back("  " + each->get_name(), each->get_description());
  text += Section("Commands:", below) + Section("Arguments:", arguments);
  return text + Section("Options, besides those of \"blobctl --help\":", options);
}

std::string UsageError(const CLI::App& top, const CLI::App& chosen, const CLI::ParseError& error) {
  const std::vector<std::string> rest = top.remaining(true);
  const auto word = std::find_if(rest.begin(), rest.end(),
                                 [](const auto& each) { return !each.starts_with("-"); });
  const bool wants_command =
      error.get_name() == "RequiredError" && std::string(error.what()).starts_with("A subcommand");
  const auto option = std::find_if(rest.begin(), rest.end(),
                                   [](const auto& each) { return each.starts_with("-"); });
  std::string text;
  if (wants_command && word != rest.end()) {
    text = UnknownCommand(chosen, *word);
  } else if (wants_command && rest.empty()) {
    text = "say which command";
  } else if (option != rest.end()) {
    // What stands behind it was no argument, so this comes before what is wrong with those.
    text = Unexpected(top, chosen, *option);
  } else if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError)) {
    // "The following argument was not expected: now"
    const std::string what = error.what();
    text = Unexpected(top, chosen, what.substr(std::min(what.find(": ") + 2, what.size())));
  } else {
    text = Explained(error.get_name(), error.what());
  }
  return fmt::format("blobctl: {}{} see \"{} --help\"\n", text, text.ends_with("?") ? "" : ";",
                     NameOf(chosen));
}

}  // namespace blobd::client
