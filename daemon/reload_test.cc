#include "daemon/reload.h"

#include <gmock/gmock.h>

namespace blobd::daemon {
namespace {

using testing::HasSubstr;

Config ConfigOf(const std::string& toml) {
  Config config = DefaultConfig();
  const Status status = ApplyToml(toml, "a.toml", &config);
  EXPECT_TRUE(status.ok()) << status;
  return config;
}

TEST(Reload, SaysWhichKeysChangeAndWhichNeedARestart) {
  const Config running = ConfigOf(R"(
listen = ["[::]:1"]
log_level = "info"
[limits]
requests = 7
)");
  const Config read = ConfigOf(R"(
listen = [ "[::]:2" ]
log_level = "info"
[serve]
mode = "anyone"
)");
  const std::vector<KeyChange> changes = ChangesOf(running, read);
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].key, "limits.requests");
  EXPECT_TRUE(changes[0].live);
  EXPECT_EQ(changes[0].ToString(), "limits.requests is the default now, was 7");
  EXPECT_EQ(changes[1].key, "listen");
  EXPECT_FALSE(changes[1].live);
  EXPECT_THAT(changes[1].ToString(), HasSubstr("needs a restart"));
  EXPECT_EQ(changes[2].key, "serve.mode");
  EXPECT_TRUE(changes[2].live);
}

TEST(Reload, WhatIsWrittenInAnotherWayIsNoChange) {
  EXPECT_TRUE(ChangesOf(ConfigOf("listen = [\n  \"[::]:1\"  # all\n]\n[limits]\nrequests = 7\n"),
                        ConfigOf("limits.requests = 7\nlisten=[\"[::]:1\"]"))
                  .empty());
}

TEST(Reload, OnlyLiveKeysAreTakenAndTheOthersAreSaidAgain) {
  const Config running = ConfigOf("workers = 2\n[store]\nmax_bytes = 5\n[limits]\nrequests = 9\n");
  const Config read = ConfigOf("workers = 3\n[store]\nmax_bytes = 6\n");
  const Config now = WithLiveKeys(running, read);
  EXPECT_EQ(now.workers, 2u);
  EXPECT_EQ(now.keeper.max_bytes, 6u);
  EXPECT_EQ(now.engine.schedule.limits.requests, schedule::Limits().requests);
  const std::vector<KeyChange> left = ChangesOf(now, read);
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].key, "workers");
}

TEST(Reload, ALongValueIsCut) {
  std::string nodes = "[serve]\nnodes = [";
  for (int i = 0; i < 20; ++i)
    nodes += "\"" + std::string(62, '0') + std::to_string(10 + i) + "\",";
  const auto changes = ChangesOf(DefaultConfig(), ConfigOf(nodes + "]"));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_LT(changes[0].ToString().size(), 300u);
}

}  // namespace
}  // namespace blobd::daemon
