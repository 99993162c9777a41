// Config: what the daemon is told to do, from built-in defaults, TOML files, the environment and
// the command line, in this order. Unknown keys and bad values are errors that name the place and
// the valid range; nothing is guessed. Its keys are those of config_keys.h.
//
// Values; any thread. Sizes and durations carry their unit in the key.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/socket_address.h"
#include "base/status.h"
#include "daemon/config_place.h"
#include "daemon/lookup_config.h"
#include "daemon/mirror_config.h"
#include "engine/engine.h"
#include "engine/keeper.h"
#include "quic/endpoint.h"
#include "schedule/rate_plan.h"
#include "transfer/upload_server.h"

namespace blobd::daemon {

// An entry of the schedule of bandwidths (rate_config.h). An outer nullopt: it says nothing of that
// direction; an inner one: no limit.
struct RateEntry {
  schedule::RateWindow window;
  std::string hours;  // as they are written
  std::optional<std::optional<uint64_t>> download;
  std::optional<std::optional<uint64_t>> upload;
};

struct RateConfig {
  std::optional<uint64_t> download;  // bytes per second; nullopt: no limit
  std::optional<uint64_t> upload;
  std::vector<RateEntry> schedule;
};

// A value that somebody gave.
struct WrittenValue {
  std::string value;  // as TOML (ToToml in config_values.h)
  ConfigPlace place;
};

struct Config {
  std::string state_dir;
  std::string socket;
  std::string data_socket;           // empty: beside `socket`
  std::string socket_group;          // empty: the group of the process
  std::string admin_group = "root";  // its members are administrators; empty: of no group
  std::string metrics_socket;        // empty: none
  quic::EndpointOptions quic;
  // Where others may reach us, for tickets; empty: what the interfaces have.
  std::vector<SocketAddress> advertise;
  std::string log_level = "info";
  uint32_t workers = 0;  // 0: one per core, at least 2
  engine::EngineOptions engine;
  engine::KeeperOptions keeper;
  Duration stall_timeout = seconds(10);
  transfer::ServeOptions serve;
  RateConfig rates;
  MirrorConfig mirrors;
  LookupConfig lookup;
  // By the names of keys, those that are not as they are by default, or are said to be so. Secrets
  // too: see Shown in config_keys.h.
  std::map<std::string, WrittenValue> written;
  // The files that were read, in this order.
  std::vector<std::string> files;
  // What is wrong with files that can be used all the same, for the log.
  std::vector<std::string> warnings;
};

// "anyone", "listed" or "nobody"; nullopt for anything else.
std::optional<transfer::ServeMode> ParseServeMode(std::string_view text);

// Where the data socket goes: where the configuration says, else beside the other one:
// /x/blobd.sock has /x/blobd-data.sock.
std::string DataSocketPath(const Config& config);

// The defaults for this user: the system's places for root, the user's own ones (XDG) for anybody
// else.
Config DefaultConfig();
// The file that is read when none is named, whether it exists or not. Files beside it are read
// after it, see config_files.h.
std::string DefaultConfigFile();

// Applies `toml`, which was read from `file`, to `config`. On error nothing is changed.
Status ApplyToml(std::string_view toml, const std::string& file, Config* config);

// Applies one key, whose value `text` is TOML, or without quotes where it can only be a text.
// On error nothing is changed.
// REQUIRES: there is such a key, and `place` is the environment or the command line
Status ApplyOne(const std::string& key, std::string_view text, const ConfigPlace& place,
                Config* config);

}  // namespace blobd::daemon
