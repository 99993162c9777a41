// HeadReader: the head of a response (status line and header fields), line by line as libcurl gives
// it, and of it what a fetch needs. Lines come from strangers: everything is bounded, and what is
// given on can be written into a header of ours again.
//
// Thread: one owner. Value type.
// Errors: Add returns false for a head that is too long or contradicts itself; the response is not
//         to be used then.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace blobd::http {

inline constexpr size_t kMaxHeadBytes = 64 * 1024;
inline constexpr size_t kMaxHeadLines = 256;

// "bytes 0-99/1000": the bytes [begin, end) of `total`, if the server knows how many there are.
struct ContentRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::optional<uint64_t> total;
  auto operator<=>(const ContentRange&) const = default;
};

// nullopt unless `text` names one range of bytes that is possible (RFC 9110, 14.4).
std::optional<ContentRange> ParseContentRange(std::string_view text);
// Seconds, or a date (RFC 9110, 10.2.3); nullopt if it is neither. A date in the past is no wait.
std::optional<Duration> ParseRetryAfter(std::string_view text, WallTime now);

struct Head {
  int status = 0;                          // 0: no status line yet
  std::optional<uint64_t> content_length;  // none, too, when the body is chunked
  std::optional<ContentRange> content_range;
  bool encoded = false;    // the body is not the bytes of the file (gzip and the like)
  bool multipart = false;  // several ranges in one body
  std::string etag;        // with its quotes; empty if there is none that we could send back
  std::string modified;    // Last-Modified; the same
  std::string location;    // as it came
  std::string encoding;    // Content-Encoding, for people
  std::optional<Duration> retry_after;
};

class HeadReader {
 public:
  // A line with or without its line end. A status line begins a new head: those before it
  // (100 Continue, 103 Early Hints) are forgotten, but count against the bounds. Lines after the
  // empty one that ends a final head (trailers) are ignored.
  bool Add(std::string_view line, WallTime now);
  // The final head is there.
  bool complete() const { return complete_; }
  const Head& head() const { return head_; }

 private:
  bool AddField(std::string_view name, std::string_view value, WallTime now);

  Head head_;
  bool complete_ = false;
  size_t bytes_ = 0;
  size_t lines_ = 0;
};

}  // namespace blobd::http
