// MirrorConfig: the `[mirrors]` part of the configuration: how web servers are used, and which are
// asked for every hash.
//
//   [mirrors]
//   templates = ["https://mirror.example/{hash}"]
//   allow_local = false         addresses of this machine, its link, and of clouds' metadata
//   polite = false
//   ramp = true
//   prefer = "throughput"       or "nodes", "mirrors": which are used first where both could be
//   proxy = "http://proxy:3128"
//   ca_file = "/etc/ssl/own.pem"
//   [mirrors.origins."https://mirror.example"]
//   headers = { Authorization = "Bearer ..." }
//   connections = 2             also proxy, allow_local, polite and ramp, for this origin alone
//
// Values; any thread. Headers are secrets: no error shows their values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http/origin_config.h"
#include "schedule/scheduler.h"

namespace blobd::daemon {

// What is said of one origin; what is not said is as for all.
struct MirrorOrigin {
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::string> proxy;
  std::optional<bool> allow_local;
  std::optional<bool> polite;
  std::optional<bool> ramp;
  std::optional<uint32_t> connections;
};

struct MirrorConfig {
  std::vector<std::string> templates;  // checked; as they were written
  MirrorOrigin all;                    // without headers
  std::map<http::Origin, MirrorOrigin> origins;
  std::string ca_file;  // empty: the system's certificates
  schedule::Preference prefer = schedule::Preference::kThroughput;
};

// For the HTTP client. `connections`: of an origin that has no number of its own.
http::OriginConfigs ToOrigins(const MirrorConfig& config, uint32_t connections);

}  // namespace blobd::daemon
