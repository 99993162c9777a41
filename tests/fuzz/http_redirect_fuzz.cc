// Locations of redirects, one on each line: wherever they lead, it is http or https, no local
// address, not from https to http, and the same when it is read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "http/address_check.h"
#include "http/redirects.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace blobd::http;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto first = Url::Parse("https://mirror.example/dir/file");
  Redirects way(*first, false);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const bool was_https = way.here().origin().https;
    if (way.Follow(text.substr(at, end - at)).ok()) {
      const Url& here = way.here();
      BLOBD_CHECK(here.origin().https || !was_https);
      const auto literal = here.literal();
      BLOBD_CHECK(!literal || !LocalPlace(*literal));
      const auto again = Url::Parse(here.text());
      BLOBD_CHECK(again.ok() && *again == here);
    }
    at = end + 1;
  }
  // The same text as a URL of its own.
  if (const auto url = Url::Parse(text); url.ok()) {
    const auto again = Url::Parse(url->text());
    BLOBD_CHECK(again.ok() && *again == *url);
  }
  return 0;
}
