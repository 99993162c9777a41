#include "daemon/user_namespace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>

namespace blobd::daemon {
namespace {

// A system's and its people's; a container of its own has as many.
constexpr uint64_t kUsualUsers = 65'536;

}  // namespace

std::string WarningOfUnknownUsers(std::string_view uid_map) {
  std::istringstream lines{std::string(uid_map)};
  uint64_t known = 0;
  uint64_t inside = 0;
  uint64_t outside = 0;
  uint64_t count = 0;
  while (lines >> inside >> outside >> count)
    known += inside < kUsualUsers ? std::min(count, kUsualUsers - inside) : 0;
  // A system without user namespaces has no such file.
  if (uid_map.empty() || known >= kUsualUsers) return "";
  return fmt::format(
      "only {} users are known in this user namespace, and calls of all others are refused: a unit "
      "must not have PrivateUsers=",
      known);
}

std::string WarningOfUnknownUsers() {
  std::ifstream file("/proc/self/uid_map");
  std::ostringstream text;
  text << file.rdbuf();
  return WarningOfUnknownUsers(text.str());
}

}  // namespace blobd::daemon
