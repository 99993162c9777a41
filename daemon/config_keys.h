// The keys of the configuration: one table that knows everything about each. What reads files, the
// environment and the command line, what shows the configuration and what compares two of them all
// ask it. The keys of a part of the daemon stand beside that part.
//
// Values; any thread.
#pragma once

#include <toml++/toml.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/status.h"
#include "daemon/config.h"

namespace blobd::daemon {

// Whether a value is shown to people and programs.
enum class Secrecy {
  kNone,
  kUrl,    // not if it has a user or a query, which may hold a password or a signature
  kAlways  // never
};

struct ConfigKey {
  // What a value must be: "a whole number from 1 to 256".
  std::string valid;
  // Reads a value into the configuration. The error says what would be valid.
  std::function<Status(const toml::node&, Config*)> apply;
  // Its value in the configuration of which nothing was said (DefaultConfig), as TOML.
  std::function<std::string(const Config& defaults)> by_default;
  // Takes its value over; only of keys that are live.
  std::function<void(const Config& from, Config* to)> copy;
  // A running daemon takes a new value; the others need a restart.
  bool is_live = false;
  // The value is a text, and may be given without quotes where nothing else can be meant.
  bool is_text = false;
  // The value may be a number, too: what ends with a digit is one where a text needs no quotes.
  bool is_number = false;
  Secrecy secrecy = Secrecy::kNone;

  // Whether `value`, which is TOML, must not be shown.
  bool Hides(std::string_view value) const;
};

using ConfigKeys = std::map<std::string, ConfigKey>;  // "table.key"

ConfigKeys MainKeys();    // config_keys_main.cc
ConfigKeys LookupKeys();  // lookup_config.cc
ConfigKeys MirrorKeys();  // mirror_config.cc, and ApplyOrigins
ConfigKeys RateKeys();    // rate_config.cc

// The table of origins: each has keys of its own, which go into `config` and into its `written`. On
// error, which names the place, `config` is partly changed.
Status ApplyOrigins(const toml::node& node, const ConfigPlace& place, Config* config);

// All of them. One "mirrors.origins.*.NAME" is that of every origin; it is read as if it were said
// of all mirrors.
const ConfigKeys& AllKeys();
// By the name under which a value is written (Config::written); null: there is none.
const ConfigKey* FindKey(const std::string& name);

// "unknown key store.max_byte: did you mean store.max_bytes?"
std::string UnknownKey(const std::string& name);

// BLOBD_STORE_MAX_BYTES of "store.max_bytes"; empty: the environment cannot say it.
std::string VariableOf(const std::string& name);

// What stands in place of a value that is not shown.
inline constexpr std::string_view kHidden = "\"(hidden)\"";
// `value` as it may be shown to anybody.
std::string Shown(const std::string& key, const std::string& value);

}  // namespace blobd::daemon
