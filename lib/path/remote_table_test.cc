#include "path/remote_table.h"

#include <gtest/gtest.h>

#include "base/utf8.h"

namespace blobd::path {
namespace {

const SocketAddress kAddress = *SocketAddress::Parse("192.0.2.1:1");

NodeId Node(uint32_t number) {
  NodeId node;
  for (size_t i = 0; i < 4; ++i) node.bytes[i] = static_cast<uint8_t>(number >> (24 - 8 * i));
  return node;
}

TEST(RemoteTable, FollowsANodeThroughItsLife) {
  RemoteTable table;
  const NodeId node = Node(1);
  EXPECT_EQ(table.Find(node), nullptr);
  table.Closed(node);  // says nothing about a node that is not known
  EXPECT_EQ(table.Find(node), nullptr);
  table.Dialling(node);
  EXPECT_EQ(table.Find(node)->link, Link::kDialling);
  table.Connected(node, kAddress, WallTime{5});
  EXPECT_EQ(table.Find(node)->link, Link::kConnected);
  EXPECT_EQ(table.Find(node)->address, kAddress);
  table.Banned(node, WallTime{100}, "wrong bytes");
  EXPECT_EQ(table.Find(node)->link, Link::kConnected);
  table.Closed(node);
  EXPECT_EQ(table.Find(node)->link, Link::kDown);
  EXPECT_EQ(table.Find(node)->address, SocketAddress());
  EXPECT_EQ(table.Find(node)->last_failure, WallTime{});
  table.Dialling(node);
  table.Failed(node, "timed out", WallTime{9});
  EXPECT_EQ(table.Find(node)->link, Link::kDown);
  EXPECT_EQ(table.Find(node)->last_success, WallTime{5});
  EXPECT_EQ(table.Find(node)->last_failure, WallTime{9});
  EXPECT_EQ(table.Find(node)->failure, "timed out");
  EXPECT_EQ(table.Find(node)->banned_until, WallTime{100});
}

TEST(RemoteTable, ForgetsTheOldestThatIsDown) {
  RemoteTable table;
  table.Dialling(Node(0));
  for (uint32_t i = 1; i <= RemoteTable::kKeptDown; ++i) table.Failed(Node(i), "no", WallTime{1});
  EXPECT_EQ(table.size(), RemoteTable::kKeptDown + 1);
  table.Failed(Node(1), "again", WallTime{2});  // not the oldest any more
  table.Failed(Node(20'000), "no", WallTime{3});
  EXPECT_EQ(table.size(), RemoteTable::kKeptDown + 1);
  EXPECT_NE(table.Find(Node(0)), nullptr);
  EXPECT_NE(table.Find(Node(1)), nullptr);
  EXPECT_EQ(table.Find(Node(2)), nullptr);
  EXPECT_NE(table.Find(Node(3)), nullptr);
  table.Closed(Node(0));
  EXPECT_EQ(table.size(), RemoteTable::kKeptDown);
  EXPECT_EQ(table.Find(Node(3)), nullptr);
}

TEST(RemoteTable, PagesInOrder) {
  RemoteTable table;
  for (const uint32_t i : {3, 1, 2}) table.Dialling(Node(i));
  EXPECT_EQ(table.After({}, 2), (std::vector<NodeId>{Node(1), Node(2)}));
  EXPECT_EQ(table.After(Node(2), 2), std::vector<NodeId>{Node(3)});
  EXPECT_TRUE(table.After(Node(3), 2).empty());
}

TEST(RemoteTable, WhatPeersSayIsKeptShortAndReadable) {
  RemoteTable table;
  table.Failed(Node(1), "\xff\x1b[2J", WallTime{1});
  EXPECT_EQ(table.Find(Node(1))->failure, "\\xff\\x1b[2J");
  std::string long_reason = "x";
  while (long_reason.size() < 1000) long_reason += "ü";
  table.Failed(Node(1), long_reason, WallTime{1});
  EXPECT_TRUE(IsUtf8(table.Find(Node(1))->failure));
  EXPECT_EQ(table.Find(Node(1))->failure.size(), RemoteTable::kMaxReason - 1);
}

TEST(RemoteTableForgets, ANodeThatIsDown) {
  RemoteTable table;
  const NodeId node{{1}};
  const NodeId banned{{2}};
  table.Failed(node, "silent", WallTime{5});
  table.Failed(banned, "silent", WallTime{5});
  table.Banned(banned, WallTime{9}, "lied");
  table.Forget(node, false);
  table.Forget(banned, true);
  table.Forget(NodeId{{3}}, false);
  EXPECT_EQ(table.Find(node), nullptr);
  ASSERT_NE(table.Find(banned), nullptr);
  EXPECT_EQ(table.Find(banned)->failure, "");
  EXPECT_EQ(table.Find(banned)->last_failure, WallTime{});
  EXPECT_EQ(table.Find(banned)->ban_reason, "lied");
  EXPECT_EQ(table.size(), 1u);
}

}  // namespace
}  // namespace blobd::path
