#include "lookup/node_record.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "path/address_book.h"

namespace blobd::lookup {
namespace {

bool IsRelayUrl(std::string_view text) {
  if (!text.starts_with("https://") && !text.starts_with("http://")) return false;
  // What has spaces or control characters in it is no URL, and nothing to show or to dial.
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

void NodeRecord::AddAddress(const SocketAddress& address) {
  if (addresses.size() >= kMaxAddresses || !path::AddressBook::CanBeDialled(address)) return;
  if (std::find(addresses.begin(), addresses.end(), address) != addresses.end()) return;
  addresses.push_back(address);
}

void NodeRecord::Read(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || text.size() > 4096) return;
  const std::string_view key = text.substr(0, equals);
  std::string_view value = text.substr(equals + 1);
  if (key == "addr") {
    while (!value.empty()) {
      const size_t space = std::min(value.find(' '), value.size());
      if (const auto address = SocketAddress::Parse(value.substr(0, space))) AddAddress(*address);
      value.remove_prefix(std::min(space + 1, value.size()));
    }
  } else if (key == "relay") {
    if (relay_urls.size() >= kMaxRelays || !IsRelayUrl(value)) return;
    if (std::find(relay_urls.begin(), relay_urls.end(), value) != relay_urls.end()) return;
    relay_urls.emplace_back(value);
  } else if (key == "user-data") {
    if (value.size() <= kMaxUserData && IsUtf8(value)) user_data = value;
  }
}

std::vector<std::string> NodeRecord::Strings() const {
  std::vector<std::string> strings;
  const auto add = [&strings](std::string text) {
    if (text.size() <= kMaxString) strings.push_back(std::move(text));
  };
  for (const std::string& url : relay_urls) add("relay=" + url);
  for (const SocketAddress& address : addresses) add("addr=" + address.ToString());
  if (!user_data.empty()) add("user-data=" + user_data);
  return strings;
}

}  // namespace blobd::lookup
