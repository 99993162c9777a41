#include <gtest/gtest.h>

#include <algorithm>

#include "path/relay_addresses.h"
#include "path/remote_for_test.h"

namespace blobd::path {
namespace {

using Addresses = std::vector<SocketAddress>;

class RemotePaths : public RemoteTest {
 protected:
  // Connected at kA, with kB known, and transfers running.
  ConnectionId Transferring(Duration rtt, bool can_migrate = true) {
    Tell(AddressesLearnt{{kA, kB}, "ticket"});
    const ConnectionId connection = Connect(kA, rtt, can_migrate);
    Tell(Busy{true});
    return connection;
  }
  bool IsOpen(const SocketAddress& address) const {
    const auto paths = remotes_.Find(kNode)->Paths();
    return std::any_of(paths.begin(), paths.end(),
                       [&](const PathView& path) { return path.address == address; });
  }
};

TEST_F(RemotePaths, TheOnlyPathIsSelected) {
  Connect(kA, milliseconds(40));
  EXPECT_EQ(selected(), kA);
  EXPECT_EQ(remotes_.Find(kNode)->selection().why, Why::kOnlyPath);
}

TEST_F(RemotePaths, AFasterPathIsFoundAndUsedAndAgainAfterTheySwap) {
  const ConnectionId connection = Transferring(milliseconds(40));
  EXPECT_EQ(Take<Probe>().at(0).addresses, Addresses{kB});
  Answer(kB, milliseconds(5));
  EXPECT_EQ(selected(), kB);
  auto moves = Take<Move>();
  ASSERT_EQ(moves.size(), 1);
  EXPECT_EQ(moves[0].connection, connection);
  EXPECT_EQ(moves[0].to, kB);
  EXPECT_FALSE(moves[0].immediate);  // the old path works meanwhile
  Tell(ConnectionMoved{connection, kB});
  Measure(connection, milliseconds(5));
  // The delays are swapped. The path that is left is asked on, in a steady rhythm.
  Measure(connection, milliseconds(40));
  Pass(seconds(1));
  const auto probes = Take<Probe>();
  ASSERT_FALSE(probes.empty());
  EXPECT_EQ(probes.back().addresses, Addresses{kA});
  Answer(kA, milliseconds(5));
  EXPECT_EQ(selected(), kA);
  EXPECT_EQ(Take<Move>().at(0).to, kA);
}

TEST_F(RemotePaths, OneLateAnswerDoesNotCount) {
  Transferring(milliseconds(40));
  Answer(kB, milliseconds(5));
  ASSERT_EQ(selected(), kB);
  Answer(kB, milliseconds(300));
  EXPECT_EQ(selected(), kB);
  Answer(kB, milliseconds(300));
  EXPECT_EQ(selected(), kA);
}

TEST_F(RemotePaths, AllOurConnectionsFollowOneSelection) {
  const ConnectionId first = Transferring(milliseconds(40));
  const ConnectionId second{++connections_};
  Tell(ConnectionUp{second, DialId{1'000}, {}, kA, milliseconds(40)});
  const ConnectionId theirs{++connections_};
  Tell(ConnectionUp{theirs, {}, {}, kA, milliseconds(40)});
  Take<Move>();
  Answer(kB, milliseconds(5));
  const auto moves = Take<Move>();
  ASSERT_EQ(moves.size(), 2);  // the peer moves its own
  EXPECT_EQ(moves[0].connection, first);
  EXPECT_EQ(moves[1].connection, second);
}

TEST_F(RemotePaths, APeerThatDoesNotFollowIsDialledAnew) {
  const ConnectionId old = Transferring(milliseconds(40), false);
  Answer(kB, milliseconds(5));
  EXPECT_TRUE(Take<Move>().empty());
  const auto again = Take<Reconnect>();
  ASSERT_EQ(again.size(), 1);
  EXPECT_EQ(again[0].to, kB);
  const ConnectionId next{++connections_};
  Tell(ConnectionUp{next, {}, old, kB, milliseconds(5), false});
  Tell(ConnectionDown{old});
  EXPECT_EQ(selected(), kB);
  Tell(Want{});
  EXPECT_EQ(Take<Reached>().at(0).connection, next);
}

TEST_F(RemotePaths, ADarkPathIsLeftAtOnceForOneThatWorks) {
  const ConnectionId connection = Transferring(milliseconds(5));
  Measure(connection, milliseconds(20));
  Answer(kB, milliseconds(100));
  ASSERT_EQ(selected(), kA);
  Tell(WentDark{connection});
  EXPECT_EQ(selected(), kB);
  const auto moves = Take<Move>();
  ASSERT_EQ(moves.size(), 1);
  EXPECT_TRUE(moves[0].immediate);
  Tell(ConnectionMoved{connection, kB});
  EXPECT_FALSE(IsOpen(kA));
  EXPECT_EQ(Take<ClosePath>().at(0).address, kA);
  // When it answers again it is a path like others.
  Answer(kA, milliseconds(20));
  EXPECT_EQ(selected(), kA);
}

TEST_F(RemotePaths, TheLastPathIsNotGivenUpAndAllAreAsked) {
  Tell(AddressesLearnt{{kA, kB, kC}, "ticket"});
  const ConnectionId connection = Connect(kA, milliseconds(2));
  Tell(Busy{true});
  EXPECT_TRUE(Take<Probe>().empty());  // fast enough: nothing to look for
  Tell(WentDark{connection});
  EXPECT_EQ(selected(), kA);
  EXPECT_TRUE(Take<Move>().empty());
  EXPECT_EQ(Take<Probe>().at(0).addresses, (Addresses{kA, kB, kC}));
  Pass(seconds(3));
  EXPECT_EQ(Take<Probe>().size(), 3);  // again and again
  Answer(kC, milliseconds(60));
  EXPECT_EQ(selected(), kC);
  EXPECT_TRUE(Take<Move>().at(0).immediate);
}

TEST_F(RemotePaths, ADarkPathThatIsHeardAgainIsNotDark) {
  const ConnectionId connection = Transferring(milliseconds(20));
  Tell(WentDark{connection});
  Measure(connection, milliseconds(20));
  EXPECT_FALSE(remotes_.Find(kNode)->Paths().at(0).dark);
}

TEST_F(RemotePaths, AMoveThatWasTooEarlyIsTriedAgainAfter333Ms) {
  const ConnectionId connection = Transferring(milliseconds(40));
  Answer(kB, milliseconds(5));
  ASSERT_EQ(Take<Move>().size(), 1);
  Tell(MoveFailed{connection, kB, true});
  Pass(milliseconds(332));
  EXPECT_TRUE(Take<Move>().empty());
  Pass(milliseconds(1));
  EXPECT_EQ(Take<Move>().at(0).to, kB);
}

TEST_F(RemotePaths, AnAddressThatCannotBeMovedToIsLeftAlone) {
  const ConnectionId connection = Transferring(milliseconds(40));
  Answer(kB, milliseconds(5));
  Take<Move>();
  Tell(MoveFailed{connection, kB});
  EXPECT_EQ(Take<Reconnect>().size(), 1);
  Tell(MoveFailed{connection, kB});
  EXPECT_EQ(selected(), kA);
  EXPECT_FALSE(IsOpen(kB));
  Answer(kB, milliseconds(5));  // somebody answers there, but it is not the node
  EXPECT_EQ(selected(), kA);
  Pass(seconds(61));
  Answer(kB, milliseconds(5));
  EXPECT_EQ(selected(), kB);
  EXPECT_EQ(Take<Move>().size(), 1);  // it was the address's fault
}

TEST_F(RemotePaths, APeerThatDidNotFollowIsDialledAtTheSamePlace) {
  const ConnectionId old = Transferring(milliseconds(40));
  Answer(kB, milliseconds(5));
  ASSERT_EQ(Take<Move>().size(), 1);
  Tell(MoveFailed{old, kB});
  EXPECT_EQ(selected(), kB);
  const auto again = Take<Reconnect>();
  ASSERT_EQ(again.size(), 1);
  EXPECT_EQ(again[0].connection, old);
  EXPECT_EQ(again[0].to, kB);
  const ConnectionId next{++connections_};
  Tell(ConnectionUp{next, {}, old, kB, milliseconds(5), false});
  Tell(ConnectionDown{old});
  EXPECT_TRUE(Take<Move>().empty());
  EXPECT_TRUE(Take<Reconnect>().empty());
  // From now on it is known.
  Answer(kA, milliseconds(40));
  Measure(next, milliseconds(90));
  EXPECT_EQ(Take<Reconnect>().at(0).to, kA);
}

TEST_F(RemotePaths, FromADarkPathItIsSoonDialledBesideTheMove) {
  const ConnectionId connection = Transferring(milliseconds(20));
  Answer(kB, milliseconds(100));
  Tell(WentDark{connection});
  ASSERT_TRUE(Take<Move>().at(0).immediate);
  Pass(milliseconds(399));
  EXPECT_TRUE(Take<Reconnect>().empty());
  Pass(milliseconds(1));
  EXPECT_EQ(Take<Reconnect>().at(0).to, kB);
  // The peer was only slow.
  Tell(ConnectionMoved{connection, kB});
  Pass(seconds(5));
  EXPECT_TRUE(Take<Reconnect>().empty());
  EXPECT_EQ(selected(), kB);
}

TEST_F(RemotePaths, NothingIsDialledBesideAMoveThatWasAnsweredInTime) {
  const ConnectionId connection = Transferring(milliseconds(20));
  Answer(kB, milliseconds(100));
  Tell(WentDark{connection});
  Pass(milliseconds(200));
  Tell(ConnectionMoved{connection, kB});
  Pass(seconds(5));
  EXPECT_TRUE(Take<Reconnect>().empty());
}

TEST_F(RemotePaths, WhatWasReplacedIsMovedNoMore) {
  Tell(AddressesLearnt{{kC}, "ticket"});
  const ConnectionId old = Transferring(milliseconds(20));
  Answer(kB, milliseconds(30));
  Answer(kC, milliseconds(60));
  Tell(WentDark{old});
  ASSERT_EQ(Take<Move>().at(0).to, kB);
  Pass(milliseconds(250));
  ASSERT_EQ(Take<Reconnect>().at(0).to, kB);
  // It is there, and slower than the probe said: another path is better after all.
  const ConnectionId next{++connections_};
  Tell(ConnectionUp{next, {}, old, kB, milliseconds(90), false});
  ASSERT_EQ(selected(), kC);
  EXPECT_TRUE(Take<Move>().empty());
  const auto again = Take<Reconnect>();
  ASSERT_EQ(again.size(), 1);
  EXPECT_EQ(again[0].connection, next);
  Tell(Want{});
  EXPECT_EQ(Take<Reached>().at(0).connection, next);
  Tell(ConnectionDown{old});
  EXPECT_EQ(remotes_.Find(kNode)->connections(), 1);
}

// The simulation's seed 1240: an address that was no good was dialled from a path that was well.
TEST_F(RemotePaths, NothingIsDialledBesideAMoveFromAPathThatIsWellAgain) {
  const ConnectionId connection = Transferring(milliseconds(20));
  Answer(kB, milliseconds(100));
  Tell(WentDark{connection});
  ASSERT_TRUE(Take<Move>().at(0).immediate);
  Pass(milliseconds(200));
  Measure(connection, milliseconds(20));
  EXPECT_EQ(selected(), kA);
  Pass(milliseconds(700));
  EXPECT_TRUE(Take<Reconnect>().empty());
  Tell(MoveFailed{connection, kB});
  EXPECT_TRUE(Take<Reconnect>().empty());
  EXPECT_EQ(selected(), kA);
}

// What it sends goes to where it was to move, whether anybody is there or not.
TEST_F(RemotePaths, WhoHasLeftADarkPathThatIsWellAgainGoesBack) {
  const ConnectionId connection = Transferring(milliseconds(20));
  Answer(kB, milliseconds(100));
  Tell(WentDark{connection});
  ASSERT_EQ(Take<Move>().at(0).to, kB);
  Measure(connection, milliseconds(20));
  ASSERT_EQ(selected(), kA);
  const auto back = Take<Move>();
  ASSERT_EQ(back.size(), 1U);
  EXPECT_EQ(back[0].to, kA);
  EXPECT_TRUE(back[0].immediate);
  Tell(ConnectionMoved{connection, kA});
  Pass(seconds(5));
  EXPECT_TRUE(Take<Move>().empty());
  EXPECT_TRUE(Take<Reconnect>().empty());
}

TEST_F(RemotePaths, WhoCannotGoBackToItIsDialledThere) {
  const ConnectionId connection = Transferring(milliseconds(20));
  Answer(kB, milliseconds(100));
  Tell(WentDark{connection});
  Measure(connection, milliseconds(20));
  Take<Move>();
  Tell(MoveFailed{connection, kA});
  EXPECT_EQ(Take<Reconnect>().at(0).to, kA);
}

TEST_F(RemotePaths, ASparePathThatFallsSilentIsClosed) {
  Transferring(milliseconds(20));
  Answer(kB, milliseconds(19));
  ASSERT_TRUE(IsOpen(kB));
  Pass(seconds(5));
  EXPECT_FALSE(IsOpen(kB));
  EXPECT_EQ(Take<ClosePath>().at(0).address, kB);
}

TEST_F(RemotePaths, ASparePathIsClosedWhenNobodyNeedsIt) {
  Transferring(milliseconds(20));
  Answer(kB, milliseconds(19));
  Tell(Busy{false});
  Take<Probe>();
  Pass(seconds(14));
  EXPECT_TRUE(IsOpen(kB));
  EXPECT_TRUE(Take<Probe>().empty());
  Pass(seconds(1));
  EXPECT_FALSE(IsOpen(kB));
}

TEST_F(RemotePaths, ARelayStaysOpenLongerAndIsOnlyABackup) {
  RelayAddresses relays;
  const SocketAddress relay = *relays.Of("https://relay.example/", kNode);
  book_.AddRelay(kNode, relay, "ticket");
  const ConnectionId connection = Connect(relay, milliseconds(5));
  EXPECT_EQ(selected(), relay);
  Tell(AddressesLearnt{{kA}, "ticket"});
  Tell(Busy{true});
  Answer(kA, milliseconds(900));
  EXPECT_EQ(selected(), kA);
  Tell(ConnectionMoved{connection, kA});
  Tell(Busy{false});
  Pass(seconds(29));
  EXPECT_TRUE(IsOpen(relay));
  Pass(seconds(1));
  EXPECT_FALSE(IsOpen(relay));
}

TEST_F(RemotePaths, ABetterPathIsLookedForEveryMinute) {
  Tell(AddressesLearnt{{kA, kB}, "ticket"});
  const ConnectionId connection = Connect(kA, milliseconds(11));
  EXPECT_TRUE(Take<Probe>().empty());  // no transfer runs
  Pass(seconds(59));
  EXPECT_TRUE(Take<Probe>().empty());
  Pass(seconds(1));
  const auto probes = Take<Probe>();
  ASSERT_EQ(probes.size(), 1);
  EXPECT_EQ(probes[0].addresses, (Addresses{kA, kB}));
  Measure(connection, milliseconds(10));  // good enough
  Pass(seconds(60));
  EXPECT_TRUE(Take<Probe>().empty());
}

TEST_F(RemotePaths, ANetworkChangeAsksAllPathsAndLosesTheSilent) {
  const ConnectionId connection = Transferring(milliseconds(20));
  Answer(kB, milliseconds(30));
  Pass(milliseconds(100));
  Measure(connection, milliseconds(20));
  Take<Probe>();
  NetworkChanges(true);
  EXPECT_EQ(Take<PunchHoles>().size(), 1);
  EXPECT_EQ(Take<Probe>().at(0).addresses, (Addresses{kA, kB}));
  Pass(milliseconds(100));
  Answer(kB, milliseconds(30));
  ASSERT_EQ(selected(), kA);
  Pass(milliseconds(200));
  // kA has not answered within 300 ms: acted on before half a second is over.
  EXPECT_EQ(selected(), kB);
  EXPECT_TRUE(Take<Move>().at(0).immediate);
}

TEST_F(RemotePaths, WhatWasHeardBeforeTheNetworkChangedProvesNothing) {
  const ConnectionId connection = Transferring(milliseconds(20));
  Answer(kB, milliseconds(30));
  const Instant heard = moment_.now;
  Pass(milliseconds(50));
  NetworkChanges(true);
  Pass(milliseconds(100));
  Answer(kB, milliseconds(30));
  // The network loop says a few times a second what it has heard.
  Tell(ConnectionRtt{connection, milliseconds(20), heard});
  Pass(milliseconds(200));
  EXPECT_EQ(selected(), kB);
}

TEST_F(RemotePaths, ANetworkChangeThatHarmsNothingChangesNothing) {
  const ConnectionId connection = Transferring(milliseconds(20));
  NetworkChanges(false);
  EXPECT_TRUE(Take<PunchHoles>().empty());
  Measure(connection, milliseconds(20));
  Pass(seconds(1));
  EXPECT_EQ(selected(), kA);
  EXPECT_FALSE(remotes_.Find(kNode)->Paths().at(0).dark);
}

TEST_F(RemotePaths, NothingIsSelectedWhenTheLastConnectionCloses) {
  const ConnectionId first = Transferring(milliseconds(20));
  Answer(kB, milliseconds(30));
  const ConnectionId second{++connections_};
  Tell(ConnectionUp{second, {}, {}, kA, milliseconds(25)});
  Tell(ConnectionDown{first});
  EXPECT_EQ(selected(), kA);
  Tell(ConnectionDown{second});
  EXPECT_EQ(selected(), std::nullopt);
  EXPECT_EQ(Take<ClosePath>().size(), 2);
  Tell(ConnectionDown{second});  // late
}

TEST_F(RemotePaths, StrangersAnswersAreNoPaths) {
  Transferring(milliseconds(40));
  Answer(At("198.51.100.1:1"), milliseconds(1));
  EXPECT_EQ(selected(), kA);
  book_.SetOwnAddresses({kB});
  Answer(kB, milliseconds(1));
  EXPECT_EQ(selected(), kA);
}

// Else it would come back in the next life.
TEST_F(RemotePaths, WhatMakesRoomForAnAddressThatWorksIsForgotten) {
  for (int port = 1; port <= 32; ++port)
    book_.Add(kNode, At(("198.51.100.1:" + std::to_string(port)).c_str()), "dns");
  const ConnectionId connection = Connect(At("198.51.100.1:32"), milliseconds(40));
  Take<KeepAddress>();
  Tell(ConnectionMoved{connection, kB});
  const auto kept = Take<KeepAddress>();
  ASSERT_EQ(kept.size(), 1);
  EXPECT_EQ(kept[0].known.address, kB);
  EXPECT_EQ(kept[0].evicted, At("198.51.100.1:1"));
  // What the book does not take is not to be kept either.
  book_.SetOwnAddresses({kC});
  Tell(ConnectionMoved{connection, kC});
  EXPECT_TRUE(Take<KeepAddress>().empty());
}

TEST_F(RemotePaths, AVisitorMovesItself) {
  Tell(ConnectionUp{{1}, {}, {}, kA, milliseconds(20)});
  EXPECT_EQ(book_.Of(kNode).at(0).source, "incoming");
  Tell(ConnectionMoved{{1}, kB});
  EXPECT_EQ(remotes_.Find(kNode)->connections(), 1);
  Measure(ConnectionId{1}, milliseconds(20));
  EXPECT_EQ(Take<Move>().size(), 0);
  EXPECT_TRUE(IsOpen(kB));
}

}  // namespace
}  // namespace blobd::path
