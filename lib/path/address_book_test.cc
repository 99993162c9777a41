#include "path/address_book.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>

#include "path/relay_addresses.h"

namespace blobd::path {
namespace {

const NodeId kNode = {{1}};
SocketAddress At(const char* text) { return *SocketAddress::Parse(text); }

TEST(AddressBook, OrdersByWhatIsKnown) {
  AddressBook book;
  EXPECT_TRUE(book.Add(kNode, At("192.0.2.1:1"), "ticket").is_new);
  EXPECT_TRUE(book.Add(kNode, At("[2001:db8::1]:1"), "ticket").is_new);
  EXPECT_FALSE(book.Add(kNode, At("192.0.2.1:1"), "api").is_new);
  EXPECT_EQ(book.ToDial(kNode).front(), At("[2001:db8::1]:1"));
  const auto worked = book.Worked(kNode, At("192.0.2.1:1"), WallTime{5}, milliseconds(3));
  EXPECT_EQ(worked.known.source, "ticket");
  EXPECT_TRUE(worked.is_kept);
  EXPECT_EQ(book.ToDial(kNode).front(), At("192.0.2.1:1"));
}

TEST(AddressBook, RefusesOwnAndUndiallable) {
  AddressBook book;
  book.SetOwnAddresses({At("192.0.2.9:7")});
  for (const char* text :
       {"192.0.2.9:7", "0.0.0.0:7", "[::]:7", "192.0.2.1:0", "[ff02::1]:7", "224.0.0.1:7"}) {
    EXPECT_FALSE(book.Add(kNode, At(text), "api").is_new) << text;
  }
  EXPECT_TRUE(book.ToDial(kNode).empty());
}

TEST(AddressBook, IsBoundedAndKeepsWhatWorked) {
  AddressBook book;
  book.Add(kNode, At("192.0.2.1:1"), "ticket");
  book.Worked(kNode, At("192.0.2.1:1"), WallTime{5}, milliseconds(3));
  for (int port = 1; port <= 100; ++port) {
    book.Add(kNode, At(fmt::format("198.51.100.1:{}", port).c_str()), "api");
  }
  EXPECT_EQ(book.Of(kNode).size(), AddressBook::kMaxPerNode);
  EXPECT_EQ(book.ToDial(kNode).front(), At("192.0.2.1:1"));
}

TEST(AddressBook, WhoSaysALotDisplacesNobodyElse) {
  AddressBook book;
  const auto sources = [&] {
    std::map<std::string, size_t> count;
    for (const KnownAddress& each : book.Of(kNode)) ++count[each.source];
    return count;
  };
  for (int i = 1; i <= 4; ++i) {
    book.Add(kNode, At(fmt::format("192.0.2.{}:1", i).c_str()), "config");
    book.Add(kNode, At(fmt::format("192.0.2.{}:2", i).c_str()), "dns");
  }
  for (int port = 1; port <= 100; ++port) {
    book.Add(kNode, At(fmt::format("198.51.100.1:{}", port).c_str()), "api");
  }
  EXPECT_EQ(sources(), (std::map<std::string, size_t>{{"config", 4}, {"dns", 4}, {"api", 24}}));
  // There is room for others, up to their own places.
  for (int port = 1; port <= 100; ++port) {
    book.Add(kNode, At(fmt::format("203.0.113.1:{}", port).c_str()), "dns");
  }
  EXPECT_EQ(sources(), (std::map<std::string, size_t>{{"config", 4}, {"dns", 8}, {"api", 20}}));
  for (int port = 1; port <= 40; ++port) {
    book.Add(kNode, At(fmt::format("192.0.2.9:{}", port).c_str()), "config");
  }
  EXPECT_EQ(sources(), (std::map<std::string, size_t>{{"config", 8}, {"dns", 8}, {"api", 16}}));
}

TEST(AddressBook, WhatIsConfiguredGivesWayToNobodysWord) {
  AddressBook book;
  for (int port = 1; port <= 32; ++port) {
    const SocketAddress address = At(fmt::format("192.0.2.1:{}", port).c_str());
    book.Add(kNode, address, "ticket");
    EXPECT_FALSE(book.Add(kNode, address, "config").is_new);
  }
  EXPECT_FALSE(book.Add(kNode, At("198.51.100.1:1"), "api").is_new);
  EXPECT_FALSE(book.Add(kNode, At("198.51.100.1:1"), "pkarr").is_new);
  EXPECT_EQ(book.ToDial(kNode).front(), At("192.0.2.1:1"));
  // But what works is kept, and another configuration has its way.
  const auto proof = book.Worked(kNode, At("198.51.100.2:1"), WallTime{5}, milliseconds(3));
  EXPECT_EQ(proof.evicted, At("192.0.2.1:1"));
  EXPECT_EQ(book.ToDial(kNode).front(), At("198.51.100.2:1"));
  const AddressBook::Added added = book.Add(kNode, At("192.0.2.2:1"), "config");
  EXPECT_TRUE(added.is_new);
  EXPECT_EQ(added.evicted, At("192.0.2.1:2"));
}

// An earlier life may have left more than there is room for, in any order.
TEST(AddressBook, WhatWorkedIsRestoredAsSuch) {
  AddressBook book;
  for (int port = 1; port <= 32; ++port) {
    const SocketAddress address = At(fmt::format("198.51.100.1:{}", port).c_str());
    EXPECT_EQ(book.Restore(kNode, {address, "dns", {}}), std::nullopt);
  }
  for (int port = 1; port <= 9; ++port) {
    const SocketAddress address = At(fmt::format("192.0.2.1:{}", port).c_str());
    const auto surplus = book.Restore(kNode, {address, "dns", WallTime{100 + port}});
    const char* first_that_worked = "192.0.2.1:1";
    EXPECT_EQ(surplus,
              port == 9 ? At(first_that_worked) : At(fmt::format("198.51.100.1:{}", port).c_str()));
  }
  EXPECT_EQ(book.ToDial(kNode).front(), At("192.0.2.1:9"));
  // All that did not is older than this one, which has not either.
  EXPECT_EQ(book.Restore(kNode, {At("203.0.113.1:1"), "dns", {}}), At("198.51.100.1:9"));
  EXPECT_EQ(book.Of(kNode).size(), AddressBook::kMaxPerNode);
}

TEST(AddressBook, WhatIsConfiguredMakesRoomOnlyForWhatWorkedInAnEarlierLife) {
  AddressBook book;
  for (int port = 1; port <= 32; ++port)
    book.Add(kNode, At(fmt::format("192.0.2.1:{}", port).c_str()), "config");
  EXPECT_EQ(book.Restore(kNode, {At("198.51.100.1:1"), "dns", {}}), At("198.51.100.1:1"));
  EXPECT_EQ(book.Restore(kNode, {At("198.51.100.2:1"), "dns", WallTime{5}}), At("192.0.2.1:1"));
  EXPECT_EQ(book.ToDial(kNode).front(), At("198.51.100.2:1"));
  EXPECT_EQ(book.Restore(kNode, {At("192.0.2.1:2"), "dns", {}}), std::nullopt);
  EXPECT_EQ(book.Restore(kNode, {At("0.0.0.0:1"), "dns", {}}), std::nullopt);
}

TEST(AddressBook, FurtherNodesLeaveNoTrace) {
  AddressBook book;
  NodeId node{};
  for (uint32_t i = 0; i < AddressBook::kMaxNodes; ++i) {
    node.bytes[0] = static_cast<uint8_t>(i);
    node.bytes[1] = static_cast<uint8_t>(i >> 8);
    node.bytes[2] = static_cast<uint8_t>(i >> 16);
    book.Add(node, At("192.0.2.1:1"), "api");
  }
  node.bytes[3] = 1;
  const auto worked = book.Worked(node, At("192.0.2.1:1"), WallTime{5}, {});
  EXPECT_EQ(worked.known.last_worked, WallTime{5});
  EXPECT_FALSE(worked.is_kept);
  EXPECT_EQ(book.NodesAfter({}, AddressBook::kMaxNodes + 1).size(), AddressBook::kMaxNodes);
}

TEST(AddressBook, PagesItsNodesInOrder) {
  AddressBook book;
  for (const uint8_t id : std::array<uint8_t, 3>{3, 1, 2})
    book.Add({{id}}, At("192.0.2.1:1"), "api");
  EXPECT_EQ(book.NodesAfter({}, 2), (std::vector<NodeId>{{{1}}, {{2}}}));
  EXPECT_EQ(book.NodesAfter(NodeId{{2}}, 2), std::vector<NodeId>{NodeId{{3}}});
  EXPECT_TRUE(book.NodesAfter(NodeId{{3}}, 2).empty());
}

TEST(AddressBook, WhatFailedComesLastUntilItWorksAgain) {
  AddressBook book;
  book.Add(kNode, At("192.0.2.1:1"), "ticket");
  book.Add(kNode, At("192.0.2.2:1"), "dns");
  book.Worked(kNode, At("192.0.2.1:1"), WallTime{5}, milliseconds(3));
  EXPECT_TRUE(book.BestFirst(kNode).front().proven());
  book.Failed(kNode, At("192.0.2.1:1"), WallTime{6}, "no answer");
  EXPECT_EQ(book.ToDial(kNode).front(), At("192.0.2.2:1"));
  const KnownAddress failed = book.BestFirst(kNode).back();
  EXPECT_EQ(failed.failure, "no answer");
  EXPECT_EQ(failed.last_worked, WallTime{5});
  EXPECT_FALSE(failed.proven());
  book.Worked(kNode, At("192.0.2.1:1"), WallTime{7}, milliseconds(3));
  EXPECT_EQ(book.ToDial(kNode).front(), At("192.0.2.1:1"));
  EXPECT_TRUE(book.BestFirst(kNode).front().failure.empty());
}

TEST(AddressBook, WhatFailsWithoutBeingKnownIsNotLearnt) {
  AddressBook book;
  book.Failed(kNode, At("192.0.2.1:1"), WallTime{6}, "no answer");
  book.Add(kNode, At("192.0.2.2:1"), "dns");
  book.Failed(kNode, At("192.0.2.1:1"), WallTime{6}, "no answer");
  EXPECT_EQ(book.Of(kNode).size(), 1);
}

TEST(AddressBook, DoesNotDialWhatBecameOurOwn) {
  AddressBook book;
  book.Add(kNode, At("192.0.2.1:1"), "ticket");
  book.Add(kNode, At("192.0.2.2:1"), "ticket");
  book.SetOwnAddresses({At("192.0.2.1:1")});
  EXPECT_EQ(book.ToDial(kNode), std::vector<SocketAddress>{At("192.0.2.2:1")});
  book.SetOwnAddresses({});
  EXPECT_EQ(book.ToDial(kNode).size(), 2);
}

TEST(AddressBook, DialsRelaysLast) {
  AddressBook book;
  RelayAddresses relays;
  const SocketAddress relay = *relays.Of("https://relay.example/", kNode);
  EXPECT_FALSE(book.Add(kNode, relay, "ticket").is_new);  // no stranger can mean it
  EXPECT_TRUE(book.AddRelay(kNode, relay, "ticket").is_new);
  book.Worked(kNode, relay, WallTime{5}, milliseconds(1));
  book.Add(kNode, At("192.0.2.1:1"), "ticket");
  EXPECT_EQ(book.ToDial(kNode), (std::vector<SocketAddress>{At("192.0.2.1:1"), relay}));
}

TEST(AddressBookForgets, AllButWhatIsConfigured) {
  AddressBook book;
  const NodeId node{{1}};
  const SocketAddress ours = *SocketAddress::Parse("192.0.2.1:1");
  const SocketAddress other = *SocketAddress::Parse("192.0.2.2:1");
  book.Add(node, ours, "config");
  book.Add(node, other, "api");
  book.Worked(node, ours, WallTime{5}, milliseconds(1));
  book.Failed(node, ours, WallTime{6}, "silent");
  EXPECT_EQ(book.Forget(node), 1u);
  ASSERT_EQ(book.Of(node).size(), 1u);
  EXPECT_EQ(book.Of(node)[0].address, ours);
  EXPECT_EQ(book.Of(node)[0].source, "config");
  EXPECT_EQ(book.Of(node)[0].last_worked, WallTime{});
  EXPECT_EQ(book.Of(node)[0].last_failed, WallTime{});
  EXPECT_EQ(book.Of(node)[0].failure, "");
  EXPECT_EQ(book.Forget(node), 0u);
  const NodeId another{{2}};
  book.Add(another, other, "ticket");
  EXPECT_EQ(book.Forget(another), 1u);
  EXPECT_EQ(book.NodesAfter(std::nullopt, 9), std::vector<NodeId>{node});
  EXPECT_EQ(book.Forget(another), 0u);
}

}  // namespace
}  // namespace blobd::path
