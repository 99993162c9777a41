// Help and errors of the command line: text of at most 79 columns, and 24 lines for a command.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace blobd::client {

// "blobctl remotes add".
std::string NameOf(const CLI::App& command);

// Of one command, or of all if it is the top.
std::string HelpOf(const CLI::App& command);

// Of words that mean no command: one line with what to do. `top` has parsed them.
std::string UsageError(const CLI::App& top, const CLI::App& chosen, const CLI::ParseError& error);

}  // namespace blobd::client
