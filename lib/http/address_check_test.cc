#include "http/address_check.h"

#include <gtest/gtest.h>

#include <string>

namespace blobd::http {
namespace {

TEST(AddressCheckTest, RefusesThisMachineItsLinkAndMetadata) {
  for (const char* text : {
           "127.0.0.1:80",       "127.255.255.254:80",
           "0.0.0.0:80",         "0.1.2.3:80",
           "169.254.169.254:80", "169.254.0.1:80",
           "224.0.0.1:80",       "239.1.2.3:80",
           "255.255.255.255:80", "100.100.100.200:80",
           "168.63.129.16:80",   "192.0.0.192:80",
           "[::1]:80",           "[::]:80",
           "[fe80::1]:80",       "[febf::1]:80",
           "[ff02::1]:80",       "[fd00:ec2::254]:80",
           "[fd20:ce::254]:80",
       }) {
    const auto address = SocketAddress::Parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_TRUE(LocalPlace(*address)) << text;
  }
}

TEST(AddressCheckTest, SeesThroughAddressesInsideOfAddresses) {
  for (const char* text : {
           "[::ffff:127.0.0.1]:80",    // mapped
           "[::127.0.0.1]:80",         // compatible
           "[64:ff9b::127.0.0.1]:80",  // NAT64
           "[64:ff9b::a9fe:a9fe]:80",  // the same, metadata
           "[2002:7f00:1::]:80",       // 6to4
           "[2002:a9fe:a9fe::1]:80",
       }) {
    const auto address = SocketAddress::Parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_TRUE(LocalPlace(*address)) << text;
  }
}

TEST(AddressCheckTest, AllowsPublicAndPrivateNetworks) {
  for (const char* text : {
           "10.0.0.1:80",
           "172.16.5.4:80",
           "192.168.1.1:80",
           "100.64.0.1:80",
           "8.8.8.8:443",
           "128.0.0.1:443",
           "[2001:db8::1]:443",
           "[fd00::1]:443",
           "[64:ff9b::8.8.8.8]:443",
           "[2002:808:808::1]:443",
       }) {
    const auto address = SocketAddress::Parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_FALSE(LocalPlace(*address)) << text << ": " << std::string(*LocalPlace(*address));
  }
}

}  // namespace
}  // namespace blobd::http
