#include "daemon/user_namespace.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>

namespace blobd::daemon {
namespace {

// A system's and its people's; a container of its own has as many.
constexpr uint64_t kUsualUsers = 65'536;
// The kernel's, unless it was told another.
constexpr uint32_t kOverflowUid = 65'534;

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

std::string WarningOfUser(uint32_t uid) {
  if (uid != kOverflowUid) return "";
  return fmt::format(
      "blobd runs as uid {}, which stands for everybody whom a user namespace does not know: calls "
      "of that uid are refused, its own too; give it a user of its own (User=)",
      uid);
}

std::string WarningOfUnknownUsers() {
  if (std::string warning = WarningOfUser(geteuid()); !warning.empty()) return warning;
  std::ifstream file("/proc/self/uid_map");
  std::ostringstream text;
  text << file.rdbuf();
  return WarningOfUnknownUsers(text.str());
}

}  // namespace blobd::daemon
