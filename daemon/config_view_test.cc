#include "daemon/config_view.h"

#include <gmock/gmock.h>

#include "daemon/config_keys.h"

namespace blobd::daemon {
namespace {

using rpc::Configuration;
using testing::ElementsAre;

Config ConfigOf(const std::string& toml) {
  Config config = DefaultConfig();
  const Status status = ApplyToml(toml, "a.toml", &config);
  EXPECT_TRUE(status.ok()) << status;
  config.files = {"a.toml"};
  return config;
}

std::vector<std::string> KeysOf(const Configuration::Listing& listing) {
  std::vector<std::string> keys;
  for (const auto& value : listing.values) keys.push_back(value.key);
  return keys;
}

TEST(ConfigView, ShowsEachKeyInOrder) {
  const Config config = ConfigOf("workers = 2\n[store]\nmax_bytes = 5\n");
  const auto listing = ViewOf(config, config, "", false);
  EXPECT_GT(listing.values.size(), 50u);
  EXPECT_TRUE(std::is_sorted(listing.values.begin(), listing.values.end(),
                             [](const auto& a, const auto& b) { return a.key < b.key; }));
  EXPECT_THAT(listing.files, ElementsAre("a.toml"));
  EXPECT_THAT(KeysOf(ViewOf(config, config, "store", false)),
              ElementsAre("store.check_seconds", "store.lease_seconds", "store.max_bytes"));
  EXPECT_THAT(KeysOf(ViewOf(config, config, "store.max_bytes", false)),
              ElementsAre("store.max_bytes"));
  EXPECT_THAT(KeysOf(ViewOf(config, config, "stor", false)), ElementsAre());
}

TEST(ConfigView, SaysWhoSaidItAndWhatARestartBrings) {
  const Config running = ConfigOf("workers = 2\n[store]\nmax_bytes = 5\n");
  const Config read = ConfigOf("workers = 3\n\n[store]\nmax_bytes = 5\n");
  const auto changed = ViewOf(running, read, "", true);
  ASSERT_THAT(KeysOf(changed), ElementsAre("store.max_bytes", "workers"));
  const Configuration::Value& workers = changed.values[1];
  EXPECT_EQ(workers.value, "2");
  EXPECT_EQ(workers.default_value, "0");
  EXPECT_EQ(workers.origin, Configuration::Origin::kFile);
  EXPECT_EQ(workers.place, "a.toml");
  EXPECT_EQ(workers.line, 1u);
  EXPECT_FALSE(workers.is_live);
  EXPECT_EQ(workers.after_restart, "3");
  EXPECT_TRUE(changed.values[0].is_live);
  EXPECT_FALSE(changed.values[0].after_restart);
  const auto none = ViewOf(running, running, "log_level", false);
  EXPECT_EQ(none.values.at(0).origin, Configuration::Origin::kDefault);
  EXPECT_EQ(none.values.at(0).value, "\"info\"");
  // A default that will be again.
  EXPECT_EQ(ViewOf(running, ConfigOf(""), "workers", false).values.at(0).after_restart, "0");
}

TEST(ConfigView, ATextIsOneLineThatIsTheSameText) {
  const std::string text = "a\\\"b\n\x1b\u202e\U000e0001 ä";
  Config config = DefaultConfig();
  ASSERT_TRUE(
      ApplyOne("socket_group", text, {ConfigPlace::Kind::kEnvironment, "V", 0}, &config).ok());
  const std::string shown = ViewOf(config, config, "socket_group", false).values.at(0).value;
  EXPECT_EQ(shown, "\"a\\\\\\\"b\\u000A\\u001B\\u202E\\U000E0001 ä\"");
  ASSERT_TRUE(ApplyToml("socket_group = " + shown, "a.toml", &config).ok());
  EXPECT_EQ(config.socket_group, text);
}

TEST(ConfigView, NeverShowsASecret) {
  const Config running = ConfigOf(
      "[mirrors]\nproxy = \"http://u:hush@p\"\ntemplates = [\"https://m/{hash}?k=hush\"]\n"
      "[mirrors.origins.\"https://m\"]\nheaders = { A = \"hush\" }\nconnections = 2\n");
  const Config read = ConfigOf(
      "[mirrors]\nproxy = \"http://u:hush2@p\"\n[mirrors.origins.\"https://m\"]\n"
      "headers = { A = \"hush2\" }\n");
  for (const Config* later : {&running, &read}) {
    for (const auto& value : ViewOf(running, *later, "", false).values) {
      EXPECT_EQ(value.value.find("hush"), std::string::npos) << value.key;
      EXPECT_EQ(value.after_restart.value_or("").find("hush"), std::string::npos) << value.key;
      const bool is_secret = value.key == "mirrors.proxy" || value.key == "mirrors.templates" ||
                             value.key.ends_with(".headers");
      EXPECT_EQ(value.is_secret, is_secret) << value.key;
      if (is_secret) {
        EXPECT_EQ(value.value, kHidden);
      }
    }
  }
  EXPECT_THAT(KeysOf(ViewOf(running, read, "mirrors.origins", true)),
              ElementsAre("mirrors.origins.\"https://m\".connections",
                          "mirrors.origins.\"https://m\".headers"));
}

}  // namespace
}  // namespace blobd::daemon
