#include "lookup/signed_packet.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "lookup/dns_message.h"

namespace blobd::lookup {
namespace {

// Both packets were made by tests/pkarr_packets.py, which shares nothing with this code: ed25519
// and DNS are written there from the specifications. Seed 07 x 32, time 1700000000000000.
//
// One with uncompressed names, names in upper case, entries for other names, an unknown key, and
// several addresses in a text of two strings.
constexpr const char* kForeign =
    "0544f3509b91736f61a315d6e1782472a889441f9c98b94f898a14ba68a19edd1e4a6ac9719add597a8f73c1745976"
    "786106df2d2de95e4ab89b90ae78d8070800060a24181e4000000084000000000600000000055f69726f6834376a66"
    "676161396e75746a7969787a696b623774676d736639676b77713769717a3439387a72316e6435696731666e673465"
    "737900001000010000001e001d1c72656c61793d68747470733a2f2f72656c61792e6578616d706c652f055f69726f"
    "6834376a66676161396e75746a7969787a696b623774676d736639676b77713769717a3439387a72316e6435696731"
    "666e673465737900001000010000001e001514616464723d3139322e302e322e313a3131323035055f49524f483437"
    "4a46474141394e55544a5949585a494b423754474d534639474b57513749515a3439385a52314e4435494731464e47"
    "3445535900001000010000001e001716616464723d5b323030313a6462383a3a315d3a343433065f6f746865723437"
    "6a66676161396e75746a7969787a696b623774676d736639676b77713769717a3439387a72316e6435696731666e67"
    "3465737900001000010000001e001312616464723d3230332e302e3131332e393a31055f69726f6834376a66676161"
    "396e75746a7969787a696b623774676d736639676b77713769717a3439387a72316e6435696731666e673465737900"
    "001000010000001e002512616464723d3139382e35312e3130302e373a1137203139322e302e322e313a3131323035"
    "055f69726f6834376a66676161396e75746a7969787a696b623774676d736639676b77713769717a3439387a72316e"
    "6435696731666e673465737900001000010000001e000a09756e6b6e6f776e3d31";
// What a relay and one address must be signed as.
constexpr const char* kOurs =
    "64b1e4d45e8f553850ded2531840d652bd02bdaf15875afe53ed5c6721447cd9c1c5ce667b277ef511cc46da671aff"
    "a9192bfff9c5e0ebb3d76cdc080b06c30a00060a24181e4000000084000000000200000000055f69726f6834376a66"
    "676161396e75746a7969787a696b623774676d736639676b77713769717a3439387a72316e6435696731666e673465"
    "737900001000010000001e001d1c72656c61793d68747470733a2f2f72656c61792e6578616d706c652fc00c001000"
    "010000001e001514616464723d3139322e302e322e313a3131323035";

constexpr uint64_t kTime = 1'700'000'000'000'000;
const Bytes kSeed(32, 7);
const NodeId kNode =
    *NodeId::FromHexText("ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c");
SocketAddress At(const char* text) { return *SocketAddress::Parse(text); }

NodeRecord Record() {
  NodeRecord record;
  record.Read("relay=https://relay.example/");
  record.Read("addr=192.0.2.1:11205");
  return record;
}

TEST(SignedPacket, ReadsWhatOthersSigned) {
  const auto packet = SignedPacket::FromPayload(kNode, *FromHex(kForeign));
  ASSERT_TRUE(packet.ok()) << packet.status();
  EXPECT_EQ(packet->unix_us(), kTime);
  EXPECT_EQ(packet->record().relay_urls, std::vector<std::string>{"https://relay.example/"});
  EXPECT_EQ(packet->record().addresses,
            (std::vector{At("192.0.2.1:11205"), At("[2001:db8::1]:443"), At("198.51.100.7:7")}));
}

TEST(SignedPacket, IsSignedAsTheSpecificationSays) {
  const SignedPacket packet = SignedPacket::Make(kSeed, Record(), kTime);
  EXPECT_EQ(packet.node(), kNode);
  EXPECT_EQ(ToHex(packet.Payload()), kOurs);
  EXPECT_EQ(packet.record(), Record());
}

TEST(SignedPacket, EveryChangedBitIsFound) {
  const Bytes payload = SignedPacket::Make(kSeed, Record(), kTime).Payload();
  for (size_t i = 0; i < payload.size(); ++i) {
    Bytes changed = payload;
    changed[i] ^= 1;
    EXPECT_FALSE(SignedPacket::FromPayload(kNode, changed).ok()) << i;
  }
  for (size_t size = 0; size < payload.size(); ++size) {
    EXPECT_FALSE(SignedPacket::FromPayload(kNode, ByteView(payload).first(size)).ok()) << size;
  }
  NodeId other = kNode;
  other.bytes[0] ^= 1;
  EXPECT_FALSE(SignedPacket::FromPayload(other, payload).ok());
  EXPECT_FALSE(SignedPacket::FromPayload(kNode, Bytes(SignedPacket::kMaxPayload + 1)).ok());
}

TEST(SignedPacket, LeavesOutWhatDoesNotFit) {
  NodeRecord record;
  for (uint16_t port = 1; port <= 32; ++port) {
    record.AddAddress(*SocketAddress::Parse("[2001:db8:1111:2222:3333:4444:5555:6666]:" +
                                            std::to_string(10000 + port)));
  }
  const SignedPacket packet = SignedPacket::Make(kSeed, record, kTime);
  EXPECT_LE(packet.dns().size(), SignedPacket::kMaxDns);
  const auto read = SignedPacket::FromPayload(kNode, packet.Payload());
  ASSERT_TRUE(read.ok());
  EXPECT_GE(read->record().addresses.size(), 10);
  EXPECT_LT(read->record().addresses.size(), 32);
  EXPECT_EQ(read->record().addresses.front(), record.addresses.front());
  EXPECT_EQ(read->record(), packet.record());
}

TEST(SignedPacket, LaterReplacesEarlier) {
  const SignedPacket first = SignedPacket::Make(kSeed, Record(), kTime);
  const SignedPacket later = SignedPacket::Make(kSeed, Record(), kTime + 1);
  EXPECT_TRUE(later.IsNewerThan(first));
  EXPECT_FALSE(first.IsNewerThan(later));
  EXPECT_FALSE(first.IsNewerThan(first));
  const SignedPacket same_time = SignedPacket::Make(kSeed, NodeRecord(), kTime);
  EXPECT_NE(same_time.IsNewerThan(first), first.IsNewerThan(same_time));
}

}  // namespace
}  // namespace blobd::lookup
