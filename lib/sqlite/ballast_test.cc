#include "sqlite/ballast.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/test_directory_for_test.h"
#include "sqlite/database_for_test.h"

namespace blobd::sqlite {
namespace {

constexpr int64_t kSize = 1 << 20;

TEST(BallastTest, TakesRoomAndGivesItBack) {
  TestDirectory directory;
  const std::string path = directory.File("ballast");
  Ballast ballast(path, kSize);
  EXPECT_FALSE(ballast.taken());
  EXPECT_TRUE(ballast.Release().ok());
  ASSERT_TRUE(ballast.Take(0).ok());
  EXPECT_TRUE(ballast.taken());
  struct stat facts {};
  ASSERT_EQ(stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777u, 0600u);
  EXPECT_GE(facts.st_blocks * 512, kSize) << "a hole would take no room";
  EXPECT_TRUE(ballast.Take(0).ok());
  ASSERT_TRUE(ballast.Release().ok());
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(BallastTest, APartOrAnotherSizeIsMadeAnew) {
  TestDirectory directory;
  const std::string path = directory.File("ballast");
  WriteFile(path, "half");
  Ballast ballast(path, kSize);
  EXPECT_FALSE(ballast.taken());
  ASSERT_TRUE(ballast.Take(0).ok());
  EXPECT_EQ(std::filesystem::file_size(path), static_cast<uintmax_t>(kSize));
  EXPECT_FALSE(Ballast(path, kSize * 2).taken());
}

TEST(BallastTest, LeavesTheRoomThatIsToBeSpared) {
  TestDirectory directory;
  Ballast ballast(directory.File("ballast"), kSize);
  EXPECT_EQ(ballast.Take(std::numeric_limits<int64_t>::max() - kSize).code(),
            StatusCode::kResourceExhausted);
  EXPECT_FALSE(std::filesystem::exists(directory.File("ballast")));
}

}  // namespace
}  // namespace blobd::sqlite
