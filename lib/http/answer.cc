#include "http/answer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/units.h"
#include "base/utf8.h"

namespace blobd::http {
namespace {

using Kind = FetchEnd::Kind;

FetchEnd End(Kind kind, std::string reason) {
  FetchEnd end;
  end.kind = kind;
  end.reason = std::move(reason);
  return end;
}

Entity EntityOf(const Head& head) {
  Entity entity;
  entity.etag = head.etag;
  entity.modified = head.modified;
  return entity;
}

// Both said something, and not the same.
template <typename T>
bool Differ(const std::optional<T>& a, const std::optional<T>& b) {
  return a && b && *a != *b;
}
bool Differ(const std::string& a, const std::string& b) {
  return !a.empty() && !b.empty() && a != b;
}

// In bytes where rounding would hide the difference.
std::string TooLarge(uint64_t size, uint64_t most) {
  if (FormatSize(size) == FormatSize(most)) {
    return fmt::format("the file has {} bytes, more than the {} allowed", size, most);
  }
  return fmt::format("the file has {}, more than the {} allowed", FormatSize(size),
                     FormatSize(most));
}

std::optional<FetchEnd> CheckEntity(const Ask& ask, const Entity& entity) {
  if (ask.entity) {
    const Entity& before = *ask.entity;
    if (Differ(before.etag, entity.etag) || Differ(before.modified, entity.modified) ||
        Differ(before.size, entity.size)) {
      return End(Kind::kChanged, "the file is not the one it was");
    }
  }
  if (!entity.size) return std::nullopt;
  if (*entity.size > ask.max_size) {
    return End(Kind::kTooLarge, TooLarge(*entity.size, ask.max_size));
  }
  if (ask.size && *ask.size != *entity.size) {
    return End(Kind::kWrongSize,
               fmt::format("the file has {} bytes, the blob {}", *entity.size, *ask.size));
  }
  return std::nullopt;
}

Answer JudgePart(const Ask& ask, const Head& head) {
  if (!ask.ranged()) return End(Kind::kFailed, "a part came although all was asked for");
  if (!head.content_range) {
    return End(Kind::kNoRanges, "a part came that does not say which (206, no Content-Range)");
  }
  const ContentRange& range = *head.content_range;
  if (range.begin != ask.begin || (ask.end && range.end > *ask.end)) {
    return End(Kind::kFailed, fmt::format("asked for bytes from {}, it sent {} to {}", ask.begin,
                                          range.begin, range.end));
  }
  if (head.content_length && *head.content_length != range.end - range.begin) {
    return End(Kind::kFailed, "Content-Length and Content-Range contradict each other");
  }
  Content content{range.begin, range.end, EntityOf(head)};
  content.entity.ranges = true;
  content.entity.size = range.total;
  if (auto wrong = CheckEntity(ask, content.entity)) return *std::move(wrong);
  return content;
}

Answer JudgeWhole(const Ask& ask, const Head& head) {
  Content content{0, head.content_length, EntityOf(head)};
  content.entity.size = head.content_length;
  if (ask.entity && ask.entity->ranges) {
    // It did ranges before. Either the condition did not hold any more, or it lost the ability;
    // either way these bytes have nothing to do with the ones that are there.
    return End(Kind::kChanged, "the file changed, or its server does no ranges any more");
  }
  if (ask.begin != 0) return End(Kind::kNoRanges, "the server cannot send parts of a file");
  if (auto wrong = CheckEntity(ask, content.entity)) return *std::move(wrong);
  return content;
}

Answer JudgeRefusal(const Ask& ask, const Head& head) {
  const int status = head.status;
  if (status == 429 || status == 503 || (status >= 500 && head.retry_after)) {
    FetchEnd end = End(Kind::kBusy, fmt::format("the server asks us to wait (status {})", status));
    if (head.retry_after) end.retry_after = std::min<Duration>(*head.retry_after, kMaxRetryAfter);
    return end;
  }
  if (status == 416 && ask.ranged()) {
    if (ask.entity && (ask.entity->size || ask.begin == 0))
      return End(Kind::kChanged, "the file is shorter than it was (status 416)");
    // It is empty, or its server does not like ranges.
    if (ask.begin == 0) return End(Kind::kNoRanges, "the server sends no part of it (status 416)");
    return End(Kind::kNoSuchPart, "the file has no such bytes (status 416)");
  }
  if (status == 408 || status == 425 || status >= 500) {
    return End(Kind::kFailed, fmt::format("the server failed (status {})", status));
  }
  if (status >= 400) return End(Kind::kNotHere, fmt::format("the server answers {}", status));
  return End(Kind::kFailed, fmt::format("an answer that fits no question (status {})", status));
}

}  // namespace

const std::string& Entity::validator() const {
  return etag.empty() || etag.starts_with("W/") ? modified : etag;
}

std::string RangeOf(const Ask& ask) {
  if (!ask.ranged()) return {};
  if (!ask.end) return fmt::format("{}-", ask.begin);
  BLOBD_CHECK(*ask.end > ask.begin);
  return fmt::format("{}-{}", ask.begin, *ask.end - 1);
}

std::vector<std::string> RequestHeaders(const Ask& ask) {
  BLOBD_CHECK(ask.ranged() || ask.begin == 0);
  std::vector<std::string> headers = {"Accept-Encoding: identity"};
  if (ask.ranged() && ask.entity && !ask.entity->validator().empty()) {
    headers.push_back("If-Range: " + ask.entity->validator());
  }
  return headers;
}

Answer Judge(const Ask& ask, const Head& head) {
  switch (head.status) {
    case 200:
    case 206:
      if (head.encoded) {
        return End(Kind::kEncoded, fmt::format("it sends {} although identity was asked for",
                                               EscapeForTerminal(head.encoding)));
      }
      if (head.multipart) return End(Kind::kNoRanges, "several parts came in one answer");
      return head.status == 206 ? JudgePart(ask, head) : JudgeWhole(ask, head);
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      return Redirect{head.location};
    default:
      return JudgeRefusal(ask, head);
  }
}

}  // namespace blobd::http
