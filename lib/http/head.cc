#include "http/head.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace blobd::http {
namespace {

constexpr size_t kMaxValidator = 1024;  // an ETag or a date that is longer is not remembered
constexpr size_t kMaxShown = 64;

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// Digits only, all of them: no sign, no space.
std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [read, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc() || read != end) return std::nullopt;
  return number;
}

// Entity tags: optional W/, then quoted characters without controls, spaces and quotes.
bool IsEntityTag(std::string_view text) {
  if (text.starts_with("W/")) text.remove_prefix(2);
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return false;
  text = text.substr(1, text.size() - 2);
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != '"' && byte != 0x7f;
  });
}

bool IsPlainText(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

std::optional<int> ParseStatusLine(std::string_view line) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto status = ParseNumber(Trim(line.substr(space)).substr(0, 3));
  if (!status || *status < 100 || *status > 999) return std::nullopt;
  return static_cast<int>(*status);
}

// The header fields of one response may not contradict each other: which one holds would be chance.
template <typename T>
bool SetOnce(std::optional<T>& field, const T& value) {
  if (field && *field != value) return false;
  field = value;
  return true;
}

}  // namespace

std::optional<ContentRange> ParseContentRange(std::string_view text) {
  constexpr std::string_view kUnit = "bytes";
  if (text.size() <= kUnit.size() || !EqualsIgnoringCase(text.substr(0, kUnit.size()), kUnit) ||
      text[kUnit.size()] != ' ') {
    return std::nullopt;
  }
  text = Trim(text.substr(kUnit.size()));
  const size_t dash = text.find('-');
  const size_t slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) {
    return std::nullopt;
  }
  const auto first = ParseNumber(text.substr(0, dash));
  const auto last = ParseNumber(text.substr(dash + 1, slash - dash - 1));
  if (!first || !last || *last < *first || *last == std::numeric_limits<uint64_t>::max()) {
    return std::nullopt;
  }
  ContentRange range{*first, *last + 1, std::nullopt};
  const std::string_view total = text.substr(slash + 1);
  if (total == "*") return range;
  range.total = ParseNumber(total);
  if (!range.total || *range.total < range.end) return std::nullopt;
  return range;
}

std::optional<Duration> ParseRetryAfter(std::string_view text, WallTime now) {
  constexpr uint64_t kMostSeconds = 1'000'000'000;  // far beyond what anybody waits; no overflow
  if (const auto wait = ParseNumber(text)) {
    return seconds(static_cast<int64_t>(std::min(*wait, kMostSeconds)));
  }
  if (text.size() > kMaxShown || !IsPlainText(text)) return std::nullopt;
  const time_t date = curl_getdate(std::string(text).c_str(), nullptr);
  if (date < 0) return std::nullopt;
  const auto most = static_cast<time_t>(now.unix_ms / 1000) + static_cast<time_t>(kMostSeconds);
  const WallTime until{static_cast<int64_t>(std::min(date, most)) * 1000};
  return std::max(Duration::zero(), until - now);
}

bool HeadReader::Add(std::string_view line, WallTime now) {
  bytes_ += line.size();
  ++lines_;
  if (bytes_ > kMaxHeadBytes || lines_ > kMaxHeadLines) return false;
  if (line.starts_with("HTTP/")) {
    head_ = Head{};
    complete_ = false;
    const auto status = ParseStatusLine(line);
    if (!status) return false;
    head_.status = *status;
    return true;
  }
  if (head_.status == 0) return false;
  if (complete_) return true;
  if (Trim(line).empty()) {
    complete_ = head_.status >= 200;
    return true;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;  // a folded line: of a field we do not know
  return AddField(line.substr(0, colon), Trim(line.substr(colon + 1)), now);
}

bool HeadReader::AddField(std::string_view name, std::string_view value, WallTime now) {
  const auto is = [name](std::string_view known) { return EqualsIgnoringCase(name, known); };
  if (is("Content-Length")) {
    const auto length = ParseNumber(value);
    return length && SetOnce(head_.content_length, *length);
  }
  if (is("Content-Range")) {
    // One that cannot be read is as good as none: a 206 without it is not used.
    const auto range = ParseContentRange(value);
    return !range || SetOnce(head_.content_range, *range);
  }
  if (is("Content-Encoding") && !value.empty() && !EqualsIgnoringCase(value, "identity")) {
    head_.encoded = true;
    head_.encoding = value.substr(0, kMaxShown);
  } else if (is("Content-Type")) {
    constexpr std::string_view kSeveral = "multipart/byteranges";
    head_.multipart = EqualsIgnoringCase(value.substr(0, kSeveral.size()), kSeveral);
  } else if (is("ETag")) {
    head_.etag = value.size() <= kMaxValidator && IsEntityTag(value) ? value : "";
  } else if (is("Last-Modified")) {
    head_.modified = value.size() <= kMaxShown && IsPlainText(value) ? value : "";
  } else if (is("Location")) {
    if (!head_.location.empty() && head_.location != value) return false;
    head_.location = value;
  } else if (is("Retry-After")) {
    head_.retry_after = ParseRetryAfter(value, now);
  }
  return true;
}

}  // namespace blobd::http
