#include "http/url.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/check.h"

namespace blobd::http {
namespace {

constexpr std::string_view kHashMark = "{hash}";

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using CurlUrl = std::unique_ptr<CURLU, FreeUrl>;

// A part in text; empty if the URL has none.
std::string PartOf(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  std::string copy = text;
  curl_free(text);
  return copy;
}

Status CheckText(std::string_view text) {
  if (text.empty()) return InvalidArgument("the URL is empty");
  if (text.size() > kMaxUrlLength) {
    return InvalidArgument("a URL of {} bytes is too long, at most {}", text.size(), kMaxUrlLength);
  }
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(text.begin(), text.end(), is_control)) {
    return InvalidArgument("the URL has a control character");
  }
  return OkStatus();
}

bool IsHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

Status CheckHost(std::string_view host) {
  if (host.empty()) return InvalidArgument("the URL names no host");
  if (host.size() > 255) return InvalidArgument("the host's name is too long");
  if (host.front() == '[') {
    // libcurl has read the address; only what follows a '%' would be left of its scope.
    if (!SocketAddress::Parse(std::string(host) + ":1")) {
      return InvalidArgument("{} is no address to fetch from", host);
    }
    return OkStatus();
  }
  if (!std::all_of(host.begin(), host.end(), IsHostCharacter)) {
    return InvalidArgument("the host must be a name in ASCII letters, digits, dots and dashes");
  }
  return OkStatus();
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

StatusOr<Origin> OriginOf(CURLU* url) {
  Origin origin;
  const std::string scheme = Lower(PartOf(url, CURLUPART_SCHEME));
  if (scheme != "http" && scheme != "https") {
    return InvalidArgument("only http and https are fetched, not \"{}\"", scheme.substr(0, 20));
  }
  origin.https = scheme == "https";
  origin.host = Lower(PartOf(url, CURLUPART_HOST));
  if (!PartOf(url, CURLUPART_ZONEID).empty()) {
    return InvalidArgument("an address with a scope means something on one machine only");
  }
  BLOBD_RETURN_IF_ERROR(CheckHost(origin.host));
  const std::string port = PartOf(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::from_chars(port.data(), port.data() + port.size(), origin.port);
  if (origin.port == 0) return InvalidArgument("port 0 cannot be connected to");
  return origin;
}

CurlUrl NewUrl() {
  CurlUrl url(curl_url());
  BLOBD_CHECK(url != nullptr);  // out of memory
  return url;
}

constexpr unsigned kReadFlags = CURLU_DISALLOW_USER | CURLU_URLENCODE;

// Sets the whole URL, also relative to the one that is there.
Status Read(CURLU* url, std::string_view text) {
  BLOBD_RETURN_IF_ERROR(CheckText(text));
  const CURLUcode code = curl_url_set(url, CURLUPART_URL, std::string(text).c_str(), kReadFlags);
  if (code == CURLUE_OK) return OkStatus();
  if (code == CURLUE_USER_NOT_ALLOWED) {
    return InvalidArgument("a URL with a user or password is refused: configure a header instead");
  }
  if (code == CURLUE_UNSUPPORTED_SCHEME || code == CURLUE_BAD_SCHEME) {
    return InvalidArgument("only http and https are fetched, and the URL begins with the scheme");
  }
  return InvalidArgument("not a URL: {}", curl_url_strerror(code));
}

struct Normal {
  std::string text;
  Origin origin;
};

StatusOr<Normal> Normalise(CURLU* url) {
  BLOBD_ASSIGN_OR_RETURN(Origin origin, OriginOf(url));
  BLOBD_CHECK(curl_url_set(url, CURLUPART_FRAGMENT, nullptr, 0) == CURLUE_OK);
  const std::string path = PartOf(url, CURLUPART_PATH);
  const std::string query = PartOf(url, CURLUPART_QUERY);
  std::string text = origin.ToString() + (path.empty() ? "/" : path);
  if (!query.empty()) text += "?" + query;
  if (text.size() > kMaxUrlLength) return InvalidArgument("the URL is too long");
  return Normal{std::move(text), std::move(origin)};
}

// `text` with every mark replaced.
std::string Filled(std::string_view text, std::string_view hash) {
  std::string filled;
  for (;;) {
    const size_t at = text.find(kHashMark);
    filled += text.substr(0, at);
    if (at == std::string_view::npos) return filled;
    filled += hash;
    text.remove_prefix(at + kHashMark.size());
  }
}

}  // namespace

std::string Origin::ToString() const {
  const bool is_default = port == (https ? 443 : 80);
  const std::string_view scheme = https ? "https" : "http";
  if (is_default) return fmt::format("{}://{}", scheme, host);
  return fmt::format("{}://{}:{}", scheme, host, port);
}

StatusOr<Url> Url::Parse(std::string_view text) {
  const CurlUrl read = NewUrl();
  BLOBD_RETURN_IF_ERROR(Read(read.get(), text));
  BLOBD_ASSIGN_OR_RETURN(Normal normal, Normalise(read.get()));
  Url url;
  url.text_ = std::move(normal.text);
  url.origin_ = std::move(normal.origin);
  return url;
}

StatusOr<Url> Url::Resolve(std::string_view location) const {
  const CurlUrl base = NewUrl();
  BLOBD_RETURN_IF_ERROR(Read(base.get(), text_));
  BLOBD_RETURN_IF_ERROR(Read(base.get(), location));
  BLOBD_ASSIGN_OR_RETURN(Normal normal, Normalise(base.get()));
  Url url;
  url.text_ = std::move(normal.text);
  url.origin_ = std::move(normal.origin);
  return url;
}

StatusOr<Url> Url::WithPathSuffix(std::string_view suffix) const {
  const size_t query = std::min(text_.find('?'), text_.size());
  return Parse(fmt::format("{}{}{}", text_.substr(0, query), suffix, text_.substr(query)));
}

std::optional<SocketAddress> Url::literal() const {
  return SocketAddress::Parse(fmt::format("{}:{}", origin_.host, origin_.port));
}

std::string Url::ForPeople() const {
  const size_t query = text_.find('?');
  return query == std::string::npos ? text_ : text_.substr(0, query) + "?...";
}

bool UrlTemplate::IsTemplate(std::string_view text) {
  return text.find(kHashMark) != std::string_view::npos;
}

StatusOr<UrlTemplate> UrlTemplate::Parse(std::string_view text) {
  if (!IsTemplate(text)) return InvalidArgument("the template has no {}", kHashMark);
  // Two hashes, so that a mark in the host shows as two origins.
  BLOBD_ASSIGN_OR_RETURN(const Url zeros, Url::Parse(Filled(text, Hash{}.ToHex())));
  Hash other;
  other.bytes.fill(0x11);
  BLOBD_ASSIGN_OR_RETURN(const Url ones, Url::Parse(Filled(text, other.ToHex())));
  if (zeros.origin() != ones.origin()) {
    return InvalidArgument("{} may stand in the path and in the query only", kHashMark);
  }
  if (zeros == ones) return InvalidArgument("{} stands where it has no effect", kHashMark);
  UrlTemplate made;
  made.text_ = text;
  made.origin_ = zeros.origin();
  return made;
}

Url UrlTemplate::For(const Hash& hash) const {
  auto url = Url::Parse(Filled(text_, hash.ToHex()));
  BLOBD_CHECK(url.ok());  // checked with another hash of the same length
  return *std::move(url);
}

}  // namespace blobd::http
