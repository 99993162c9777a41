#include "lookup/swarm_message.h"

#include <gtest/gtest.h>

#include "wire/base32.h"

namespace blobd::lookup {
namespace {

const std::vector<DnsName> kSwarms = {*DnsName::Parse("_irohv1._udp.local"),
                                      *DnsName::Parse("_iroh.local.swarm._udp.local")};
const NodeId kNode = {{1, 2, 3}};
SocketAddress At(const char* text) { return *SocketAddress::Parse(text); }

TEST(SwarmMessage, AsksAllSwarms) {
  const Bytes query = EncodeSwarmQuery(kSwarms);
  for (const DnsName& swarm : kSwarms) {
    const auto read = SwarmMessage::Parse(query, {swarm});
    ASSERT_TRUE(read.ok());
    EXPECT_TRUE(read->query);
    EXPECT_TRUE(read->peers.empty());
  }
  EXPECT_FALSE(SwarmMessage::Parse(query, {*DnsName::Parse("_other._udp.local")})->query);
}

TEST(SwarmMessage, TellsOfAddressesRelayAndData) {
  NodeRecord own;
  for (const char* text : {"192.0.2.1:11205", "192.0.2.2:11205", "[2001:db8::1]:7"}) {
    own.AddAddress(At(text));
  }
  own.relay_urls = {"https://relay.example/"};
  own.user_data = "x";
  for (const DnsName& swarm : kSwarms) {
    const auto read = SwarmMessage::Parse(EncodeSwarmResponse(kNode, own, kSwarms), {swarm});
    ASSERT_TRUE(read.ok());
    EXPECT_FALSE(read->query);
    ASSERT_EQ(read->peers.size(), 1);
    EXPECT_EQ(read->peers.at(kNode), own);
  }
}

// Built record by record as the specification says, with a node's name in upper case.
TEST(SwarmMessage, ReadsTheFormOfIroh) {
  std::string peer = wire::ToBase32(kNode.view());
  const std::string upper = [&] {
    std::string text = peer;
    for (char& c : text) c = static_cast<char>(std::toupper(c));
    return text;
  }();
  DnsMessage message;
  message.response = true;
  message.answers = {
      {*DnsName::Parse(upper + "._irohv1._udp.local."), kDnsIn, 0,
       DnsSrv{0, 0, 4433, *DnsName::Parse(peer + "-4433.local")}},
      {*DnsName::Parse(peer + "._irohv1._udp.local."), kDnsIn, 0,
       DnsTxt{{"relay=https://relay.example/", "user-data=hi"}}},
      {*DnsName::Parse(peer + "._other._udp.local."), kDnsIn, 0,
       DnsSrv{0, 0, 9, *DnsName::Parse(peer + "-9.local")}},
      {*DnsName::Parse("notanid._irohv1._udp.local."), kDnsIn, 0,
       DnsSrv{0, 0, 9, *DnsName::Parse(peer + "-9.local")}},
  };
  message.additionals = {
      {*DnsName::Parse(peer + "-4433.local"), kDnsIn, 0, DnsA{{192, 0, 2, 7}}},
      {*DnsName::Parse(peer + "-9.local"), kDnsIn, 0, DnsA{{192, 0, 2, 9}}},
      {*DnsName::Parse(peer + "-4433.local"), 3, 0, DnsA{{192, 0, 2, 8}}},  // another class
  };
  const auto read = SwarmMessage::Parse(message.Encode(), kSwarms);
  ASSERT_TRUE(read.ok());
  ASSERT_EQ(read->peers.size(), 1);
  EXPECT_EQ(read->peers.at(kNode).addresses, std::vector{At("192.0.2.7:4433")});
  EXPECT_EQ(read->peers.at(kNode).user_data, "hi");
  // What is no response says nothing.
  message.response = false;
  EXPECT_TRUE(SwarmMessage::Parse(message.Encode(), kSwarms)->peers.empty());
}

TEST(SwarmMessage, IsBounded) {
  NodeRecord own;
  for (uint16_t port = 1; port <= 32; ++port) {
    own.AddAddress(SocketAddress::V6({0x20, 1, 0x0d, 0xb8, 5}, port));
  }
  const Bytes response = EncodeSwarmResponse(kNode, own, kSwarms);
  EXPECT_LE(response.size(), 1200);
  EXPECT_FALSE(SwarmMessage::Parse(response, kSwarms)->peers.at(kNode).addresses.empty());
  DnsMessage many;
  many.response = true;
  for (uint8_t i = 0; i < 100; ++i) {
    const std::string peer = wire::ToBase32(NodeId{{i}}.view());
    const DnsName target = *DnsName::Parse(peer + "-1.local");
    many.answers.push_back(
        {*DnsName::Parse(peer + "._irohv1._udp.local"), kDnsIn, 0, DnsSrv{0, 0, 1, target}});
    many.additionals.push_back({target, kDnsIn, 0, DnsA{{192, 0, 2, 1}}});
  }
  EXPECT_EQ(SwarmMessage::Parse(many.Encode(), kSwarms)->peers.size(), SwarmMessage::kMaxPeers);
}

}  // namespace
}  // namespace blobd::lookup
