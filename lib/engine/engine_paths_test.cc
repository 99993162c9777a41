// Reaching nodes: where addresses come from, and what becomes of a dial.
#include <gtest/gtest.h>

#include "engine/engine_for_test.h"
#include "engine/fake_lookup_for_test.h"

namespace blobd::engine {
namespace {

using Addresses = std::vector<SocketAddress>;

SocketAddress At(const char* text) { return *SocketAddress::Parse(text); }
const SocketAddress kStale = At("192.0.2.1:1");  // the one that Item() gives
const SocketAddress kFound = At("198.51.100.7:11205");

class PathsTest : public EngineTest {
 protected:
  PathsTest() {
    lookup_ = &fake_;
    Restart();
  }
  RemoteView Remote() {
    const auto view = engine_->FindRemote(kNode);
    EXPECT_TRUE(view.has_value());
    return view.value_or(RemoteView());
  }
  path::KnownAddress Known(const SocketAddress& address) {
    for (const path::KnownAddress& known : Remote().addresses) {
      if (known.address == address) return known;
    }
    ADD_FAILURE() << "not known: " << address.ToString();
    return {};
  }
  void Find(const std::string& service, const Addresses& addresses) {
    fake_.sink->OnLookupFound(fake_.asked.back().first, kNode, service, addresses);
    loop_.Settle();
  }
  void EndLookup(const std::string& reason) {
    fake_.sink->OnLookupEnded(fake_.asked.back().first, kNode, reason);
    loop_.Settle();
  }
  std::string LastError(IntentId id) { return Get(id)->failures[0].reason; }
  FakeLookup fake_;
};

TEST_F(PathsTest, ANodeWithoutAnAddressIsLookedUp) {
  ASSERT_TRUE(Queue(kAnn, {Item(kKind, false)}).ok());
  ASSERT_EQ(fake_.asked.size(), 1u);
  EXPECT_EQ(fake_.asked[0].second, kNode);
  EXPECT_TRUE(Remote().looking_up);
  ASSERT_EQ(network_->dials.size(), 1u);
  EXPECT_TRUE(network_->dials[0].second.empty());
  EXPECT_TRUE(network_->is_open[kNode]);
  Find("dns", {kFound});
  ASSERT_EQ(network_->extensions.size(), 1u);
  EXPECT_EQ(network_->extensions[0].second, Addresses{kFound});
  EXPECT_TRUE(network_->is_open[kNode]) << "other services may still answer";
  EndLookup("pkarr: nobody there");
  EXPECT_FALSE(network_->is_open[kNode]);
  network_->sink->OnConnected(kNode, kFound, milliseconds(2));
  loop_.Settle();
  EXPECT_EQ(network_->gets.size(), 1u);
  EXPECT_FALSE(Remote().looking_up);
}

TEST_F(PathsTest, WhatWasFoundIsRememberedWithItsSource) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  Find("pkarr", {kFound});
  ASSERT_EQ(registry_.addresses.size(), 2u);
  network_->sink->OnConnected(kNode, kFound, milliseconds(2));
  loop_.Settle();
  EXPECT_EQ(Known(kFound).source, "pkarr");
  EXPECT_EQ(Known(kStale).source, "api");
  Restart();
  EXPECT_EQ(Known(kFound).source, "pkarr");
  EXPECT_GT(Known(kFound).last_worked, WallTime{});
  EXPECT_EQ(network_->dials.at(0).second.front(), kFound) << "what worked is dialled first";
  EXPECT_EQ(fake_.asked.size(), 1u) << "a proven address spares the lookup at first";
  loop_.Advance(seconds(2));
  EXPECT_EQ(fake_.asked.size(), 2u) << "but for a second only";
}

TEST_F(PathsTest, EveryServicesErrorIsInTheReason) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  network_->sink->OnAttemptFailed(kNode, kStale, "refused");
  EndLookup("dns: no such name; pkarr: no answer within 5000 ms");
  network_->sink->OnDialFailed(kNode, false, "nobody answered");
  loop_.Settle();
  const std::string said = LastError(id);
  EXPECT_NE(said.find("nobody answered"), std::string::npos) << said;
  EXPECT_NE(said.find("dns: no such name"), std::string::npos) << said;
  EXPECT_NE(said.find("pkarr: no answer"), std::string::npos) << said;
  EXPECT_EQ(Known(kStale).failure, "refused");
  EXPECT_GT(Known(kStale).last_failed, WallTime{});
}

TEST_F(PathsTest, WhatAnAddressDidIsRememberedInTheNextLife) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  Find("dns", {kFound});
  network_->sink->OnAttemptFailed(kNode, kStale, "refused");
  network_->sink->OnConnected(kNode, kFound, milliseconds(2));
  loop_.Settle();
  const WallTime failed = Known(kStale).last_failed;
  EXPECT_GT(failed, WallTime{});
  Restart();
  EXPECT_EQ(Known(kStale).failure, "refused");
  EXPECT_EQ(Known(kStale).last_failed, failed);
  EXPECT_FALSE(Known(kStale).proven());
  EXPECT_EQ(network_->dials.at(0).second, (Addresses{kFound, kStale}));
}

