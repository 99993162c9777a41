#include <gtest/gtest.h>

#include "path/remote_for_test.h"

namespace blobd::path {
namespace {

using Addresses = std::vector<SocketAddress>;
class RemoteDial : public RemoteTest {};

RemoteOptions WithoutLookup() {
  RemoteOptions options;
  options.lookup = false;
  return options;
}
class RemoteDialWithoutLookup : public RemoteTest {
 protected:
  RemoteDialWithoutLookup() : RemoteTest(WithoutLookup()) {}
};

TEST_F(RemoteDial, AsksAtOnceWhenNothingIsKnown) {
  Tell(Want{});
  const auto dials = Take<StartDial>();
  ASSERT_EQ(dials.size(), 1);
  EXPECT_TRUE(dials[0].addresses.empty());
  EXPECT_TRUE(dials[0].open);
  EXPECT_EQ(Take<StartLookup>().size(), 1);
  Tell(Want{});  // one dial and one lookup at a time
  EXPECT_TRUE(Take<StartDial>().empty());
  EXPECT_TRUE(Take<StartLookup>().empty());
}

TEST_F(RemoteDial, WhatALookupFindsJoinsTheDial) {
  Tell(Want{});
  const LookupId lookup = Take<StartLookup>().at(0).lookup;
  Tell(LookupFound{lookup, "dns", {kA}});
  auto more = Take<ExtendDial>();
  ASSERT_EQ(more.size(), 1);
  EXPECT_EQ(more[0].addresses, Addresses{kA});
  EXPECT_TRUE(more[0].open);
  EXPECT_EQ(Take<KeepAddress>().at(0).known.source, "dns");
  Tell(LookupFound{lookup, "mdns", {kA, kB}});
  EXPECT_EQ(Take<ExtendDial>().at(0).addresses, Addresses{kB});
  Tell(LookupEnded{lookup, ""});
  more = Take<ExtendDial>();
  ASSERT_EQ(more.size(), 1);
  EXPECT_TRUE(more[0].addresses.empty());
  EXPECT_FALSE(more[0].open);
}

TEST_F(RemoteDial, FailsWithEveryServicesReasonWhenNothingIsFound) {
  Tell(Want{});
  const LookupId lookup = Take<StartLookup>().at(0).lookup;
  Tell(LookupEnded{lookup, "dns: no such name; pkarr: timed out"});
  EXPECT_EQ(Take<GiveUpDial>().size(), 1);
  const auto failed = Take<Unreached>();
  ASSERT_EQ(failed.size(), 1);
  EXPECT_EQ(failed[0].reason, "no address is known; lookup: dns: no such name; pkarr: timed out");
  EXPECT_FALSE(failed[0].local_fault);
}

TEST_F(RemoteDial, ATicketsAddressIsDialledWhileTheServicesAreAsked) {
  Tell(AddressesLearnt{{kA}, "ticket"});
  EXPECT_EQ(Take<KeepAddress>().at(0).known.source, "ticket");
  EXPECT_EQ(remotes_.live(), 0);  // knowing addresses is no life
  EXPECT_TRUE(remotes_.KnowsAddress(kNode));
  Tell(Want{});
  EXPECT_EQ(Take<StartDial>().at(0).addresses, Addresses{kA});
  EXPECT_EQ(Take<StartLookup>().size(), 1);
}

TEST_F(RemoteDial, AProvenAddressSparesTheLookup) {
  book_.Add(kNode, kA, "ticket");
  book_.Worked(kNode, kA, moment_.wall, milliseconds(5));
  Tell(Want{});
  const auto dials = Take<StartDial>();
  EXPECT_TRUE(dials.at(0).open);
  EXPECT_TRUE(Take<StartLookup>().empty());
  // Until it does not answer within a second.
  Pass(milliseconds(999));
  EXPECT_TRUE(Take<StartLookup>().empty());
  Pass(milliseconds(1));
  EXPECT_EQ(Take<StartLookup>().size(), 1);
}

TEST_F(RemoteDial, AProvenAddressThatFailsIsFollowedByALookup) {
  book_.Add(kNode, kA, "ticket");
  book_.Worked(kNode, kA, moment_.wall, milliseconds(5));
  Pass(seconds(1));
  Tell(Want{});
  const DialId dial = Take<StartDial>().at(0).dial;
  Tell(AttemptFailed{dial, kA, "refused"});
  const LookupId lookup = Take<StartLookup>().at(0).lookup;
  EXPECT_EQ(book_.Of(kNode).at(0).failure, "refused");
  Tell(LookupFound{lookup, "dns", {kB}});
  EXPECT_EQ(Take<ExtendDial>().at(0).addresses, Addresses{kB});
  Tell(ConnectionUp{{1}, dial, {}, kB, milliseconds(3)});
  EXPECT_EQ(Take<Reached>().at(0).connection, ConnectionId{1});
  EXPECT_EQ(book_.ToDial(kNode).front(), kB);
  Tell(LookupEnded{lookup, ""});
  EXPECT_TRUE(Take<ExtendDial>().empty());
}

TEST_F(RemoteDial, EndsOnceWithItsReason) {
  Tell(AddressesLearnt{{kA}, "ticket"});
  Tell(Want{});
  const DialId dial = Take<StartDial>().at(0).dial;
  Tell(LookupEnded{Take<StartLookup>().at(0).lookup, "dns: no such name"});
  Tell(DialEnded{{dial.value + 7}, false, "of another dial"});
  EXPECT_TRUE(Take<Unreached>().empty());
  Tell(DialEnded{dial, true, "no socket"});
  const auto failed = Take<Unreached>();
  ASSERT_EQ(failed.size(), 1);
  EXPECT_EQ(failed[0].reason, "no socket; lookup: dns: no such name");
  EXPECT_TRUE(failed[0].local_fault);
  Tell(DialEnded{dial, true, "again"});
  EXPECT_TRUE(Take<Unreached>().empty());
}

TEST_F(RemoteDial, NobodyWantsItAnyMore) {
  Tell(Want{});
  const DialId dial = Take<StartDial>().at(0).dial;
  const LookupId lookup = Take<StartLookup>().at(0).lookup;
  Tell(Unwant{});
  EXPECT_EQ(Take<GiveUpDial>().at(0).dial, dial);
  EXPECT_EQ(Take<StopLookup>().at(0).lookup, lookup);
  // Answers that were on their way: learnt, and nothing else.
  Tell(LookupFound{lookup, "dns", {kA}});
  Tell(LookupEnded{lookup, ""});
  Tell(DialEnded{dial, false, "given up"});
  EXPECT_TRUE(Take<Unreached>().empty());
  EXPECT_TRUE(remotes_.KnowsAddress(kNode));
}

TEST_F(RemoteDial, OwnAddressesAreNeverDialled) {
  book_.SetOwnAddresses({kA});
  Tell(AddressesLearnt{{kA, kB}, "ticket"});
  Tell(Want{});
  EXPECT_EQ(Take<StartDial>().at(0).addresses, Addresses{kB});
  Tell(LookupFound{Take<StartLookup>().at(0).lookup, "mdns", {kA}});
  EXPECT_TRUE(Take<ExtendDial>().empty());
}

TEST_F(RemoteDial, AConnectionOfThePeerDoesNotCountButItsPathDoes) {
  Tell(ConnectionUp{{1}, {}, {}, kA, milliseconds(4)});
  Tell(Want{});
  EXPECT_TRUE(Take<Reached>().empty());
  EXPECT_EQ(Take<StartDial>().at(0).addresses, Addresses{kA});
  EXPECT_TRUE(Take<StartLookup>().empty());  // a path that works is known
}

TEST_F(RemoteDial, AConnectionThatIsThereIsGivenAtOnce) {
  const ConnectionId connection = Connect(kA, milliseconds(4));
  Tell(Want{});
  EXPECT_EQ(Take<Reached>().at(0).connection, connection);
  EXPECT_TRUE(Take<StartDial>().empty());
}

TEST_F(RemoteDialWithoutLookup, FailsAtOnceWhenNothingIsKnown) {
  Tell(Want{});
  EXPECT_EQ(Take<Unreached>().at(0).reason, "no address is known");
  Tell(AddressesLearnt{{kA}, "api"});
  Tell(Want{});
  EXPECT_FALSE(Take<StartDial>().at(0).open);
  Pass(seconds(5));
  EXPECT_TRUE(Take<StartLookup>().empty());
}

TEST_F(RemoteDial, GoesIdleAfterAMinuteAndASuccessorTakesLateWork) {
  Tell(AddressesLearnt{{kA}, "ticket"});
  Tell(Want{});
  const DialId dial = Take<StartDial>().at(0).dial;
  const LookupId lookup = Take<StartLookup>().at(0).lookup;
  Tell(LookupEnded{lookup, ""});
  Tell(DialEnded{dial, false, "no answer"});
  Pass(seconds(59));
  EXPECT_EQ(remotes_.live(), 1);
  Pass(seconds(1));
  EXPECT_EQ(remotes_.live(), 0);
  EXPECT_EQ(Take<Retired>().size(), 1);
  EXPECT_EQ(remotes_.NextDeadline(), std::nullopt);
  // Late answers to the earlier life do not wake it; work does, and dials are told apart.
  Take<Unreached>();
  Tell(DialEnded{dial, false, "late"});
  EXPECT_EQ(remotes_.live(), 0);
  Tell(Want{});
  EXPECT_NE(Take<StartDial>().at(0).dial, dial);
  Tell(DialEnded{dial, false, "late"});
  EXPECT_TRUE(Take<Unreached>().empty());
}

TEST_F(RemoteDial, AConnectionKeepsItFromGoingIdle) {
  const ConnectionId connection = Connect(kA, milliseconds(4));
  Pass(minutes(10));
  EXPECT_EQ(remotes_.live(), 1);
  // A connection of an earlier dial that comes late is work, too.
  Tell(ConnectionDown{connection});
  Pass(seconds(59));
  Tell(Want{});
  Pass(seconds(30));
  EXPECT_EQ(remotes_.live(), 1);
}

TEST_F(RemoteDial, KnownNodesCostNoTimers) {
  for (uint32_t i = 0; i < 10'000; ++i) {
    NodeId node;
    for (size_t b = 0; b < 4; ++b) node.bytes[b] = static_cast<uint8_t>(i >> (8 * b));
    remotes_.Step(moment_, {node, AddressesLearnt{{kA}, "registry"}}, effects_);
  }
  EXPECT_EQ(remotes_.live(), 0);
  EXPECT_EQ(remotes_.NextDeadline(), std::nullopt);
}

}  // namespace
}  // namespace blobd::path
