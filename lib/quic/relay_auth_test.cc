#include "quic/relay_auth.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "quic/tls.h"
#include "wire/vectors_for_test.h"

namespace blobd::quic {
namespace {

namespace vectors = wire::vectors;

struct Captured {
  Captured() {
    const auto json = vectors::LoadJson("transport/relay-auth-iroh-1.0.2.json");
    const auto bytes = [&](const char* key) {
      return vectors::FromHexOrThrow(json[key].get<std::string>());
    };
    seed = bytes("ed25519_seed_hex");
    challenge = bytes("server_challenge_frame_hex");
    message = bytes("signed_message_hex");
    answer = bytes("client_auth_frame_hex");
    sni = json["sni_for_this_id"].get<std::string>();
  }
  Bytes seed, challenge, message, answer;
  std::string sni;
};

TEST(RelayAuthTest, AnswersAsARealNodeDoes) {
  const Captured captured;
  const Identity identity = Identity::FromSeed(captured.seed);
  const auto challenge = DecodeRelayChallenge(captured.challenge);
  ASSERT_TRUE(challenge.ok()) << challenge.status();
  EXPECT_EQ(ToHex(RelayAuthMessage(*challenge).view()), ToHex(captured.message));
  EXPECT_EQ(ToHex(EncodeRelayAuth(identity, *challenge)), ToHex(captured.answer));
  const auto who = VerifyRelayAuth(captured.answer, *challenge);
  ASSERT_TRUE(who.ok()) << who.status();
  EXPECT_EQ(*who, identity.node_id());
  EXPECT_EQ(ServerName(*who), captured.sni);
}

TEST(RelayAuthTest, EveryFlippedBitIsFound) {
  const Captured captured;
  const RelayChallenge challenge = DecodeRelayChallenge(captured.challenge).value();
  for (size_t bit = 0; bit < captured.answer.size() * 8; ++bit) {
    Bytes wrong = captured.answer;
    wrong[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    EXPECT_FALSE(VerifyRelayAuth(wrong, challenge).ok()) << "bit " << bit;
  }
  for (size_t bit = 0; bit < challenge.size() * 8; ++bit) {
    RelayChallenge other = challenge;
    other[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    EXPECT_FALSE(VerifyRelayAuth(captured.answer, other).ok()) << "bit " << bit;
  }
}

TEST(RelayAuthTest, FramesOfTheWrongLengthAreRefused) {
  const Captured captured;
  const RelayChallenge challenge = DecodeRelayChallenge(captured.challenge).value();
  for (size_t size = 0; size < captured.answer.size(); ++size) {
    EXPECT_FALSE(VerifyRelayAuth(ByteView(captured.answer).first(size), challenge).ok());
  }
  for (size_t size = 0; size < captured.challenge.size(); ++size) {
    EXPECT_FALSE(DecodeRelayChallenge(ByteView(captured.challenge).first(size)).ok());
  }
}

}  // namespace
}  // namespace blobd::quic
