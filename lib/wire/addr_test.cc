#include "wire/addr.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/hex.h"

namespace blobd::wire {
namespace {

std::string HexOf(const std::string& address) {
  Writer writer;
  WriteSocketAddress(*SocketAddress::Parse(address), writer);
  return ToHex(writer.bytes());
}

StatusOr<SocketAddress> AddressOf(const std::string& hex) {
  const Bytes bytes = *FromHex(hex);
  Reader reader(bytes);
  return ReadSocketAddress(reader);
}

TEST(Addr, SocketAddressesBothWays) {
  struct Case {
    std::string text;
    std::string hex;
  };
  const std::vector<Case> cases = {{"127.0.0.1:1234", "007f000001d209"},
                                   {"10.0.0.1:65535", "000a000001ffff03"},
                                   {"0.0.0.0:0", "000000000000"},
                                   {"[2001:db8::1]:443", "0120010db8000000000000000000000001bb03"}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    EXPECT_EQ(HexOf(c.text), c.hex);
    EXPECT_EQ(AddressOf(c.hex)->ToString(), c.text);
  }
  // An IPv4 address in IPv6 clothes is the IPv4 address.
  EXPECT_EQ(AddressOf("0100000000000000000000ffff7f000001d209")->ToString(), "127.0.0.1:1234");
}

TEST(Addr, BadSocketAddresses) {
  EXPECT_EQ(AddressOf("027f000001d209").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(AddressOf("007f000001808004").status().code(), StatusCode::kInvalidArgument);  // 65536
  EXPECT_EQ(AddressOf("007f0000").status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(AddressOf("0120010db8").status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(AddressOf("").status().code(), StatusCode::kOutOfRange);
}

TEST(Addr, WrittenInOrderAndOnce) {
  NodeAddr addr;
  addr.relay_urls = {"https://b.example/", "https://a.example/", "https://b.example/"};
  for (const char* text : {"[::1]:1", "192.0.2.7:2", "192.0.2.7:1", "10.0.0.1:9", "[::1]:1"}) {
    addr.addresses.push_back(*SocketAddress::Parse(text));
  }
  Writer writer;
  WriteEndpointAddr(addr, writer);
  Reader reader(writer.bytes());
  const auto read = ReadEndpointAddr(reader);
  ASSERT_TRUE(read.ok()) << read.status();
  addr.Sort();
  EXPECT_EQ(*read, addr);
  EXPECT_EQ(addr.relay_urls,
            (std::vector<std::string>{"https://a.example/", "https://b.example/"}));
  std::vector<std::string> texts;
  for (const SocketAddress& address : addr.addresses) texts.push_back(address.ToString());
  EXPECT_EQ(texts,
            (std::vector<std::string>{"10.0.0.1:9", "192.0.2.7:1", "192.0.2.7:2", "[::1]:1"}));

  // The older form has room for the first relay.
  Writer older;
  WriteNodeAddr(addr, older);
  Reader older_reader(older.bytes());
  const auto older_read = ReadNodeAddr(older_reader);
  ASSERT_TRUE(older_read.ok()) << older_read.status();
  EXPECT_EQ(older_read->relay_urls, std::vector<std::string>{"https://a.example/"});
  EXPECT_EQ(older_read->addresses, addr.addresses);
}

TEST(Addr, CustomAddressesAreSkipped) {
  const std::string node(64, '1');
  const std::string ip = "01007f000001d209";
  const std::string inline_form =
      "02ac0200"
      "05" +
      std::string(60, 'a');
  const std::string long_form = "02070103aabbcc";
  const Bytes bytes = *FromHex(node + "03" + inline_form + ip + long_form);
  Reader reader(bytes);
  const auto addr = ReadEndpointAddr(reader);
  ASSERT_TRUE(addr.ok()) << addr.status();
  EXPECT_EQ(reader.remaining(), 0u);
  ASSERT_EQ(addr->addresses.size(), 1u);

  for (const std::string& bad :
       {"02ac02001f" + std::string(60, 'a'),  // 31 of 30 bytes
        std::string("02ac0202"), std::string("03"), "0207018109" + std::string(2500, 'a')}) {
    const Bytes bad_bytes = *FromHex(node + "01" + bad);
    Reader bad_reader(bad_bytes);
    EXPECT_FALSE(ReadEndpointAddr(bad_reader).ok()) << bad;
  }
}

TEST(Addr, CountsAndLengthsAreBounded) {
  NodeAddr addr;
  for (uint16_t port = 0; port <= kMaxAddresses; ++port) {
    addr.addresses.push_back(SocketAddress::V4({10, 0, 0, 1}, port));
  }
  Writer many;
  WriteNodeAddr(addr, many);
  Reader many_reader(many.bytes());
  EXPECT_EQ(ReadNodeAddr(many_reader).status().code(), StatusCode::kInvalidArgument);

  NodeAddr far;
  far.relay_urls = {"https://" + std::string(kMaxRelayUrlSize, 'a')};
  Writer url;
  WriteNodeAddr(far, url);
  Reader url_reader(url.bytes());
  EXPECT_EQ(ReadNodeAddr(url_reader).status().code(), StatusCode::kInvalidArgument);
}

TEST(Addr, SameRelay) {
  const std::string relay = "https://relay.example.org/";
  for (const std::string& same :
       {relay, std::string("https://relay.example.org./"), std::string("https://relay.example.org"),
        std::string("HTTPS://Relay.Example.ORG./")}) {
    EXPECT_TRUE(IsSameRelay(relay, same)) << same;
  }
  for (const std::string other : {"http://relay.example.org/", "https://relay.example.org:8443/",
                                  "https://relay.example.com/", "https://relay.example.org/path",
                                  "https://relay.example.org../", "https://relay.example.or./", "",
                                  "https://", "://", "relay.example.org."}) {
    EXPECT_FALSE(IsSameRelay(relay, other)) << other;
  }
  EXPECT_TRUE(IsSameRelay("https://r.example.:8443/x", "https://r.example:8443/x"));
  EXPECT_FALSE(IsSameRelay("https://r.example:8443/x", "https://r.example:8443/X"));
  EXPECT_TRUE(IsSameRelay("https://[2001:DB8::1]:443/", "https://[2001:db8::1]:443"));
  EXPECT_FALSE(IsSameRelay("https://[2001:db8::1]:443/", "https://[2001:db8::1]:444/"));
  EXPECT_TRUE(IsSameRelay("https://r.example.?q", "https://r.example/?q"));
}

}  // namespace
}  // namespace blobd::wire
