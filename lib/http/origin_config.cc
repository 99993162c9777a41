#include "http/origin_config.h"

#include <algorithm>
#include <array>

namespace blobd::http {
namespace {

constexpr size_t kMaxHeader = 8 * 1024;
constexpr size_t kMaxHeaders = 32;
// What decides which bytes come, and how: two opinions about it would be none.
constexpr std::array<std::string_view, 12> kOurs = {
    "range",   "if-range",          "accept-encoding",
    "host",    "connection",        "content-length",
    "te",      "transfer-encoding", "expect",
    "upgrade", "if-none-match",     "if-modified-since"};

// RFC 9110, 5.6.2.
bool IsTokenCharacter(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         kOthers.find(c) != std::string_view::npos;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return lower;
}

}  // namespace

const OriginConfig& OriginConfigs::For(const Origin& origin) const {
  const auto found = named.find(origin);
  return found == named.end() ? defaults : found->second;
}

Status CheckHeader(std::string_view name, std::string_view value) {
  if (name.empty() || !std::all_of(name.begin(), name.end(), IsTokenCharacter)) {
    return InvalidArgument("a header's name has letters, digits and dashes");
  }
  // Values are secrets: what is wrong is said, never what it is.
  if (value.empty()) return InvalidArgument("header {} has no value", name);
  if (name.size() + value.size() > kMaxHeader)
    return InvalidArgument("header {} is too long", name);
  const auto is_text = [](char c) { return c == '\t' || (c >= 0x20 && c < 0x7f); };
  if (!std::all_of(value.begin(), value.end(), is_text)) {
    return InvalidArgument("header {} has a control or non-ASCII character", name);
  }
  if (std::find(kOurs.begin(), kOurs.end(), Lower(name)) != kOurs.end()) {
    return InvalidArgument("header {} is set by blobd itself", name);
  }
  return OkStatus();
}

Status CheckProxy(std::string_view proxy) {
  if (proxy.empty()) return OkStatus();
  const size_t colon = proxy.find("://");
  const std::string scheme = Lower(proxy.substr(0, std::min(colon, proxy.size())));
  // socks5h, not socks5: names are resolved where the connection is made.
  if (colon == std::string_view::npos ||
      (scheme != "http" && scheme != "https" && scheme != "socks5h")) {
    return InvalidArgument("a proxy is http://, https:// or socks5h:// and a host");
  }
  const auto is_plain = [](char c) { return c > 0x20 && c < 0x7f; };
  const std::string_view rest = proxy.substr(colon + 3);
  if (rest.empty() || proxy.size() > kMaxUrlLength ||
      !std::all_of(rest.begin(), rest.end(), is_plain)) {
    return InvalidArgument("the proxy is no URL");
  }
  return OkStatus();
}

Status CheckConfig(const OriginConfig& config) {
  if (config.headers.size() > kMaxHeaders) {
    return InvalidArgument("{} headers for one origin, at most {}", config.headers.size(),
                           kMaxHeaders);
  }
  for (const auto& [name, value] : config.headers) {
    BLOBD_RETURN_IF_ERROR(CheckHeader(name, value));
  }
  if (config.ramp.cap == 0 || config.ramp.batch == 0) {
    return InvalidArgument("at least one connection must be allowed");
  }
  return CheckProxy(config.proxy);
}

}  // namespace blobd::http
