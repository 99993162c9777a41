#include "daemon/user_namespace.h"

#include <gtest/gtest.h>

namespace blobd::daemon {
namespace {

TEST(UserNamespace, FewUsersAreWorthAWarning) {
  const struct {
    const char* name;
    const char* uid_map;
    bool warns;
  } cases[] = {
      {"no namespace of its own", "         0          0 4294967295\n", false},
      {"a container with users of its own", "         0     100000      65536\n", false},
      {"the same, with its owner", "0 1000 1\n1 100000 65535\n", false},
      {"a kernel without user namespaces", "", false},
      {"PrivateUsers= of a unit", "0 0 1\n998 998 1\n", true},
      {"unshare --map-user", "1000 1000 1\n", true},
      {"users from another range alone", "100000 100000 65536\n", true},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(!WarningOfUnknownUsers(c.uid_map).empty(), c.warns);
  }
  EXPECT_NE(WarningOfUnknownUsers("0 0 1\n998 998 1\n").find("only 2 users"), std::string::npos);
}

TEST(UserNamespace, WhoStandsForStrangersShouldNotRunIt) {
  EXPECT_NE(WarningOfUser(65534).find("runs as uid 65534"), std::string::npos);
  EXPECT_EQ(WarningOfUser(0), "");
  EXPECT_EQ(WarningOfUser(998), "");
}

}  // namespace
}  // namespace blobd::daemon
