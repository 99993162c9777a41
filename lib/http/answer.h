// What a server's answer means for what was asked. Pure: all of a fetch's decisions about status,
// range and entity are here.
//
// Thread: any; values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "http/fetch_end.h"
#include "http/head.h"

namespace blobd::http {

// What an earlier answer said of the file behind a URL. A later one must say the same.
struct Entity {
  bool ranges = false;           // it can begin in the middle
  std::optional<uint64_t> size;  // a claim
  std::string etag;              // with its quotes; may be weak; empty: none
  std::string modified;          // Last-Modified; empty: none

  bool operator==(const Entity&) const = default;
  // What If-Range may carry: a strong tag, else the date; empty if there is neither.
  const std::string& validator() const;
};

// Which bytes of which file.
struct Ask {
  uint64_t begin = 0;
  std::optional<uint64_t> end;   // nullopt: to the end of the file
  std::optional<Entity> entity;  // what is known of this file at this mirror
  std::optional<uint64_t> size;  // proven by others
  uint64_t max_size = uint64_t{16} << 40;

  // False for the one stream of a mirror that is known to have no ranges.
  bool ranged() const { return !entity || entity->ranges; }
};

// The header lines that the request has because of `ask`. REQUIRES: begin is 0 unless ranged()
std::vector<std::string> RequestHeaders(const Ask& ask);
// "0-99" or "100-"; empty when no range is asked for. REQUIRES: the ask's end is beyond its begin
std::string RangeOf(const Ask& ask);

// The body is bytes of the file.
struct Content {
  uint64_t begin = 0;
  std::optional<uint64_t> end;  // where the body ends, if that is known
  Entity entity;
};
struct Redirect {
  std::string location;
};
using Answer = std::variant<Content, Redirect, FetchEnd>;

// REQUIRES: `head` is final
Answer Judge(const Ask& ask, const Head& head);

}  // namespace blobd::http
