// OriginConfig: what the operator says about one origin (scheme, host, port): extra headers such as
// a token, a proxy, that it may be a local address, how politely it is used. It holds for fetches
// that name the origin (redirects.h).
//
// Values. Headers are secrets: nothing here is ever logged.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "http/ramp.h"
#include "http/url.h"

namespace blobd::http {

struct OriginConfig {
  std::vector<std::pair<std::string, std::string>> headers;
  std::string proxy;           // http, https or socks5h URL; empty: no proxy
  bool local_allowed = false;  // may be a loopback, link-local or metadata address
  RampOptions ramp;
  bool own_cap = false;  // ramp.cap is this origin's own: a change for all others leaves it alone
};

// For every origin that is not named, `defaults`.
struct OriginConfigs {
  OriginConfig defaults;
  std::map<Origin, OriginConfig> named;

  const OriginConfig& For(const Origin& origin) const;
};

// Returns kInvalidArgument for a name or value that cannot stand in a request, and for headers that
// are ours to set (Range, Host and the like).
Status CheckHeader(std::string_view name, std::string_view value);
Status CheckProxy(std::string_view proxy);
// Both, and that the limits are at least 1.
Status CheckConfig(const OriginConfig& config);

}  // namespace blobd::http
