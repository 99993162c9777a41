#include "http/redirects.h"

#include <algorithm>

#include "base/utf8.h"
#include "http/address_check.h"

namespace blobd::http {
namespace {
constexpr size_t kShownLocation = 200;
}  // namespace

Redirects::Redirects(Url first, bool local_allowed) : local_allowed_(local_allowed) {
  way_.push_back(std::move(first));
}

Status Redirects::CheckAddress(const Url& url, bool local) const {
  const auto literal = url.literal();
  if (!literal || local) return OkStatus();
  if (const auto place = LocalPlace(*literal)) {
    return PermissionDenied("{} is {}", url.origin().host, *place);
  }
  return OkStatus();
}

Status Redirects::CheckFirst() const { return CheckAddress(way_.front(), local_allowed_); }

Status Redirects::Follow(std::string_view location) {
  if (location.empty()) return PermissionDenied("a redirect says not where to");
  if (way_.size() > kMaxRedirects) return PermissionDenied("more than {} redirects", kMaxRedirects);
  auto next = here().Resolve(location);
  if (!next.ok()) {
    return PermissionDenied("a redirect to \"{}\": {}",
                            ShortText(EscapeForTerminal(location), kShownLocation),
                            Message(next.status()));
  }
  if (here().origin().https && !next->origin().https) {
    return PermissionDenied("a redirect from https to {}", next->ForPeople());
  }
  if (std::find(way_.begin(), way_.end(), *next) != way_.end()) {
    return PermissionDenied("redirects go round in a circle, through {}", next->ForPeople());
  }
  const bool local = local_allowed_ && next->origin() == way_.front().origin();
  if (const Status status = CheckAddress(*next, local); !status.ok()) {
    return Annotate(status, "a redirect");
  }
  way_.push_back(*std::move(next));
  return OkStatus();
}

}  // namespace blobd::http
