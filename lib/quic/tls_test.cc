#include "quic/tls.h"

#include <gtest/gtest.h>

namespace blobd::quic {
namespace {

TEST(TlsTest, ServerNameOfTheZeroSeed) {
  // protocol/transport.md, section 3.
  const Identity identity = Identity::FromSeed(Bytes(32, 0));
  EXPECT_EQ(ServerName(identity.node_id()),
            "7dl2ff6emqi2qol3l382krodedij45bn3nh479hqo14a32qpr8kg.iroh.invalid");
}

TEST(TlsTest, SessionsOfBothRolesCanBeMade) {
  const Identity identity = Identity::Generate();
  const auto context = TlsContext::Create(identity);
  ASSERT_TRUE(context.ok()) << context.status();
  const auto client = TlsSession::Create(**context, Role::kClient, identity.node_id());
  ASSERT_TRUE(client.ok()) << client.status();
  const auto server = TlsSession::Create(**context, Role::kServer, std::nullopt);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_FALSE((*client)->peer().has_value());
  EXPECT_FALSE((*client)->wrong_identity());
}

}  // namespace
}  // namespace blobd::quic
