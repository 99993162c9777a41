#include "daemon/node_key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace blobd::daemon {
namespace {

namespace fs = std::filesystem;

class NodeKeyTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "blobd-key-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    fs::create_directory(directory_ / "credentials");
    setenv("CREDENTIALS_DIRECTORY", (directory_ / "credentials").c_str(), 1);
  }
  void TearDown() override {
    unsetenv("CREDENTIALS_DIRECTORY");
    fs::remove_all(directory_);
  }
  StatusOr<NodeKey> Load() { return LoadNodeKey((directory_ / "node.key").string()); }
  void WriteCredential(const std::string& text) {
    const fs::path file = directory_ / "credentials" / kNodeKeyCredential;
    std::ofstream(file) << text;
    // As systemd leaves it where it grants access by a list of users.
    chmod(file.c_str(), 0440);
  }

  fs::path directory_;
  const std::string digits_ = std::string(32, '0') + std::string(30, 'a') + "F1";
};

TEST_F(NodeKeyTest, TheCredentialGoesBeforeTheFile) {
  const auto own = Load();
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_FALSE(own->is_credential);
  for (const std::string& text : {digits_, digits_ + "\n"}) {
    fs::remove(directory_ / "credentials" / kNodeKeyCredential);
    WriteCredential(text);
    const auto key = Load();
    ASSERT_TRUE(key.ok()) << key.status();
    EXPECT_TRUE(key->is_credential);
    EXPECT_NE(key->identity.node_id(), own->identity.node_id());
    EXPECT_EQ(key->identity.seed()[15], 0);
    EXPECT_EQ(key->identity.seed()[31], 0xf1);
  }
}

TEST_F(NodeKeyTest, ACredentialIsReadAndNeverWrittenElsewhere) {
  WriteCredential(digits_);
  ASSERT_TRUE(Load().ok());
  EXPECT_FALSE(fs::exists(directory_ / "node.key"));
}

TEST_F(NodeKeyTest, ACredentialThatIsNoKeyIsAnErrorAndNotPassedOver) {
  for (const std::string& text : {std::string(), digits_.substr(1), digits_ + "\n\n",
                                  digits_ + "00", "g" + digits_.substr(1), digits_ + " "}) {
    SCOPED_TRACE(text);
    fs::remove(directory_ / "credentials" / kNodeKeyCredential);
    WriteCredential(text);
    EXPECT_EQ(Load().status().code(), StatusCode::kDataLoss);
  }
  EXPECT_FALSE(fs::exists(directory_ / "node.key"));
}

}  // namespace
}  // namespace blobd::daemon
