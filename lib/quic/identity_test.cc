#include "quic/identity.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

namespace blobd::quic {
namespace {

class IdentityTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/identity_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    path_ = directory_ + "/node.key";
  }
  void TearDown() override {
    unlink(path_.c_str());
    unlink((path_ + ".new").c_str());
    unlink((directory_ + "/link").c_str());
    EXPECT_EQ(rmdir(directory_.c_str()), 0);
  }
  void WriteFile(const std::string& text, mode_t mode) {
    std::ofstream(path_) << text;
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
  }

  std::string directory_;
  std::string path_;
};

TEST_F(IdentityTest, KnownAnswer) {
  // RFC 8032, section 7.1, test 1.
  const auto seed =
      NodeId::FromHexText("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  const Identity identity = Identity::FromSeed(seed->view());
  EXPECT_EQ(identity.node_id().ToHex(),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
}

TEST_F(IdentityTest, IsCreatedOnceAndThenLoaded) {
  const auto created = Identity::LoadOrCreate(path_);
  ASSERT_TRUE(created.ok()) << created.status();
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(status.st_size, 65);
  EXPECT_EQ(status.st_nlink, 1U);
  const auto loaded = Identity::LoadOrCreate(path_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->node_id(), created->node_id());
  EXPECT_EQ(loaded->seed(), created->seed());
}

TEST_F(IdentityTest, LeftoverOfACrashIsNoObstacle) {
  std::ofstream(path_ + ".new") << "half";
  const auto created = Identity::LoadOrCreate(path_);
  EXPECT_TRUE(created.ok()) << created.status();
}

TEST_F(IdentityTest, RefusesFilesThatOthersMayUse) {
  const std::string key(64, 'a');
  for (const mode_t mode : {0640U, 0604U, 0620U, 0601U}) {
    SCOPED_TRACE(mode);
    WriteFile(key + "\n", mode);
    EXPECT_EQ(Identity::LoadOrCreate(path_).status().code(), StatusCode::kPermissionDenied);
  }
  WriteFile(key + "\n", 0400);
  EXPECT_TRUE(Identity::LoadOrCreate(path_).ok());
}

TEST_F(IdentityTest, RefusesWhatIsNoKeyAndLeavesItAlone) {
  for (const std::string& text :
       {std::string(), std::string(64, 'a'), std::string(63, 'a') + "\n",
        std::string(64, 'g') + "\n", std::string(64, 'a') + "\n\n", std::string(66, 'a')}) {
    SCOPED_TRACE(text);
    WriteFile(text, 0600);
    EXPECT_EQ(Identity::LoadOrCreate(path_).status().code(), StatusCode::kDataLoss);
    std::ifstream file(path_);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text);
  }
}

TEST_F(IdentityTest, RefusesLinksAndDirectories) {
  const std::string link = directory_ + "/link";
  ASSERT_EQ(symlink(path_.c_str(), link.c_str()), 0);
  EXPECT_FALSE(Identity::LoadOrCreate(link).ok());  // dangling
  ASSERT_TRUE(Identity::LoadOrCreate(path_).ok());
  EXPECT_FALSE(Identity::LoadOrCreate(link).ok());
  EXPECT_FALSE(Identity::LoadOrCreate(directory_).ok());
}

TEST_F(IdentityTest, SecretsAreTheSameInEveryRunAndOnePerPurpose) {
  const Identity identity = Identity::FromSeed(Bytes(32, 1));
  EXPECT_EQ(identity.Secret("a"), Identity::FromSeed(Bytes(32, 1)).Secret("a"));
  EXPECT_NE(identity.Secret("a"), identity.Secret("b"));
  EXPECT_NE(identity.Secret("a"), Identity::FromSeed(Bytes(32, 2)).Secret("a"));
  EXPECT_NE(identity.Secret(""), identity.seed());
}

}  // namespace
}  // namespace blobd::quic
