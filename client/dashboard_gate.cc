#include "client/dashboard_gate.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/bytes.h"
#include "base/hex.h"

namespace blobd::client {
namespace {

constexpr size_t kTokenBytes = 16;

// Takes as long whatever is wrong with a guess, so that no part of it can be tried alone.
bool IsSame(std::string_view guess, std::string_view secret) {
  if (guess.size() != secret.size()) return false;
  unsigned differs = 0;
  for (size_t i = 0; i < secret.size(); ++i) {
    differs |= static_cast<unsigned>(static_cast<unsigned char>(guess[i]) ^
                                     static_cast<unsigned char>(secret[i]));
  }
  return differs == 0;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

DashboardVerdict Refused(unsigned code, std::string text) {
  return {DashboardVerdict::Answer::kRefusal, code, "blobctl dashboard: " + std::move(text) + "\n"};
}

}  // namespace

StatusOr<std::string> NewDashboardToken() {
  std::array<uint8_t, kTokenBytes> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    return ErrnoStatus(errno, "get random bytes for the address of the page");
  return ToHex(bytes);
}

DashboardGate::DashboardGate(std::string token, uint16_t port)
    : token_(std::move(token)), port_(port) {}

std::string DashboardGate::Url() const {
  return fmt::format("http://127.0.0.1:{}/{}/", port_, token_);
}

bool DashboardGate::IsOurs(std::string_view host) const {
  const std::string lower = Lower(host);
  return lower == fmt::format("127.0.0.1:{}", port_) || lower == fmt::format("localhost:{}", port_);
}

DashboardVerdict DashboardGate::Judge(const DashboardRequest& request) const {
  if (request.hosts.size() != 1 || !IsOurs(request.hosts.front())) {
    return Refused(403, fmt::format("this page is only for http://127.0.0.1:{}; open the address "
                                    "that the command printed as it is",
                                    port_));
  }
  if (request.method != "GET" && request.method != "HEAD")
    return Refused(405, "this page only shows; use GET here, and blobctl to change something");
  if (request.has_body) return Refused(400, "a request here has no content; send none");
  std::string_view path = request.path;
  if (path.starts_with('/')) path.remove_prefix(1);
  const size_t slash = std::min(path.find('/'), path.size());
  if (!IsSame(path.substr(0, slash), token_)) {
    return Refused(403,
                   "the address lacks the token, or has that of an earlier run; open the whole "
                   "address that the command printed");
  }
  path.remove_prefix(slash);
  if (path.empty() || path == "/") return {DashboardVerdict::Answer::kPage, 200, ""};
  if (path == "/data") return {DashboardVerdict::Answer::kData, 200, ""};
  return Refused(404, "there is nothing here; open the address that the command printed");
}

}  // namespace blobd::client
