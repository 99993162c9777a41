#include "daemon/config.h"

#include <gtest/gtest.h>

namespace blobd::daemon {
namespace {

TEST(Config, AppliesWhatTheFileSays) {
  Config config = DefaultConfig();
  const char* text = R"(
listen = ["127.0.0.1:0"]
log_level = "debug"
[limits]
requests = 7
[retry]
initial_delay_ms = 20
)";
  ASSERT_TRUE(ApplyToml(text, "a.toml", &config).ok());
  EXPECT_EQ(config.listen.ToString(), "127.0.0.1:0");
  EXPECT_EQ(config.log_level, "debug");
  EXPECT_EQ(config.engine.schedule.limits.requests, 7u);
  EXPECT_EQ(config.engine.schedule.node_retry.initial_delay, milliseconds(20));
}

TEST(Config, ErrorsNameFileLineAndRangeAndChangeNothing) {
  struct Case {
    const char* toml;
    const char* expected;
  };
  const Case cases[] = {
      {"log_level = \"info\"\nlisten_on = 3\n", "a.toml:2: unknown key listen_on"},
      {"[limits]\nrequests = 0\n",
       "a.toml:2: limits.requests: expected a whole number from 1 to 1000000"},
      {"[limits]\nrequests = \"many\"\n", "a.toml:2: limits.requests: expected a whole number"},
      {"listen = [\"localhost:80\"]\n", "a.toml:1: listen: expected a list with one address"},
      {"listen = []\n", "a.toml:1: listen: expected a list with one address"},
      {"log_level = \"o\"\n", "a.toml:1: log_level: expected one of debug"},
      {"[wrong]\na = 1\n", "a.toml:1: unknown key wrong"},
      {"state_dir = \n", "a.toml:1: "},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.toml);
    Config config = DefaultConfig();
    config.log_level = "kept";
    const Status status = ApplyToml(c.toml, "a.toml", &config);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_TRUE(Message(status).starts_with(c.expected)) << Message(status);
    EXPECT_EQ(config.log_level, "kept");
  }
}

TEST(Config, MissingFileIsNotFound) {
  Config config;
  EXPECT_EQ(ApplyFile("/nonexistent/blobd.toml", &config).code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace blobd::daemon
