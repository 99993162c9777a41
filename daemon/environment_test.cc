#include "daemon/environment.h"

#include <gmock/gmock.h>

namespace blobd::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

StatusOr<Config> ConfigOf(const std::vector<std::string_view>& environment,
                          const std::string& toml = "") {
  Config config = DefaultConfig();
  BLOBD_RETURN_IF_ERROR(ApplyToml(toml, "a.toml", &config));
  BLOBD_RETURN_IF_ERROR(ApplyEnvironment(environment, &config));
  return config;
}

TEST(Environment, GoesBeforeFiles) {
  const auto config = ConfigOf(
      {"PATH=/bin", "BLOBD_STORE_MAX_BYTES=5_000", "BLOBD_LOG_LEVEL=debug", "BLOBD_WORKERS="},
      "log_level = \"error\"\nworkers = 2\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->keeper.max_bytes, 5000u);
  EXPECT_EQ(config->log_level, "debug");
  EXPECT_EQ(config->workers, 2u);  // an empty variable says nothing
  EXPECT_EQ(config->written.at("log_level").value, "\"debug\"");
  EXPECT_EQ(config->written.at("log_level").place.kind, ConfigPlace::Kind::kEnvironment);
  EXPECT_EQ(config->written.at("log_level").place.ToString(), "BLOBD_LOG_LEVEL");
  EXPECT_EQ(config->written.at("workers").place.ToString(), "a.toml:2");
  EXPECT_THAT(config->warnings, IsEmpty());
}

TEST(Environment, TakesTextsWithAndWithoutQuotesAndWholeLists) {
  const auto config = ConfigOf({"BLOBD_STATE_DIR=/x y/z=1", "BLOBD_SOCKET_GROUP=\"a\"",
                                "BLOBD_METRICS_SOCKET=''", "BLOBD_LISTEN=[\"127.0.0.1:7\"]",
                                "BLOBD_SERVE_MODE=anyone", "BLOBD_LIMITS_UPLOAD_RATE=10MB/s",
                                "BLOBD_LIMITS_DOWNLOAD_RATE=20000000", "BLOBD_MIRRORS_POLITE=true",
                                "BLOBD_MIRRORS_PREFER=nodes", "BLOBD_LOOKUP_DNS=true"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->state_dir, "/x y/z=1");
  EXPECT_EQ(config->socket_group, "a");
  EXPECT_EQ(config->metrics_socket, "");
  EXPECT_EQ(config->quic.listen.ToString(), "127.0.0.1:7");
  EXPECT_EQ(config->serve.mode, transfer::ServeMode::kAnyone);
  EXPECT_EQ(config->rates.upload, 10'000'000u);
  EXPECT_EQ(config->rates.download, 20'000'000u);
  EXPECT_EQ(config->mirrors.all.polite, true);
  EXPECT_EQ(config->mirrors.prefer, schedule::Preference::kNodes);
  EXPECT_TRUE(config->lookup.dns);
}

TEST(Environment, ASizeIsANumberOrATextWithAUnit) {
  const auto number = ConfigOf({"BLOBD_STORE_MAX_BYTES=5000"});
  ASSERT_TRUE(number.ok()) << number.status();
  EXPECT_EQ(number->written.at("store.max_bytes").value, "5000");
  const auto text = ConfigOf({"BLOBD_STORE_MAX_BYTES=20GB"});
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->keeper.max_bytes, 20'000'000'000u);
  EXPECT_EQ(ConfigOf({"BLOBD_STORE_MAX_BYTES=20 GB"})->keeper.max_bytes, 20'000'000'000u);
}

TEST(Environment, AnErrorNamesTheVariableAndWhatIsValid) {
  struct Case {
    const char* line;
    const char* begin;
    const char* valid;
  };
  const Case cases[] = {
      {"BLOBD_WORKERS=257", "BLOBD_WORKERS: workers: ", "expected a whole number from 0 to 256"},
      {"BLOBD_WORKERS=many", "BLOBD_WORKERS: ", "expected a whole number from 0 to 256"},
      {"BLOBD_WORKERS=1\nlog_level = \"debug\"", "BLOBD_WORKERS: it is more than a value",
       "0 to 256"},
      {"BLOBD_WORKERS=[1", "BLOBD_WORKERS: ", "expected a whole number from 0 to 256"},
      {"BLOBD_LOG_LEVEL=loud", "BLOBD_LOG_LEVEL: log_level: ", "expected one of debug"},
      {"BLOBD_LOG_LEVEL=\xff", "BLOBD_LOG_LEVEL: it is no UTF-8", "expected one of debug"},
      {"BLOBD_LIMITS_UPLOAD_RATE=fast",
       "BLOBD_LIMITS_UPLOAD_RATE: limits.upload_rate: ", "expected a rate from"},
      {"BLOBD_LOOKUP_DNS=yes", "BLOBD_LOOKUP_DNS: ", "expected true or false"},
      {"BLOBD_LISTEN=127.0.0.1:7", "BLOBD_LISTEN: ", "expected a list with one address"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.line);
    const auto config = ConfigOf({c.line});
    EXPECT_EQ(config.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(Message(config.status()), StartsWith(c.begin));
    EXPECT_THAT(Message(config.status()), HasSubstr(c.valid));
  }
}

TEST(Environment, WhatIsNoKeyIsWarnedOfWithoutItsValue) {
  const auto config = ConfigOf({"BLOBD_STORE_MAXBYTES=secret", "BLOBD_UNHEARD_OF=secret",
                                "BLOBD_NO_EQUALS", "BLOBDX=1", "BLOBD_OPTIONS=--listen [::]:0"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(
      config->warnings,
      ElementsAre("BLOBD_STORE_MAXBYTES in the environment is no key of the configuration: did you "
                  "mean BLOBD_STORE_MAX_BYTES?",
                  "BLOBD_UNHEARD_OF in the environment is no key of the configuration"));
}

}  // namespace
}  // namespace blobd::daemon
