#include "daemon/config_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace blobd::daemon {
namespace {

namespace fs = std::filesystem;

class ConfigFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "blobd-config-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    setenv("CONFIGURATION_DIRECTORY", directory_.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("CONFIGURATION_DIRECTORY");
    fs::remove_all(directory_);
  }
  void Write(const std::string& name, const std::string& text) {
    fs::create_directories((directory_ / name).parent_path());
    std::ofstream(directory_ / name) << text;
  }
  StatusOr<Config> Read(const std::string& named = "") {
    Config config = DefaultConfig();
    BLOBD_RETURN_IF_ERROR(ReadConfigFiles(named, &config));
    return config;
  }

  fs::path directory_;
};

TEST_F(ConfigFiles, WithoutAnyTheDefaultsGo) { EXPECT_TRUE(Read().ok()); }

TEST_F(ConfigFiles, LaterNamesGoBeforeEarlierOnes) {
  Write("blobd.toml", "workers = 1\nlog_level = \"debug\"\n");
  Write("conf.d/20-b.toml", "workers = 3\n");
  Write("conf.d/10-a.toml", "workers = 2\n[limits]\nrequests = 9\n");
  Write("conf.d/30-c.toml.dpkg-old", "workers = 4\n");
  Write("conf.d/.40-d.toml", "workers = 5\n");
  const auto config = Read();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->workers, 3u);
  EXPECT_EQ(config->log_level, "debug");
  EXPECT_EQ(config->engine.schedule.limits.requests, 9u);
  EXPECT_EQ(config->written.at("workers").value, "3");
  EXPECT_EQ(config->written.at("workers").place.ToString(),
            (directory_ / "conf.d/20-b.toml:1").string());
  ASSERT_EQ(config->files.size(), 3u);
  EXPECT_EQ(config->files[0], (directory_ / "blobd.toml").string());
}

TEST_F(ConfigFiles, AFileThatIsNamedIsTheOnlyOne) {
  Write("conf.d/10-a.toml", "workers = 2\n");
  Write("other.toml", "log_level = \"debug\"\n");
  const auto config = Read((directory_ / "other.toml").string());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->workers, 0u);
  EXPECT_EQ(Read((directory_ / "missing.toml").string()).status().code(), StatusCode::kNotFound);
}

TEST_F(ConfigFiles, WhatCannotBeReadIsNotEmpty) {
  fs::create_directories(directory_ / "conf.d/10-a.toml");
  auto config = Read();
  EXPECT_EQ(config.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(Message(config.status()).find("conf.d/10-a.toml: it is no regular file"),
            std::string::npos)
      << config.status();
  fs::remove(directory_ / "conf.d/10-a.toml");
  ASSERT_EQ(mkfifo((directory_ / "conf.d/10-a.toml").c_str(), 0600), 0);
  EXPECT_EQ(Read().status().code(), StatusCode::kInvalidArgument);
  fs::remove(directory_ / "conf.d/10-a.toml");
  Write("conf.d/10-a.toml", "#" + std::string(17 << 20, ' '));
  EXPECT_EQ(Read().status().code(), StatusCode::kInvalidArgument);
  Write("conf.d/10-a.toml", "");
  EXPECT_TRUE(Read().ok());
}

TEST_F(ConfigFiles, HeadersThatEverybodyCanReadAreSaid) {
  const char* text =
      "[mirrors.origins.\"https://a.example\"]\nheaders = { Authorization = \"x\" }\n";
  Write("conf.d/10-a.toml", text);
  fs::permissions(directory_ / "conf.d/10-a.toml", fs::perms(0640));
  EXPECT_TRUE(Read()->warnings.empty());
  fs::permissions(directory_ / "conf.d/10-a.toml", fs::perms(0644));
  ASSERT_EQ(Read()->warnings.size(), 1u);
  EXPECT_NE(Read()->warnings[0].find("10-a.toml has headers"), std::string::npos);
  EXPECT_EQ(Read()->warnings[0].find("Authorization"), std::string::npos);
}

TEST_F(ConfigFiles, AnErrorNamesItsFile) {
  Write("conf.d/10-a.toml", "\nworkers = \"many\"\n");
  const auto config = Read();
  EXPECT_EQ(config.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(Message(config.status()).find("conf.d/10-a.toml:2: workers"), std::string::npos)
      << config.status();
}

}  // namespace
}  // namespace blobd::daemon
