// Url: an http or https address that was checked and brought into one form, so that two spellings
// of one address are equal and nothing later needs to look at text again. Read by libcurl's URL
// API, which is also what fetches it: both see the same host.
//
// What is refused: other schemes; a user or password (they would end up in logs; configuration has
// headers for that); hosts that are no ASCII name or address (international names are written
// xn--...), scoped IPv6 addresses; control characters; more than kMaxUrlLength bytes. What is
// brought into form: case of scheme and host, addresses in any notation, default ports, "." and
// ".." in the path, spaces and bytes above 127 (percent-encoded); a fragment is dropped.
//
// Thread: any; values and pure functions.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/socket_address.h"
#include "base/status.h"

namespace blobd::http {

inline constexpr size_t kMaxUrlLength = 4096;

// What connections, capacity and failures belong to.
struct Origin {
  bool https = false;
  std::string host;  // lower case; an IPv6 address in brackets
  uint16_t port = 0;

  // "https://host" or "https://host:8443".
  std::string ToString() const;
  auto operator<=>(const Origin&) const = default;
};

class Url {
 public:
  // Returns kInvalidArgument with a sentence for people.
  static StatusOr<Url> Parse(std::string_view text);

  // What a Location header means on this page. The same checks.
  StatusOr<Url> Resolve(std::string_view location) const;
  // The same with `suffix` at the end of the path, before a query: "/f?k=1" becomes "/f.obao4?k=1".
  // REQUIRES: `suffix` has unreserved characters only
  StatusOr<Url> WithPathSuffix(std::string_view suffix) const;

  const std::string& text() const { return text_; }
  const Origin& origin() const { return origin_; }
  // The address that the host is, if it is one and no name.
  std::optional<SocketAddress> literal() const;
  // Without the query, which may hold a signature: for logs and reasons.
  std::string ForPeople() const;

  auto operator<=>(const Url&) const = default;

 private:
  std::string text_;
  Origin origin_;
};

// "https://mirror/{hash}": the URL of any blob, by its hash in hex. `{hash}` may stand in the path
// and in the query, more than once, but not in the host: that would make every blob an origin.
class UrlTemplate {
 public:
  static bool IsTemplate(std::string_view text);
  static StatusOr<UrlTemplate> Parse(std::string_view text);

  Url For(const Hash& hash) const;
  const Origin& origin() const { return origin_; }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  Origin origin_;
};

}  // namespace blobd::http
