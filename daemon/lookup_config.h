// LookupConfig: where nodes are looked for, as the table [lookup] of the configuration says. What
// would tell anybody else whom we look for, or where we are, is off unless it is switched on.
//
// Values; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "engine/lookup_services.h"

namespace blobd::daemon {

struct LookupConfig {
  bool known = true;     // what `nodes` says
  bool registry = true;  // what worked in earlier lives
  bool dns = false;
  bool pkarr = false;
  bool pkarr_publish = false;  // our addresses
  bool local = false;
  bool local_publish = true;  // while `local`
  std::string dns_origin = "dns.iroh.link";
  std::vector<std::string> dns_servers;  // none: the machine's
  std::string pkarr_relay = "https://dns.iroh.link/pkarr";
  Duration timeout = seconds(5);  // of one service
  engine::LookupServices::StaticNodes nodes;

  // `seed` makes the random waits on the local network differ between nodes.
  lookup::ServicesOptions Options(uint64_t seed) const;
};

}  // namespace blobd::daemon