TEST_F(PathsTest, ANodeThatNobodyKnowsIsUnreachableWhenTheLookupHasEnded) {
  const IntentId id = Queue(kAnn, {Item(kKind, false)})->front().intent;
  EndLookup("static: the node is not configured");
  EXPECT_NE(LastError(id).find("no address is known"), std::string::npos);
  EXPECT_NE(LastError(id).find("not configured"), std::string::npos);
  EXPECT_EQ(network_->disconnects, std::vector<NodeId>{kNode}) << "the dial is given up";
}

TEST_F(PathsTest, WhatComesTooLateForADialStartsAnother) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  network_->sink->OnAttemptFailed(kNode, kStale, "refused");
  network_->sink->OnDialFailed(kNode, false, "nobody answered");
  loop_.Settle();
  ASSERT_EQ(network_->dials.size(), 1u);
  Find("local", {kFound});
  ASSERT_EQ(network_->dials.size(), 2u);
  EXPECT_EQ(network_->dials[1].second.front(), kFound) << "the other one failed";
  // It is news once only.
  network_->sink->OnDialFailed(kNode, false, "nobody answered");
  Find("local", {kFound});
  EXPECT_EQ(network_->dials.size(), 2u);
}

TEST_F(PathsTest, AnAddressThatSomebodyTellsJoinsTheDial) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  QueueItem item = Item();
  item.providers[0].addresses = {At("192.0.2.9:9")};
  ASSERT_TRUE(Queue(kJoe, {item}).ok());
  ASSERT_EQ(network_->dials.size(), 1u);
  ASSERT_EQ(network_->extensions.size(), 1u);
  EXPECT_EQ(network_->extensions[0].second, Addresses{At("192.0.2.9:9")});
}

TEST_F(PathsTest, NobodyIsLookedForWhenNobodyWantsIt) {
  const IntentId id = Queue(kAnn, {Item(kKind, false)})->front().intent;
  ASSERT_TRUE(Cancel(kAnn, {id}).ok());
  loop_.Advance(seconds(1));
  EXPECT_EQ(fake_.stops.size(), 1u);
  EXPECT_EQ(network_->disconnects.size(), 1u);
  // A late word of the network or of a service does no harm, and an address is worth knowing.
  network_->sink->OnConnected(kNode, kFound, milliseconds(2));
  Find("dns", {kFound});
  EndLookup("");
  EXPECT_EQ(Known(kFound).source, "dns");
  EXPECT_EQ(Remote().info.link, path::Link::kDown);
}

TEST_F(PathsTest, OurOwnAddressesAreNotDialled) {
  engine_->SetOwnAddresses({kStale});
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  ASSERT_EQ(network_->dials.size(), 1u);
  EXPECT_TRUE(network_->dials[0].second.empty());
  Find("dns", {kStale});
  EXPECT_TRUE(network_->extensions.empty());
}

TEST_F(PathsTest, ANetworkThatIsBackEndsTheWaitForARetry) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  EndLookup("dns: nobody there");
  for (int failures = 0; failures < 3; ++failures) {
    network_->sink->OnDialFailed(kNode, false, "nobody answered");
    loop_.Advance(milliseconds(1));
    if (failures < 2) loop_.Advance(seconds(5));
  }
  const size_t dials = network_->dials.size();
  engine_->OnNetworkChanged(true, false);
  loop_.Settle();
  EXPECT_EQ(network_->dials.size(), dials) << "nothing came";
  engine_->OnNetworkChanged(true, true);
  loop_.Settle();
  EXPECT_EQ(network_->dials.size(), dials + 1);
}

TEST_F(PathsTest, ANetworkThatComesAndGoesDoesNotEndThemAllTheTime) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  EndLookup("dns: nobody there");
  const auto fail = [&] {
    network_->sink->OnDialFailed(kNode, false, "nobody answered");
    loop_.Settle();
  };
  const size_t dials = network_->dials.size();
  fail();
  engine_->OnNetworkChanged(true, true);
  loop_.Settle();
  ASSERT_EQ(network_->dials.size(), dials + 1);
  // Within ten seconds it is told once more, at their end.
  fail();
  for (int i = 0; i < 100; ++i) engine_->OnNetworkChanged(true, true);
  loop_.Settle();
  EXPECT_EQ(network_->dials.size(), dials + 1);
  loop_.Advance(seconds(30));
  EXPECT_LE(network_->dials.size(), dials + 5);
  EXPECT_GE(network_->dials.size(), dials + 2);
}

