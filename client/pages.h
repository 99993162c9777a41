// Lists that the daemon gives page by page, as one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/status.h"
#include "client/output.h"

namespace blobd::client {

inline constexpr uint32_t kLargestPage = 1000;

// Calls `next` for page after page, until the last one or until `limit` rows are in `all`.
template <typename Response, typename Request, typename Next, typename Rows>
Status CollectPages(Request request, uint32_t limit, Next next, Rows rows, Response* all) {
  for (;;) {
    const auto left = limit == 0 ? kLargestPage : limit - static_cast<uint32_t>(rows(all)->size());
    request.set_page_size(std::min(left, kLargestPage));
    auto page = next(request);
    if (!page.ok()) return page.status();
    const std::string token = page->next_page_token();
    rows(all)->MergeFrom(*rows(&*page));
    if (limit != 0 && rows(all)->size() >= static_cast<int>(limit)) {
      all->set_next_page_token(token);
      return OkStatus();
    }
    if (token.empty()) return OkStatus();
    request.set_page_token(token);
  }
}

// Says below a list for people that more is to be had with `token`, which its last page gave.
inline void SayIfMore(const Style& style, const std::string& token) {
  if (token.empty() || style.quiet || style.is_json()) return;
  FlushOutput();
  PrintError("blobctl: there may be more; a larger --limit shows them\n");
}

}  // namespace blobd::client
