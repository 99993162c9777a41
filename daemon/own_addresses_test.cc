#include "daemon/own_addresses.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace blobd::daemon {
namespace {

SocketAddress At(const char* text) { return *SocketAddress::Parse(text); }

std::vector<std::string> Texts(const std::vector<SocketAddress>& addresses) {
  std::vector<std::string> texts;
  for (const SocketAddress& address : addresses) texts.push_back(address.ToString());
  return texts;
}

TEST(OwnAddresses, OfWhatTheSocketListensOn) {
  const std::vector<SocketAddress> interfaces = {
      At("127.0.0.1:0"),     At("[::1]:0"),        At("192.168.1.7:0"), At("169.254.3.4:0"),
      At("[fe80::1]:0"),     At("[fd00::7]:0"),    At("100.64.0.9:0"),  At("198.51.100.4:0"),
      At("[2001:db8::7]:0"), At("198.51.100.4:0"),
  };
  struct Case {
    const char* local;
    bool include_loopback;
    std::vector<std::string> expected;
  };
  const Case cases[] = {
      {"[::]:7",
       false,
       {"198.51.100.4:7", "[2001:db8::7]:7", "192.168.1.7:7", "[fd00::7]:7", "100.64.0.9:7"}},
      {"0.0.0.0:7", false, {"198.51.100.4:7", "192.168.1.7:7", "100.64.0.9:7"}},
      {"0.0.0.0:7", true, {"198.51.100.4:7", "192.168.1.7:7", "100.64.0.9:7", "127.0.0.1:7"}},
      {"127.0.0.1:7", false, {}},
      {"127.0.0.1:7", true, {"127.0.0.1:7"}},
      {"192.168.1.7:7", true, {"192.168.1.7:7"}},
      {"[fe80::1]:7", true, {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.local);
    EXPECT_EQ(Texts(ReachableAddresses(At(c.local), interfaces, c.include_loopback)), c.expected);
  }
}

TEST(OwnAddresses, TheKernelKnowsLoopback) {
  const std::vector<SocketAddress> interfaces = InterfaceAddresses();
  EXPECT_TRUE(std::any_of(interfaces.begin(), interfaces.end(),
                          [](const SocketAddress& address) { return address.is_loopback(); }));
  for (const SocketAddress& address : interfaces) EXPECT_EQ(address.port(), 0);
}

}  // namespace
}  // namespace blobd::daemon
