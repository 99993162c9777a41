#include "rpc/create_ticket.h"

#include <gtest/gtest.h>

#include "wire/ticket.h"

namespace blobd::rpc {
namespace {

using store::BlobState;

class CreateTicketTest : public testing::Test {
 protected:
  CreateTicketTest() {
    identity_.node_id = {{7}};
    identity_.serve = transfer::ServeMode::kAnyone;
    wish_.kind = inventory_.kind = {{{1}}, BlobFormat::kRaw};
    inventory_.root = Blob(1, BlobState::kComplete);
    own_ = {*SocketAddress::Parse("[2001:db8::1]:7"), *SocketAddress::Parse("192.0.2.1:7")};
  }
  static store::BlobInfo Blob(uint8_t hash, BlobState state) {
    store::BlobInfo info;
    info.hash = {{hash}};
    info.state = state;
    info.size = 100;
    info.size_proven = state == BlobState::kComplete;
    info.verified_bytes = state == BlobState::kComplete ? 100 : 40;
    return info;
  }
  StatusOr<v1::CreateTicketResponse> Create() {
    return CreateTicket(identity_, wish_, inventory_, own_);
  }
  // All notes, or the error.
  std::string Notes() {
    const auto response = Create();
    if (!response.ok()) return Message(response.status());
    std::string notes;
    for (const std::string& note : response->notes()) notes += note + "\n";
    return notes;
  }

  DaemonIdentity identity_;
  TicketWish wish_;
  transfer::Inventory inventory_;
  std::vector<SocketAddress> own_;
};

TEST_F(CreateTicketTest, SaysWhatItIsFor) {
  const auto response = Create();
  ASSERT_TRUE(response.ok());
  const auto ticket = wire::ParseTicket(response->ticket());
  ASSERT_TRUE(ticket.ok());
  const auto* blob = std::get_if<wire::BlobTicket>(&*ticket);
  ASSERT_NE(blob, nullptr);
  EXPECT_EQ(blob->kind, wish_.kind);
  EXPECT_EQ(blob->addr.node, identity_.node_id);
  ASSERT_EQ(blob->addr.addresses.size(), 2u);
  EXPECT_EQ(blob->addr.addresses[0].ToString(), "192.0.2.1:7") << "in the order of the wire";
  EXPECT_TRUE(blob->addr.relay_urls.empty());
  EXPECT_TRUE(response->complete());
  EXPECT_EQ(Notes(), "");
}

TEST_F(CreateTicketTest, AddressesThatAreNamedReplaceOurOwn) {
  wish_.addresses = {*SocketAddress::Parse("198.51.100.1:1")};
  EXPECT_EQ(Create()->node().addresses_size(), 1);
  EXPECT_EQ(Create()->node().addresses(0), "198.51.100.1:1");
  wish_.addresses.clear();
  wish_.no_addresses = true;
  EXPECT_EQ(Create()->node().addresses_size(), 0);
  EXPECT_EQ(Notes(), "") << "as it was asked for";
  wish_.no_addresses = false;
  own_.clear();
  EXPECT_EQ(Create()->node().node_id(), identity_.node_id.ToHex());
  EXPECT_NE(Notes().find("no address"), std::string::npos);
  for (uint16_t port = 1; port <= 100; ++port)
    own_.push_back(SocketAddress::V4({192, 0, 2, 1}, port));
  EXPECT_EQ(Create()->node().addresses_size(), 32);
  EXPECT_EQ(Create()->node().addresses(31), "192.0.2.1:32") << "the likeliest are kept";
}

TEST_F(CreateTicketTest, WhatIsNotHereOrPrivateGetsNone) {
  inventory_.root.is_private = true;
  EXPECT_EQ(Create().status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(Notes().find("private"), std::string::npos);
  inventory_.root = Blob(1, BlobState::kAbsent);
  EXPECT_EQ(Create().status().code(), StatusCode::kNotFound);
}

TEST_F(CreateTicketTest, WhatIsHalfHereIsSaid) {
  inventory_.root = Blob(1, BlobState::kPartial);
  EXPECT_FALSE(Create()->complete());
  EXPECT_NE(Notes().find("only 40 bytes"), std::string::npos) << Notes();
  inventory_.kind.format = wish_.kind.format = BlobFormat::kHashSeq;
  EXPECT_NE(Notes().find("only 40 bytes"), std::string::npos) << Notes();
  inventory_.root = Blob(1, BlobState::kComplete);
  inventory_.children_known = true;
  inventory_.children = {{1, Blob(2, BlobState::kComplete)}, {2, Blob(3, BlobState::kPartial)}};
  EXPECT_FALSE(Create()->complete());
  EXPECT_NE(Notes().find("only 2 of its 3 blobs"), std::string::npos) << Notes();
  inventory_.children[1].blob = Blob(3, BlobState::kComplete);
  EXPECT_TRUE(Create()->complete());
  inventory_.children[0].blob.is_private = true;
  EXPECT_NE(Notes().find("1 of its blobs are private"), std::string::npos) << Notes();
}

TEST_F(CreateTicketTest, WhoIsServedIsSaid) {
  identity_.serve = transfer::ServeMode::kListed;
  EXPECT_NE(Notes().find("serve.nodes"), std::string::npos);
  identity_.serve = transfer::ServeMode::kNobody;
  EXPECT_NE(Notes().find("nobody is served"), std::string::npos);
}

TEST(TicketWish, IsChecked) {
  v1::CreateTicketRequest request;
  request.mutable_kind()->set_hash(std::string(64, 'a'));
  ASSERT_TRUE(ToTicketWish(request).ok());
  request.add_addresses("192.0.2.1:7");
  EXPECT_EQ(ToTicketWish(request)->addresses.size(), 1u);
  request.set_no_addresses(true);
  EXPECT_EQ(ToTicketWish(request).status().code(), StatusCode::kInvalidArgument);
  request.set_no_addresses(false);
  for (const char* wrong : {"192.0.2.1:0", "[::]:7", "host:7", ""}) {
    request.set_addresses(0, wrong);
    EXPECT_EQ(ToTicketWish(request).status().code(), StatusCode::kInvalidArgument) << wrong;
  }
  request.clear_addresses();
  for (int i = 0; i < 33; ++i) request.add_addresses("192.0.2.1:7");
  EXPECT_EQ(ToTicketWish(request).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace blobd::rpc
