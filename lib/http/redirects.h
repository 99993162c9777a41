// Redirects: the way of one fetch from page to page. libcurl's own following is off, so that every
// step is judged here: at most kMaxRedirects, never to where it has been, never from https to http,
// never to an address of this machine.
//
// What the operator configured for an origin (headers, that it may be local) holds for fetches that
// name that origin, and ends when a redirect leaves it: a stranger's redirect must not be able to
// use our credentials, or to reach what only we may reach.
//
// Value type, pure. Errors: kPermissionDenied with a sentence for people; the way stays as it was.
#pragma once

#include <string_view>
#include <vector>

#include "base/status.h"
#include "http/url.h"

namespace blobd::http {

inline constexpr size_t kMaxRedirects = 10;

class Redirects {
 public:
  // `local_allowed`: the first origin may be, or lead to itself at, a local address.
  Redirects(Url first, bool local_allowed);

  const Url& here() const { return way_.back(); }
  // Still at the origin that was named: its configuration holds.
  bool at_first_origin() const { return here().origin() == way_.front().origin(); }
  // Whether a connection for this page may go to a local address.
  bool may_be_local() const { return local_allowed_ && at_first_origin(); }
  // Whether the page that was named may be fetched at all. Later ones were checked by Follow.
  Status CheckFirst() const;
  Status Follow(std::string_view location);

 private:
  Status CheckAddress(const Url& url, bool local) const;

  std::vector<Url> way_;  // never empty
  bool local_allowed_;
};

}  // namespace blobd::http
