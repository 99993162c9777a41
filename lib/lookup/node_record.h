// NodeRecord: where a node says it can be reached, and its text form as TXT strings: one
// `key=value` each (protocol/transport.md, section 8):
//
//   relay=<url>   addr=<ip:port>   user-data=<text>
//
// Several addresses in one string, separated by spaces, are read too. Unknown keys and what does
// not parse are passed over: one bad entry must not cost the good ones.
//
// Pure functions and values; any thread. All of it is hearsay until a dial proves it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/socket_address.h"

namespace blobd::lookup {

struct NodeRecord {
  static constexpr size_t kMaxAddresses = 32;  // more are not kept
  static constexpr size_t kMaxRelays = 4;
  static constexpr size_t kMaxUserData = 245;  // bytes
  static constexpr size_t kMaxString = 255;    // of a TXT string

  std::vector<SocketAddress> addresses;
  std::vector<std::string> relay_urls;  // http or https URLs, not checked further
  std::string user_data;                // UTF-8

  bool empty() const { return addresses.empty() && relay_urls.empty(); }
  // What one string says joins the record; repetitions do not count.
  void Read(std::string_view text);
  // One string per entry, relays first. What is too long for a string is left out.
  std::vector<std::string> Strings() const;
  // An address that somebody could be at; others, and those beyond the limit, are left out.
  void AddAddress(const SocketAddress& address);
  bool operator==(const NodeRecord&) const = default;
};

}  // namespace blobd::lookup
