#include "daemon/state_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

namespace blobd::daemon {
namespace {

TEST(StateDir, IsPrivateAndBelongsToOneDaemon) {
  const std::string path = testing::TempDir() + "blobd_state_dir_test/deeper/state";
  std::filesystem::remove_all(testing::TempDir() + "blobd_state_dir_test");
  {
    const auto first = StateDir::Lock(path);
    ASSERT_TRUE(first.ok()) << Message(first.status());
    struct stat info {};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u);
    const auto second = StateDir::Lock(path);
    EXPECT_EQ(second.status().code(), StatusCode::kFailedPrecondition);
    EXPECT_EQ(first->CheckMachineId(), "");
    EXPECT_EQ(first->CheckMachineId(), "");
  }
  EXPECT_TRUE(StateDir::Lock(path).ok());
  std::filesystem::remove_all(testing::TempDir() + "blobd_state_dir_test");
}

TEST(StateDir, IsOurs) {
  const std::string path = testing::TempDir() + "blobd_state_dir_test";
  std::filesystem::remove_all(path);
  std::filesystem::create_directory(path);
  ASSERT_EQ(chmod(path.c_str(), 0775), 0);
  const auto shared = StateDir::Lock(path);
  EXPECT_EQ(shared.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(shared.status()).find("chmod go-w"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path + "/LOCK"));
  ASSERT_EQ(chmod(path.c_str(), 0755), 0);
  EXPECT_TRUE(StateDir::Lock(path).ok());
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace blobd::daemon
