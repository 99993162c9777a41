// Redirects of real servers: each case of the design's list by its name.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "base/units.h"
#include "http/fetching_for_test.h"
#include "http/private_network_for_test.h"
#include "http/redirects.h"

namespace blobd::http {
namespace {

using Kind = FetchEnd::Kind;

std::string To(const std::string& location) {
  return HeadText("302 Found", {"Location: " + location, "Content-Length: 5"}) + "moved";
}

class RedirectedTest : public FetchingTest {
 protected:
  void SetUp() override {
    BLOBD_NEEDS_PRIVATE_NETWORK();
    options_.origins.defaults.local_allowed = false;
  }
  void Configure(const std::string& url, OriginConfig config) {
    options_.origins.named[Url::Parse(url)->origin()] = std::move(config);
  }
};

TEST_F(RedirectedTest, FollowedOnTheSameHost) {
  TestServer server(
      [](const TestRequest& request, TestServer::Connection& connection) {
        if (request.path == "/f") {
          connection.Send(To("/g"));
        } else {
          ServeFile(request, connection, kMiB);
        }
      },
      kHostA);
  Checker& checker = Start(server.Url("/f"), Part(100, 1000));
  EXPECT_EQ(EndOf(checker).kind, Kind::kDone) << checker.end->reason;
  EXPECT_EQ(checker.received, 900u);
  EXPECT_EQ(server.requests().back().Header("range"), "bytes=100-999");
  EXPECT_EQ(server.accepted().size(), 1u);
}

TEST_F(RedirectedTest, Loops) {
  TestServer server(
      [](const TestRequest& request, TestServer::Connection& connection) {
        connection.Send(To(request.path == "/a" ? "/b" : "/a"));
      },
      kHostA);
  const FetchEnd& end = EndOf(Start(server.Url("/a")));
  EXPECT_EQ(end.kind, Kind::kForbidden);
  EXPECT_NE(end.reason.find("circle"), std::string::npos) << end.reason;
  EXPECT_EQ(OutcomeOf(end), schedule::Outcome::kAbortRequest);
  EXPECT_EQ(server.requests().size(), 2u);
  EXPECT_EQ(client().ViewOf(Url::Parse(server.Url("/"))->origin()).cap, 8u) << "the server is well";
}

TEST_F(RedirectedTest, WithoutEnd) {
  TestServer server(
      [](const TestRequest& request, TestServer::Connection& connection) {
        connection.Send(To(request.path + "x"));
      },
      kHostA);
  EXPECT_EQ(EndOf(Start(server.Url("/a"))).kind, Kind::kForbidden);
  EXPECT_EQ(server.requests().size(), 1 + kMaxRedirects);
}

TEST_F(RedirectedTest, ToAnotherHostWithHeadersConfigured) {
  TestServer other([](const TestRequest& request,
                      TestServer::Connection& connection) { ServeFile(request, connection, kMiB); },
                   kHostB);
  TestServer server(
      [&](const TestRequest& request, TestServer::Connection& connection) {
        connection.Send(To(request.path == "/f" ? "/g" : other.Url("/h")));
      },
      kHostA);
  OriginConfig config;
  config.headers = {{"Authorization", "Bearer of-a"}};
  Configure(server.Url("/"), config);
  config.headers = {{"X-Token", "of-b"}};
  Configure(other.Url("/"), config);
  Checker& checker = Start(server.Url("/f"));
  ASSERT_EQ(EndOf(checker).kind, Kind::kDone) << checker.end->reason;
  for (const TestRequest& request : server.requests()) {
    EXPECT_EQ(request.Header("authorization"), "Bearer of-a") << request.path;
  }
  ASSERT_EQ(other.requests().size(), 1u);
  EXPECT_EQ(other.requests()[0].Header("authorization"), "");
  EXPECT_EQ(other.requests()[0].Header("x-token"), "") << "a stranger would use our credentials";
  // Asked by its own name it gets its own.
  EXPECT_EQ(EndOf(Start(other.Url("/h"))).kind, Kind::kDone);
  EXPECT_EQ(other.requests()[1].Header("x-token"), "of-b");
}

TEST_F(RedirectedTest, ToLoopback) {
  TestServer local([](const TestRequest& request, TestServer::Connection& connection) {
    ServeFile(request, connection, kMiB);
  });
  std::string target;
  TestServer server(
      [&](const TestRequest&, TestServer::Connection& connection) { connection.Send(To(target)); },
      kHostA);
  for (const char* host :
       {"127.0.0.1", "127.1", "0x7f000001", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"}) {
    target = fmt::format("http://{}:{}/f", host, local.port());
    const FetchEnd& end = EndOf(Start(server.Url("/f")));
    EXPECT_EQ(end.kind, Kind::kForbidden) << host << ": " << end.reason;
  }
  EXPECT_EQ(local.accepted().size(), 0u) << "not even connected to";
  // What is configured for a local origin is for those who name it, not for a stranger's redirect.
  OriginConfig config;
  config.local_allowed = true;
  Configure(local.Url("/"), config);
  ASSERT_TRUE(client().SetOrigins(options_.origins).ok());
  target = local.Url("/f");
  EXPECT_EQ(EndOf(Start(server.Url("/f"))).kind, Kind::kForbidden);
  EXPECT_EQ(local.accepted().size(), 0u);
  EXPECT_EQ(EndOf(Start(local.Url("/f"))).kind, Kind::kDone);
}

TEST_F(RedirectedTest, ToLoopbackOverAConnectionThatIsOpen) {
  TestServer local([](const TestRequest& request, TestServer::Connection& connection) {
    ServeFile(request, connection, kMiB);
  });
  const std::string by_name = fmt::format("http://localhost:{}/f", local.port());
  OriginConfig config;
  config.local_allowed = true;
  Configure(by_name, config);
  ASSERT_EQ(EndOf(Start(by_name)).kind, Kind::kDone);
  TestServer server(
      [&](const TestRequest&, TestServer::Connection& connection) { connection.Send(To(by_name)); },
      kHostA);
  const FetchEnd& end = EndOf(Start(server.Url("/f")));
  EXPECT_EQ(end.kind, Kind::kForbidden) << end.reason;
  EXPECT_EQ(local.requests().size(), 1u) << "no request goes out on it";
}

TEST_F(RedirectedTest, TheFirstPageAtLoopbackIsRefusedToo) {
  TestServer local([](const TestRequest& request, TestServer::Connection& connection) {
    ServeFile(request, connection, kMiB);
  });
  EXPECT_EQ(EndOf(Start(local.Url("/f"))).kind, Kind::kForbidden);
  const FetchEnd& end = EndOf(Start(fmt::format("http://localhost:{}/f", local.port())));
  EXPECT_EQ(end.kind, Kind::kForbidden);
  EXPECT_NE(end.reason.find("loopback"), std::string::npos) << end.reason;
  EXPECT_EQ(local.accepted().size(), 0u);
}

TEST_F(RedirectedTest, ToOtherSchemesAndNonsense) {
  std::string target;
  TestServer server(
      [&](const TestRequest&, TestServer::Connection& connection) { connection.Send(To(target)); },
      kHostA);
  for (const char* location : {"ftp://10.99.0.2/f", "file:///etc/passwd", "http://u:p@10.99.0.2/",
                               "http://", "gopher://10.99.0.2/"}) {
    target = location;
    EXPECT_EQ(EndOf(Start(server.Url("/f"))).kind, Kind::kForbidden) << location;
  }
}

TEST_F(RedirectedTest, ThroughAProxy) {
  // The proxy is the operator's; it may stand on this machine.
  TestServer proxy([](const TestRequest& request, TestServer::Connection& connection) {
    ServeFile(request, connection, kMiB);
  });
  options_.origins.defaults.proxy = fmt::format("http://127.0.0.1:{}", proxy.port());
  Checker& checker = Start("http://mirror.example/f");
  EXPECT_EQ(EndOf(checker).kind, Kind::kDone) << checker.end->reason;
  ASSERT_EQ(proxy.requests().size(), 1u);
  EXPECT_EQ(proxy.requests()[0].path, "http://mirror.example/f");
  EXPECT_EQ(EndOf(Start("http://127.0.0.1:1/f")).kind, Kind::kForbidden)
      << "what is local is not asked for through it either";
}

// Through the proxy no address is checked: so nothing may go past it.
TEST_F(RedirectedTest, TheEnvironmentLeadsNotAroundAProxy) {
  TestServer local([](const TestRequest& request, TestServer::Connection& connection) {
    ServeFile(request, connection, kMiB);
  });
  const std::string target = fmt::format("http://localhost:{}/f", local.port());
  TestServer proxy([&](const TestRequest& request, TestServer::Connection& connection) {
    if (request.path == target) {
      connection.Send(HeadText("404 Not Found", {"Content-Length: 0"}));
    } else {
      connection.Send(To(target));
    }
  });
  options_.origins.defaults.proxy = fmt::format("http://127.0.0.1:{}", proxy.port());
  setenv("no_proxy", "localhost", 1);
  EXPECT_NE(EndOf(Start("http://mirror.example/f")).kind, Kind::kDone);
  unsetenv("no_proxy");
  EXPECT_EQ(local.accepted().size(), 0u);
}

TEST_F(RedirectedTest, TheEnvironmentNamesNoProxy) {
  TestServer proxy([](const TestRequest&, TestServer::Connection& connection) {
    connection.Send(HeadText("404 Not Found", {"Content-Length: 0"}));
  });
  TestServer server(
      [](const TestRequest& request, TestServer::Connection& connection) {
        ServeFile(request, connection, kMiB);
      },
      kHostA);
  setenv("http_proxy", fmt::format("http://127.0.0.1:{}", proxy.port()).c_str(), 1);
  EXPECT_EQ(EndOf(Start(server.Url("/f"))).kind, Kind::kDone);
  unsetenv("http_proxy");
  EXPECT_EQ(proxy.accepted().size(), 0u);
}

}  // namespace
}  // namespace blobd::http
