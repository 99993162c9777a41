#include "daemon/lookup_config.h"

#include <gtest/gtest.h>

#include <string>

#include "daemon/config.h"

namespace blobd::daemon {
namespace {

const char* const kNode = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";

TEST(LookupConfig, NothingThatAsksOrTellsOthersIsOnByDefault) {
  const lookup::ServicesOptions options = DefaultConfig().lookup.Options(1);
  EXPECT_TRUE(options.known);
  EXPECT_TRUE(options.registry);
  EXPECT_FALSE(options.dns.has_value());
  EXPECT_FALSE(options.pkarr.has_value());
  EXPECT_FALSE(options.local.has_value());
}

TEST(LookupConfig, AppliesWhatTheFileSays) {
  Config config = DefaultConfig();
  const std::string text = fmt::format(R"(
[lookup]
static = true
nodes = ["{}@192.0.2.9:1,[::1]:2"]
registry = false
dns = true
dns_origin = "dns.example.org"
dns_servers = ["192.0.2.1", "192.0.2.2:5353", "2001:db8::1", "[2001:db8::2]:53"]
pkarr = true
pkarr_relay = "http://relay.example.org/pkarr"
pkarr_publish = true
local = true
local_publish = false
timeout_ms = 700
)",
                                       kNode);
  const Status status = ApplyToml(text, "a.toml", &config);
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_EQ(config.lookup.nodes.size(), 1u);
  EXPECT_EQ(config.lookup.nodes.begin()->second.addresses.size(), 2u);
  const lookup::ServicesOptions options = config.lookup.Options(7);
  EXPECT_FALSE(options.registry);
  EXPECT_EQ(options.dns->origin, "dns.example.org");
  EXPECT_EQ(options.dns->servers.size(), 4u);
  EXPECT_EQ(options.pkarr->base, "http://relay.example.org/pkarr");
  EXPECT_TRUE(options.pkarr->resolve);
  EXPECT_TRUE(options.pkarr->publish);
  EXPECT_TRUE(options.pkarr->publish_addresses);
  EXPECT_FALSE(options.local->publish);
  EXPECT_EQ(options.timeout, milliseconds(700));
}

TEST(LookupConfig, PublishingDoesNotMeanAsking) {
  Config config = DefaultConfig();
  ASSERT_TRUE(ApplyToml("lookup.pkarr_publish = true", "a.toml", &config).ok());
  const lookup::ServicesOptions options = config.lookup.Options(1);
  EXPECT_TRUE(options.pkarr->publish);
  EXPECT_FALSE(options.pkarr->resolve);
}

TEST(LookupConfig, BadValuesAreErrorsWithPlaceAndRange) {
  struct Case {
    std::string line;
    std::string said;
  };
  const std::string node(kNode);
  for (const Case& c : {
           Case{"dns = 1", "true or false"},
           Case{"dns_origin = \"\"", "a domain name"},
           Case{"dns_origin = \"a..b\"", "a domain name"},
           Case{"dns_origin = \"" + std::string(250, 'a') + "\"", "a domain name"},
           Case{"dns_servers = [\"ns.example.org\"]", "a list of at most 8 addresses"},
           Case{"dns_servers = [\"192.0.2.1:0\"]", "a list of at most 8 addresses"},
           Case{"pkarr_relay = \"ftp://relay\"", "a URL of http or https"},
           Case{"pkarr_relay = \"https://a b\"", "a URL of http or https"},
           Case{"timeout_ms = 5", "from 100 to 60000"},
           Case{"nodes = [\"" + node + "\"]", "no address"},
           Case{"nodes = [\"" + node + "@192.0.2.1:0\"]", "no address that can be dialled"},
           Case{"nodes = [\"x@192.0.2.1:1\"]", "no node id"},
           Case{"nodes = [\"" + node + "@192.0.2.1:1\", \"" + node + "@192.0.2.1:1\"]", "twice"},
           Case{"mdns = true", "unknown key lookup.mdns"},
       }) {
    SCOPED_TRACE(c.line);
    Config config = DefaultConfig();
    const Status status = ApplyToml("[lookup]\n\n" + c.line, "a.toml", &config);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(Message(status).find("a.toml:3: "), std::string::npos) << status;
    EXPECT_NE(Message(status).find(c.said), std::string::npos) << status;
    EXPECT_EQ(config.lookup.timeout, seconds(5));
    EXPECT_TRUE(config.lookup.nodes.empty());
  }
}

}  // namespace
}  // namespace blobd::daemon
