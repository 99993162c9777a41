#include "daemon/mirror_config.h"

#include <gtest/gtest.h>

#include "daemon/config.h"

namespace blobd::daemon {
namespace {

TEST(MirrorConfigTest, AppliesWhatTheFileSays) {
  Config config = DefaultConfig();
  const char* text = R"(
[mirrors]
templates = ["https://mirror.example/{hash}", "http://other:8080/b?h={hash}"]
polite = true
prefer = "nodes"
proxy = "http://proxy:3128"
[mirrors.origins."http://127.0.0.1:8080"]
allow_local = true
polite = false
connections = 2
headers = { Authorization = "Bearer secret", X-Team = "a" }
)";
  const Status status = ApplyToml(text, "a.toml", &config);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(config.mirrors.templates, (std::vector<std::string>{"https://mirror.example/{hash}",
                                                                "http://other:8080/b?h={hash}"}));
  EXPECT_EQ(config.mirrors.prefer, schedule::Preference::kNodes);
  const http::OriginConfigs origins = ToOrigins(config.mirrors, 5);
  EXPECT_TRUE(origins.defaults.ramp.polite);
  EXPECT_FALSE(origins.defaults.local_allowed);
  EXPECT_EQ(origins.defaults.proxy, "http://proxy:3128");
  EXPECT_EQ(origins.defaults.ramp.cap, 5u);
  EXPECT_FALSE(origins.defaults.own_cap);
  const http::OriginConfig& named = origins.For({false, "127.0.0.1", 8080});
  EXPECT_TRUE(named.local_allowed);
  EXPECT_FALSE(named.ramp.polite);
  EXPECT_EQ(named.ramp.cap, 2u);
  EXPECT_TRUE(named.own_cap);
  EXPECT_EQ(named.proxy, "http://proxy:3128");
  ASSERT_EQ(named.headers.size(), 2u);
  EXPECT_EQ(named.headers[0].second, "Bearer secret");
}

TEST(MirrorConfigTest, ErrorsNameFileLineAndKeyAndNeverASecret) {
  struct Case {
    const char* toml;
    const char* expected;
  };
  const Case cases[] = {
      {"[mirrors]\nfoo = 1\n", "a.toml:2: unknown key mirrors.foo"},
      {"[mirrors]\nheaders = { A = \"b\" }\n", "a.toml:2: unknown key mirrors.headers"},
      {"mirrors = 3\n", "a.toml:1: unknown key mirrors"},
      {"[mirrors]\ntemplates = [\"https://m/file\"]\n",
       "a.toml:2: mirrors.templates: entry 1 has no {hash} in it"},
      {"[mirrors]\ntemplates = [\"ftp://m/{hash}\"]\n", "a.toml:2: mirrors.templates: entry 1: "},
      {"[mirrors]\ntemplates = [\"https://me:secret@m/{hash}\"]\n",
       "a.toml:2: mirrors.templates: entry 1: "},
      {"[mirrors.origins.\"https://me:secret@m\"]\npolite = true\n", "a.toml:1: mirrors.origins: "},
      // In quotes it is no key, though one is written so in lists of keys.
      {"[mirrors]\n\"origins.*.headers\" = { A = \"secret\" }\n",
       "a.toml:2: unknown key mirrors.origins.*.headers"},
      {"[mirrors]\npolite = 1\n", "a.toml:2: mirrors.polite: expected true or false"},
      {"[mirrors]\nprefer = \"me\"\n", "a.toml:2: mirrors.prefer: expected \"throughput\""},
      {"[mirrors]\nproxy = \"x\"\n", "a.toml:2: mirrors.proxy: a proxy is http://"},
      {"[mirrors.origins.\"https://m/path\"]\n",
       "a.toml:1: mirrors.origins.\"https://m/path\": expected scheme, host and port only"},
      {"[mirrors.origins.\"https://m\"]\nconnections = 0\n",
       "a.toml:2: mirrors.origins.\"https://m\".connections: expected a whole number from 1 to"},
      {"[mirrors.origins.\"https://m\"]\nheaders = { Range = \"secret\" }\n",
       "a.toml:2: mirrors.origins.\"https://m\".headers: header Range is set by blobd itself"},
      {"[mirrors.origins.\"https://m\"]\nheaders = { A = \"secret\\u0001\" }\n",
       "a.toml:2: mirrors.origins.\"https://m\".headers: header A has a control"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.toml);
    Config config = DefaultConfig();
    const Status status = ApplyToml(c.toml, "a.toml", &config);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_TRUE(Message(status).starts_with(c.expected)) << Message(status);
    EXPECT_EQ(Message(status).find("secret"), std::string::npos);
    EXPECT_TRUE(config.mirrors.templates.empty());
  }
}

}  // namespace
}  // namespace blobd::daemon
