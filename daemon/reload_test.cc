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

std::string NothingIsRefused(const std::string& /*key*/, const Config& /*read*/) { return ""; }

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
  const std::vector<KeyChange> changes = ChangesOf(running, read, NothingIsRefused);
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].key, "limits.requests");
  EXPECT_EQ(changes[0].result, KeyChange::Result::kApplied);
  EXPECT_EQ(changes[0].ToString(), "limits.requests is the default now, was 7");
  EXPECT_EQ(changes[1].key, "listen");
  EXPECT_EQ(changes[1].result, KeyChange::Result::kNeedsRestart);
  EXPECT_THAT(changes[1].ToString(), HasSubstr("needs a restart"));
  EXPECT_EQ(changes[2].key, "serve.mode");
  EXPECT_EQ(changes[2].result, KeyChange::Result::kApplied);
}

TEST(Reload, WhatIsWrittenInAnotherWayIsNoChange) {
  EXPECT_TRUE(ChangesOf(ConfigOf("listen = [\n  \"[::]:1\"  # all\n]\n[limits]\nrequests = 7\n"),
                        ConfigOf("limits.requests = 7\nlisten=[\"[::]:1\"]"), NothingIsRefused)
                  .empty());
}

TEST(Reload, OnlyLiveKeysAreTakenAndTheOthersAreSaidAgain) {
  const Config running = ConfigOf("workers = 2\n[store]\nmax_bytes = 5\n[limits]\nrequests = 9\n");
  const Config read = ConfigOf("workers = 3\n[store]\nmax_bytes = 6\n");
  const Config now = WithLiveKeys(running, read, ChangesOf(running, read, NothingIsRefused));
  EXPECT_EQ(now.workers, 2u);
  EXPECT_EQ(now.keeper.max_bytes, 6u);
  EXPECT_EQ(now.engine.schedule.limits.requests, schedule::Limits().requests);
  const std::vector<KeyChange> left = ChangesOf(now, read, NothingIsRefused);
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].key, "workers");
}

TEST(Reload, WhatIsRefusedIsSaidAgain) {
  const Config running = ConfigOf("store.max_bytes = 5\n");
  const Config read = ConfigOf("store.max_bytes = 6\n");
  const auto refuse = [](const std::string&, const Config&) { return std::string("not now"); };
  const Config now = WithLiveKeys(running, read, ChangesOf(running, read, refuse));
  EXPECT_EQ(now.keeper.max_bytes, 6u) << "for when it is not refused any more";
  EXPECT_EQ(now.written.at("store.max_bytes").value, "5");
  const std::vector<KeyChange> again = ChangesOf(now, read, refuse);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].reason, "not now");
  EXPECT_EQ(again[0].before, "5");
}

TEST(Reload, WhatIsRefusedSaysWhy) {
  const auto changes = ChangesOf(ConfigOf("limits.requests = 7\nworkers = 1"),
                                 ConfigOf("limits.requests = 8\nworkers = 2"),
                                 [](const std::string& key, const Config& read) {
                                   EXPECT_EQ(key, "limits.requests");
                                   EXPECT_EQ(read.engine.schedule.limits.requests, 8u);
                                   return std::string("it is set");
                                 });
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].result, KeyChange::Result::kRefused);
  EXPECT_EQ(changes[0].ToString(),
            "limits.requests is 8 in the configuration and cannot be taken: it is set");
}

TEST(Reload, ASecretIsNotShown) {
  const auto changes =
      ChangesOf(ConfigOf("mirrors.proxy = \"http://u:hush@p\""),
                ConfigOf("mirrors.proxy = \"http://u:hush2@p\""), NothingIsRefused);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].ToString().find("hush"), std::string::npos);
}

TEST(Reload, WhereAKeyStandsIsKept) {
  const Config now = WithLiveKeys(ConfigOf("workers = 2"), ConfigOf("\nworkers = 2"), {});
  EXPECT_EQ(now.written.at("workers").place.line, 2u);
}

TEST(Reload, ALongValueIsCut) {
  std::string nodes = "[serve]\nnodes = [";
  for (int i = 0; i < 20; ++i)
    nodes += "\"" + std::string(62, '0') + std::to_string(10 + i) + "\",";
  const auto changes = ChangesOf(DefaultConfig(), ConfigOf(nodes + "]"), NothingIsRefused);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_LT(changes[0].ToString().size(), 300u);
}

}  // namespace
}  // namespace blobd::daemon
