#include "path/address_book.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>

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
  const KnownAddress worked = book.Worked(kNode, At("192.0.2.1:1"), WallTime{5}, milliseconds(3));
  EXPECT_EQ(worked.source, "ticket");
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

}  // namespace
}  // namespace blobd::path
