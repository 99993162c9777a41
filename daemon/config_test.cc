#include "daemon/config.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "daemon/config_files.h"

namespace blobd::daemon {
namespace {

TEST(Config, AppliesWhatTheFileSays) {
  Config config = DefaultConfig();
  const char* text = R"(
listen = ["127.0.0.1:0"]
log_level = "debug"
peers = ["ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c@192.0.2.9:1,[::1]:2",
  "0000000000000000000000000000000000000000000000000000000000000001"]
advertise = ["192.0.2.1:11205", "[2001:db8::1]:80"]
[serve]
mode = "anyone"
nodes = ["ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"]
streams_per_node = 3
connections = 20
connections_per_address = 5
read_budget_mib = 2
stall_timeout_seconds = 7
[store]
max_bytes = 5000000000
lease_seconds = 0
check_seconds = 3
[limits]
requests = 7
connections_per_mirror = 3
[retry]
initial_delay_ms = 20
)";
  ASSERT_TRUE(ApplyToml(text, "a.toml", &config).ok());
  EXPECT_EQ(config.quic.listen.ToString(), "127.0.0.1:0");
  EXPECT_EQ(config.log_level, "debug");
  ASSERT_EQ(config.advertise.size(), 2u);
  EXPECT_EQ(config.advertise[1].ToString(), "[2001:db8::1]:80");
  EXPECT_EQ(config.serve.mode, transfer::ServeMode::kAnyone);
  ASSERT_EQ(config.serve.listed.size(), 1u);
  EXPECT_EQ(config.serve.listed[0].bytes[0], 0xea);
  EXPECT_EQ(config.serve.streams_per_node, 3u);
  EXPECT_EQ(config.quic.incoming, 20u);
  EXPECT_EQ(config.quic.incoming_per_address, 5u);
  EXPECT_EQ(config.serve.read_budget, 2u << 20);
  EXPECT_EQ(config.serve.stall_timeout, seconds(7));
  EXPECT_EQ(config.keeper.max_bytes, 5'000'000'000u);
  EXPECT_EQ(config.keeper.lease, Duration::zero());
  EXPECT_EQ(config.keeper.check_interval, seconds(3));
  EXPECT_EQ(config.engine.schedule.limits.requests, 7u);
  EXPECT_EQ(config.engine.schedule.limits.connections_per_mirror, 3u);
  ASSERT_EQ(config.engine.standing.size(), 2u);
  ASSERT_EQ(config.engine.standing[0].addresses.size(), 2u);
  EXPECT_EQ(config.engine.standing[0].addresses[1].ToString(), "[::1]:2");
  EXPECT_EQ(config.engine.standing[0].source, "config");
  EXPECT_TRUE(config.engine.standing[1].addresses.empty());
  EXPECT_EQ(config.engine.schedule.node_retry.initial_delay, milliseconds(20));
}

TEST(Config, TheDataSocketIsBesideTheOtherOneUnlessNamed) {
  Config config;
  config.socket = "/x/blobd.sock";
  EXPECT_EQ(DataSocketPath(config), "/x/blobd-data.sock");
  config.socket = "/x/other";
  EXPECT_EQ(DataSocketPath(config), "/x/other-data.sock");
  ASSERT_TRUE(ApplyToml("data_socket = \"/y/d\"", "a.toml", &config).ok());
  EXPECT_EQ(DataSocketPath(config), "/y/d");
}

TEST(Config, NobodyIsServedUnlessListed) {
  const Config config = DefaultConfig();
  EXPECT_EQ(config.quic.listen.ToString(), "[::]:11205");
  EXPECT_EQ(config.serve.mode, transfer::ServeMode::kListed);
  EXPECT_TRUE(config.serve.listed.empty());
  EXPECT_TRUE(config.advertise.empty());
}

TEST(Config, TheSizeOfTheStoreMayHaveAUnit) {
  const std::pair<const char*, uint64_t> cases[] = {
      {"0", 0},
      {"\"0\"", 0},
      {"7", 7},
      {"\"7\"", 7},
      {"\"20GB\"", 20'000'000'000},
      {"\"20 GiB\"", uint64_t{20} << 30},
      {"\"1.5tib\"", uint64_t{1536} << 30},
  };
  for (const auto& [text, bytes] : cases) {
    SCOPED_TRACE(text);
    Config config = DefaultConfig();
    ASSERT_TRUE(ApplyToml("[store]\nmax_bytes = " + std::string(text), "a.toml", &config).ok());
    EXPECT_EQ(config.keeper.max_bytes, bytes);
    EXPECT_EQ(config.written.at("store.max_bytes").value, text) << "as it is written";
  }
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
      {"advertise = [\"192.0.2.1:0\"]\n", "a.toml:1: advertise: expected a list of at most 32"},
      {"advertise = [\"[::]:7\"]\n", "a.toml:1: advertise: expected a list of at most 32"},
      {"advertise = \"192.0.2.1:7\"\n", "a.toml:1: advertise: expected a list of at most 32"},
      {"peers = [\"ea4a\"]\n", "a.toml:1: peers: ea4a: no node id: 64 hex digits"},
      {"peers = [\"ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c@1.2.3.4\"]\n",
       "a.toml:1: peers: ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c@1.2.3.4: "
       "\"1.2.3.4\" is no address"},
      {"peers = [\"ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c\",\n"
       "\"ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c@1.2.3.4:5\"]\n",
       "a.toml:1: peers: ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c is in "
       "the "
       "list twice"},
      {"log_level = \"info\"\npeers = \"x\"\n",
       "a.toml:2: peers: expected a list of at most 256 nodes"},
      {"peers = [7]\n", "a.toml:1: peers: expected a list of at most 256 nodes"},
      {"[serve]\nmode = \"all\"\n", "a.toml:2: serve.mode: expected one of anyone, listed, nobody"},
      {"[serve]\nnodes = [\"ea4a\"]\n", "a.toml:2: serve.nodes: expected a list of at most 10000"},
      {"[serve]\nnodes = [7]\n", "a.toml:2: serve.nodes: expected a list of at most 10000"},
      {"[serve]\nstreams_per_node = 0\n",
       "a.toml:2: serve.streams_per_node: expected a whole number from 1 to 65535"},
      {"[serve]\nread_budget_mib = 0\n",
       "a.toml:2: serve.read_budget_mib: expected a whole number from 1 to 65536"},
      {"[serve]\nstall_timeout_seconds = 3601\n",
       "a.toml:2: serve.stall_timeout_seconds: expected a whole number from 1 to 3600"},
      {"[store]\n\nmax_bytes = \"20 apples\"\n",
       "a.toml:3: store.max_bytes: expected a size from 0 to "},
      {"[store]\nmax_bytes = \"20GB/s\"\n", "a.toml:2: store.max_bytes: expected a size"},
      {"[store]\nmax_bytes = -1\n", "a.toml:2: store.max_bytes: expected a size"},
      {"[store]\nmax_bytes = 2000000000000000000\n", "a.toml:2: store.max_bytes: expected a size"},
      {"[store]\nmax_bytes = 1.5\n", "a.toml:2: store.max_bytes: expected a size"},
      {"serve = \"anyone\"\n", "a.toml:1: unknown key serve"},
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
