#include "daemon/state_dir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
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
    EXPECT_EQ(second.status().code(), StatusCode::kUnavailable);
    EXPECT_EQ(first->CheckMachineId(), "");
    EXPECT_EQ(first->CheckMachineId(), "");
  }
  EXPECT_TRUE(StateDir::Lock(path).ok());
  std::filesystem::remove_all(testing::TempDir() + "blobd_state_dir_test");
}

TEST(StateDir, IsWaitedForWhileAnotherDaemonHasIt) {
  const std::string path = testing::TempDir() + "blobd_state_dir_test";
  std::filesystem::remove_all(path);
  // The other one is a process that ends.
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto held = StateDir::Lock(path);
    const char told = held.ok() ? 'y' : 'n';
    if (write(ready[1], &told, 1) == 1) pause();
    _exit(1);
  }
  char told = 0;
  ASSERT_EQ(read(ready[0], &told, 1), 1);
  EXPECT_EQ(told, 'y');
  const Instant before = SystemClock().Now();
  const auto refused = StateDir::Lock(path, milliseconds(300));
  EXPECT_EQ(refused.status().code(), StatusCode::kUnavailable);
  EXPECT_GE(SystemClock().Now() - before, milliseconds(300));
  ASSERT_EQ(kill(child, SIGKILL), 0);
  EXPECT_TRUE(StateDir::Lock(path, seconds(60)).ok());
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  close(ready[0]);
  close(ready[1]);
  std::filesystem::remove_all(path);
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
