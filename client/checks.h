// Checks of what options and arguments are given. Their errors say what would be right; they have
// no description, since help says that.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace blobd::client {

CLI::Validator Time();  // as ParseTime; leaves milliseconds
// As ParseSize; leaves bytes. Only where a mistake does no harm may a number stand for bytes.
CLI::Validator Size();
CLI::Validator SizeOrBytes();
CLI::Validator Id(const std::string& list = "intents");
CLI::Validator Port();
CLI::Validator OneOf(const std::vector<std::string>& words);

}  // namespace blobd::client
