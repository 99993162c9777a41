#include "rpc/feed_token.h"

#include <fmt/format.h>

#include <charconv>
#include <random>

#include "base/error_reason.h"

namespace blobd::rpc {
namespace {

// Takes a number and the mark behind it off the text; false if they are not there.
bool TakeHex(std::string_view* text, bool is_last, uint64_t* number) {
  const char* end = text->data() + text->size();
  const auto [parsed, error] = std::from_chars(text->data(), end, *number, 16);
  if (error != std::errc() || (is_last ? parsed != end : parsed == end || *parsed != '.'))
    return false;
  text->remove_prefix(static_cast<size_t>(parsed - text->data()) + (is_last ? 0 : 1));
  return true;
}

}  // namespace

std::string FeedToken::ToText() const {
  return fmt::format("{:x}.{:x}.{:x}", life, number, filter);
}

StatusOr<std::optional<FeedToken>> ParseFeedToken(std::string_view text, uint64_t life,
                                                  uint64_t filter) {
  if (text.empty()) return std::optional<FeedToken>();
  FeedToken token;
  std::string_view rest = text;
  if (!TakeHex(&rest, false, &token.life) || !TakeHex(&rest, false, &token.number) ||
      !TakeHex(&rest, true, &token.filter)) {
    return FieldError(Reason::kResumeToken, "resume_token",
                      "\"{}\" is not one that a watch gave; leave it out to begin anew",
                      text.substr(0, 80));
  }
  if (token.life == life && token.filter != filter) {
    return FieldError(Reason::kResumeToken, "resume_token",
                      "it is of a watch with other filters; leave it out to begin anew");
  }
  return std::optional<FeedToken>(token);
}

uint64_t RandomLife() {
  std::random_device random;
  return (uint64_t{random()} << 32) | random();
}

}  // namespace blobd::rpc
