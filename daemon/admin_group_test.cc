#include "daemon/admin_group.h"

#include <gtest/gtest.h>

namespace blobd::daemon {
namespace {

TEST(AdminGroup, IsFoundByItsName) {
  EXPECT_EQ(*FindAdminGroup("root"), std::optional<uint32_t>(0));
  EXPECT_EQ(*FindAdminGroup(""), std::nullopt);
  EXPECT_EQ(FindAdminGroup("no-such-group-here").status().code(), StatusCode::kNotFound);
}

TEST(AdminGroup, IsNoneThatStrangersAreIn) {
  const auto nobodys = FindAdminGroup("nogroup");
  if (nobodys.status().code() == StatusCode::kNotFound) GTEST_SKIP() << "there is no nogroup";
  EXPECT_EQ(nobodys.status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace blobd::daemon
