#include "lookup/local_discovery.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lookup/lookup_for_test.h"
#include "lookup/swarm_message.h"

namespace blobd::lookup {
namespace {

// A group and port of this test's own, on this machine's interfaces; nobody else listens there.
const SocketAddress kGroup = SocketAddress::V4({239, 192, 71, 3}, 35353);

class LocalDiscoveryTest : public LookupTest {
 protected:
  std::unique_ptr<LocalDiscovery> Open(const NodeId& self, uint64_t seed) {
    LocalDiscovery::Options options;
    options.groups = {kGroup};
    options.patience = milliseconds(400);
    options.seed = seed;
    auto opened = LocalDiscovery::Open(*loop_, self, options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return std::move(*opened);
  }
  static NodeRecord Saying(const char* address) {
    NodeRecord record;
    record.AddAddress(At(address));
    return record;
  }
  // A datagram over loopback: to the group, or to this machine, as anybody anywhere can send it.
  static void Throw(ByteView bytes, const char* to_ip = "239.192.71.3") {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    in_addr loopback{};
    loopback.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof loopback);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(kGroup.port());
    inet_pton(AF_INET, to_ip, &to.sin_addr);
    sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
    close(fd);
  }
  const NodeId kA = {{1}};
  const NodeId kB = {{2}};
};

TEST_F(LocalDiscoveryTest, NodesFindEachOther) {
  auto a = Open(kA, 1);
  auto b = Open(kB, 2);
  b->Publish(Saying("192.0.2.2:11205"));
  EXPECT_TRUE(Ask(*a, kB).ok());
  ASSERT_EQ(found_.size(), 1);
  EXPECT_EQ(found_[0].record, Saying("192.0.2.2:11205"));
  EXPECT_GE(b->stats().answered, 1);
  // What was heard is known without asking again.
  const uint64_t asked = a->stats().asked;
  EXPECT_TRUE(Ask(*a, kB).ok());
  EXPECT_EQ(a->stats().asked, asked);
}

TEST_F(LocalDiscoveryTest, SaysThatNobodyAnswered) {
  auto a = Open(kA, 1);
  EXPECT_EQ(Ask(*a, kB).code(), StatusCode::kNotFound);
  auto b = Open(kB, 2);  // has nothing to say
  EXPECT_EQ(Ask(*a, kB).code(), StatusCode::kNotFound);
  EXPECT_EQ(b->stats().answered, 0);
}

TEST_F(LocalDiscoveryTest, HearsItselfAndDoesNotBelieveIt) {
  auto a = Open(kA, 1);
  a->Publish(Saying("192.0.2.1:1"));
  EXPECT_EQ(Ask(*a, kA).code(), StatusCode::kNotFound);
}

TEST_F(LocalDiscoveryTest, SurvivesWhatIsThrownAtIt) {
  auto a = Open(kA, 1);
  Throw(AsBytes("nonsense"));
  Throw({});
  Throw(Bytes(9500, 0xff));
  ASSERT_TRUE(RunUntil([&] { return a->stats().malformed >= 2; }));
  // A node that says where it is without being asked, with an address that needs an interface.
  const std::vector<DnsName> swarms = {*DnsName::Parse("_irohv1._udp.local")};
  NodeRecord record = Saying("[fe80::1]:1");
  Throw(EncodeSwarmResponse(kB, record, swarms));
  record.AddAddress(At("192.0.2.2:1"));
  Throw(EncodeSwarmResponse(kB, record, swarms));
  ASSERT_TRUE(RunUntil([&] { return a->stats().heard >= 2; }));
  EXPECT_TRUE(Ask(*a, kB).ok());
  EXPECT_EQ(found_.at(0).record, Saying("192.0.2.2:1"));
}

TEST_F(LocalDiscoveryTest, BelievesNothingThatWasSentToThisMachineAlone) {
  auto a = Open(kA, 1);
  const std::vector<DnsName> swarms = {*DnsName::Parse("_irohv1._udp.local")};
  Throw(EncodeSwarmResponse(kB, Saying("192.0.2.66:1"), swarms), "127.0.0.1");
  ASSERT_TRUE(RunUntil([&] { return a->stats().malformed >= 1; }));
  EXPECT_EQ(a->remembered(), 0);
  EXPECT_EQ(Ask(*a, kB).code(), StatusCode::kNotFound);
}

TEST_F(LocalDiscoveryTest, KeepsThoseThatSpeakAgainWhenItIsFull) {
  auto a = Open(kA, 1);
  const std::vector<DnsName> swarms = {*DnsName::Parse("_irohv1._udp.local")};
  const auto say = [&](const NodeId& node) {
    const uint64_t heard = a->stats().heard;
    Throw(EncodeSwarmResponse(node, Saying("192.0.2.2:1"), swarms));
    ASSERT_TRUE(RunUntil([&] { return a->stats().heard > heard; }));
  };
  say(kB);
  for (size_t i = 0; i < LocalDiscovery::kMaxNodes + 500; ++i) {
    say({{9, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)}});
    if (i % 500 == 0) say(kB);
  }
  EXPECT_EQ(a->remembered(), LocalDiscovery::kMaxNodes);
  const uint64_t asked = a->stats().asked;
  EXPECT_TRUE(Ask(*a, kB).ok());
  EXPECT_EQ(a->stats().asked, asked);
}

TEST_F(LocalDiscoveryTest, StoppedAndGoneAreHeardOfNoMore) {
  auto a = Open(kA, 1);
  a->Resolve(QueryId{100}, kB, this);
  a->Resolve(QueryId{101}, kB, this);
  a->Stop(QueryId{100});
  a->OnNetworkChanged();
  a.reset();
  RunFor(milliseconds(500));
  EXPECT_TRUE(statuses_.empty());
}

TEST_F(LocalDiscoveryTest, RefusesWhatItCannotSpeakOn) {
  LocalDiscovery::Options options;
  options.groups = {};
  EXPECT_FALSE(LocalDiscovery::Open(*loop_, kA, options).ok());
  options.groups = {kGroup};
  options.swarms = {"a..b"};
  EXPECT_FALSE(LocalDiscovery::Open(*loop_, kA, options).ok());
}

}  // namespace
}  // namespace blobd::lookup
