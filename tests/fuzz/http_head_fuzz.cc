// Heads of answers, line by line, and what is made of them: whatever a server says, no byte is
// taken at another offset than it was asked for, and what is sent back to it cannot break a header.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "http/answer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace blobd;
  using namespace blobd::http;
  if (size == 0) return 0;
  Ask ask;
  if ((data[0] & 1) != 0) ask.end = 1000;
  if ((data[0] & 2) != 0) ask.begin = 100;
  if ((data[0] & 4) != 0) ask.size = 5000;
  if ((data[0] & 8) != 0) ask.entity = Entity{true, 5000, "\"a\"", ""};
  HeadReader reader;
  std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size() - 1);
    if (!reader.Add(rest.substr(0, end + 1), WallTime{1'700'000'000'000})) return 0;
    rest.remove_prefix(end + 1);
  }
  if (!reader.complete()) return 0;
  const Answer answer = Judge(ask, reader.head());
  if (const auto* content = std::get_if<Content>(&answer)) {
    BLOBD_CHECK(content->begin == ask.begin);
    BLOBD_CHECK(!content->entity.size || !ask.size || *content->entity.size == *ask.size);
    Ask next;
    next.entity = content->entity;
    for (const std::string& line : RequestHeaders(next)) {
      for (const char c : line) BLOBD_CHECK(c != '\r' && c != '\n' && c != '\0');
    }
  } else if (const auto* end = std::get_if<FetchEnd>(&answer)) {
    BLOBD_CHECK(end->kind != FetchEnd::Kind::kDone && !end->reason.empty());
    BLOBD_CHECK(!end->retry_after ||
                (*end->retry_after >= Duration::zero() && *end->retry_after <= kMaxRetryAfter));
  }
  return 0;
}
