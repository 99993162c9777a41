#include "base/socket_address.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace blobd {
namespace {

TEST(SocketAddress, ParsesAndPrints) {
  for (const char* text : {"192.0.2.1:443", "[2001:db8::1]:11205", "0.0.0.0:0", "[::]:65535"}) {
    const auto address = SocketAddress::Parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->ToString(), text);
  }
  for (const char* text :
       {"", ":1", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3:4", "::1:80", "[::1]",
        "[1.2.3.4]:5", "host:80", "1.2.3.4:8 ", "[fe80::1%lo]:1", "1.2.3.4:-1"}) {
    EXPECT_FALSE(SocketAddress::Parse(text)) << text;
  }
}

TEST(SocketAddress, MappedIsIpv4) {
  const auto mapped = SocketAddress::Parse("[::ffff:127.0.0.1]:80");
  ASSERT_TRUE(mapped);
  EXPECT_EQ(*mapped, *SocketAddress::Parse("127.0.0.1:80"));
  EXPECT_TRUE(mapped->is_v4());
  EXPECT_TRUE(mapped->is_loopback());
}

TEST(SocketAddress, KernelFormRoundTrips) {
  sockaddr_storage storage{};
  const auto address = *SocketAddress::Parse("198.51.100.7:9");
  address.ToSockaddr6(&storage);
  EXPECT_EQ(storage.ss_family, AF_INET6);
  EXPECT_EQ(SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&storage)), address);
}

TEST(SocketAddress, Classes) {
  EXPECT_TRUE(SocketAddress::Parse("[::1]:1")->is_loopback());
  EXPECT_TRUE(SocketAddress::Parse("169.254.1.1:1")->is_link_local());
  EXPECT_TRUE(SocketAddress::Parse("[fe80::1]:1")->is_link_local());
  EXPECT_TRUE(SocketAddress::Parse("0.0.0.0:1")->is_unspecified());
  EXPECT_TRUE(SocketAddress::Parse("[ff02::fb]:1")->is_multicast());
}

}  // namespace
}  // namespace blobd