TEST_F(PathsTest, AConnectionMovesToTheBetterPathAndSaysSo) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  Find("dns", {kFound});
  network_->sink->OnConnected(kNode, kStale, milliseconds(40));
  loop_.Settle();
  ASSERT_EQ(network_->gets.size(), 1u);
  network_->sink->OnPathRtt(kNode, milliseconds(40), loop_.Now());
  loop_.Advance(seconds(3));
  EXPECT_EQ(network_->probes.count(kFound), 1u) << "while something is got others are asked";
  network_->sink->OnProbeAnswered(kNode, kFound, milliseconds(5));
  loop_.Settle();
  ASSERT_EQ(network_->moves.size(), 1u);
  EXPECT_EQ(network_->moves[0], std::make_tuple(kNode, kFound, false));
  EXPECT_EQ(Remote().info.address, kStale) << "not before it is proven";
  network_->sink->OnMoved(kNode, kFound);
  loop_.Settle();
  const RemoteView view = Remote();
  EXPECT_EQ(view.info.address, kFound);
  EXPECT_EQ(network_->gets.size(), 1u) << "the transfer goes on";
  ASSERT_EQ(view.paths.size(), 2u);
  for (const path::PathView& path : view.paths) {
    EXPECT_EQ(path.selected, path.address == kFound);
    EXPECT_EQ(path.connections, path.address == kFound ? 1u : 0u);
  }
  EXPECT_EQ(view.selected_because, path::Why::kLowestRtt);
}

TEST_F(PathsTest, FromADarkPathItMovesAtOnce) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  Find("dns", {kFound});
  network_->sink->OnConnected(kNode, kStale, milliseconds(8));
  loop_.Settle();
  network_->sink->OnPathDark(kNode);
  loop_.Settle();
  EXPECT_EQ(network_->probes.count(kFound), 1u) << "which others work must be known now";
  EXPECT_TRUE(network_->moves.empty());
  network_->sink->OnProbeAnswered(kNode, kFound, milliseconds(60));
  loop_.Settle();
  ASSERT_EQ(network_->moves.size(), 1u);
  EXPECT_EQ(network_->moves[0], std::make_tuple(kNode, kFound, true));
}

TEST_F(PathsTest, WhereAConnectionCouldNotGoIsLeftAlone) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  Find("dns", {kFound});
  network_->sink->OnConnected(kNode, kStale, milliseconds(40));
  network_->sink->OnPathRtt(kNode, milliseconds(40), loop_.Now());
  network_->sink->OnProbeAnswered(kNode, kFound, milliseconds(5));
  loop_.Settle();
  ASSERT_EQ(network_->moves.size(), 1u);
  network_->sink->OnMoveFailed(kNode, kFound, false);
  loop_.Settle();
  EXPECT_EQ(network_->reconnects.size(), 1u) << "perhaps it only does not follow";
  network_->sink->OnMoveFailed(kNode, kFound, false);
  network_->sink->OnProbeAnswered(kNode, kFound, milliseconds(5));
  loop_.Advance(seconds(10));
  EXPECT_EQ(network_->moves.size(), 1u) << "anybody can answer a probe";
  EXPECT_EQ(network_->reconnects.size(), 1u);
  EXPECT_NE(Known(kFound).failure.find("could not be moved"), std::string::npos);
}

TEST_F(PathsTest, APeerThatDoesNotFollowIsDialledAnewAndTheTransferGoesOn) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  Find("dns", {kFound});
  network_->sink->OnConnected(kNode, kStale, milliseconds(8));
  loop_.Settle();
  network_->sink->OnProbeAnswered(kNode, kFound, milliseconds(12));
  network_->sink->OnPathDark(kNode);
  loop_.Settle();
  ASSERT_EQ(network_->moves.size(), 1u);
  EXPECT_TRUE(network_->reconnects.empty());
  loop_.Advance(milliseconds(300));
  ASSERT_EQ(network_->reconnects.size(), 1u);
  EXPECT_EQ(network_->reconnects.at(kNode), kFound);
  network_->sink->OnReplaced(kNode, kFound, milliseconds(12));
  loop_.Settle();
  EXPECT_EQ(Remote().info.address, kFound);
  EXPECT_EQ(Remote().info.link, path::Link::kConnected);
  EXPECT_EQ(network_->gets.size(), 1u);
  EXPECT_EQ(network_->dials.size(), 1u);
  EXPECT_TRUE(network_->disconnects.empty());
  // It is the connection now: what happens to it counts.
  network_->sink->OnDisconnected(kNode, false, "lost");
  loop_.Settle();
  EXPECT_NE(Remote().info.link, path::Link::kConnected);
}

TEST_F(PathsTest, TenThousandKnownNodesCostNoTimers) {
  const size_t before = loop_.timers();
  for (uint16_t i = 0; i < 10'000; ++i) {
    NodeId node;
    node.bytes[0] = 1;
    node.bytes[1] = static_cast<uint8_t>(i >> 8);
    node.bytes[2] = static_cast<uint8_t>(i);
    registry_.addresses.push_back({node, kFound, "dns", {}, 0});
  }
  Restart();
  EXPECT_EQ(loop_.timers(), before);
  size_t listed = 0;
  std::optional<NodeId> after;
  for (;;) {
    const auto page = engine_->ListRemotes({}, after, 1000, {});
    listed += page.remotes.size();
    if (!page.next) break;
    after = page.next;
  }
  EXPECT_EQ(listed, 10'000u);
}

}  // namespace
}  // namespace blobd::engine
