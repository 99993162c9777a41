// ConfigPlace: who said what a value of the configuration is.
//
// A value; any thread.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace blobd::daemon {

struct ConfigPlace {
  enum class Kind { kDefault, kFile, kEnvironment, kCommandLine };

  Kind kind = Kind::kDefault;
  std::string name;   // of the file, the variable or the option; empty for the default
  uint32_t line = 0;  // in a file

  ConfigPlace At(uint32_t line_in_file) const { return {kind, name, line_in_file}; }
  // "FILE:LINE", or the name: how an error begins.
  std::string ToString() const {
    return kind == Kind::kFile ? fmt::format("{}:{}", name, line) : name;
  }
};

}  // namespace blobd::daemon
