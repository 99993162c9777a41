#include "client/dashboard_page.h"

#include <string_view>

#include "client/dashboard_files.h"
#include "client/dashboard_gate.h"

namespace blobd::client {
namespace {

// Puts the nonce in each of its places; the files of the page have no other such word.
std::string WithNonce(std::string_view page, const std::string& nonce) {
  constexpr std::string_view kPlace = "THE-NONCE";
  std::string html;
  html.reserve(page.size() + 4 * nonce.size());
  for (size_t at = page.find(kPlace); at != std::string_view::npos; at = page.find(kPlace)) {
    html.append(page.substr(0, at)).append(nonce);
    page.remove_prefix(at + kPlace.size());
  }
  return html.append(page);
}

}  // namespace

StatusOr<DashboardPage> NewDashboardPage() {
  BLOBD_ASSIGN_OR_RETURN(const std::string nonce, NewDashboardToken());
  DashboardPage page;
  page.html = WithNonce(kDashboardPage, nonce);
  page.policy = fmt::format(
      "default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; img-src data:; "
      "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
      "require-trusted-types-for 'script'",
      nonce);
  return page;
}

}  // namespace blobd::client
