#include "quic/relay_auth.h"

#include <sodium.h>

#include <algorithm>

#include "base/check.h"
#include "blake3/hasher.h"

namespace blobd::quic {
namespace {

constexpr uint8_t kServerChallenge = 0;
constexpr uint8_t kClientAuth = 1;
constexpr uint8_t kSignatureLength = crypto_sign_BYTES;
constexpr size_t kIdBegin = 1;
constexpr size_t kIdSize = sizeof(NodeId::bytes);
constexpr size_t kLengthAt = kIdBegin + kIdSize;
constexpr size_t kSignatureBegin = kLengthAt + 1;
constexpr size_t kAuthSize = kSignatureBegin + crypto_sign_BYTES;

}  // namespace

StatusOr<RelayChallenge> DecodeRelayChallenge(ByteView frame) {
  RelayChallenge challenge;
  if (frame.size() != 1 + challenge.size() || frame[0] != kServerChallenge) {
    return InvalidArgument("not a challenge of a relay");
  }
  std::copy(frame.begin() + 1, frame.end(), challenge.begin());
  return challenge;
}

Hash RelayAuthMessage(const RelayChallenge& challenge) {
  return blake3::DeriveKey("iroh-relay handshake v1 challenge signature", challenge);
}

Bytes EncodeRelayAuth(const Identity& identity, const RelayChallenge& challenge) {
  std::array<uint8_t, crypto_sign_PUBLICKEYBYTES> public_key;
  std::array<uint8_t, crypto_sign_SECRETKEYBYTES> secret_key;
  crypto_sign_seed_keypair(public_key.data(), secret_key.data(), identity.seed().data());
  Bytes frame(kAuthSize);
  frame[0] = kClientAuth;
  std::copy(public_key.begin(), public_key.end(), frame.begin() + kIdBegin);
  frame[kLengthAt] = kSignatureLength;
  const Hash message = RelayAuthMessage(challenge);
  const int signed_ok =
      crypto_sign_detached(frame.data() + kSignatureBegin, nullptr, message.view().data(),
                           message.view().size(), secret_key.data());
  sodium_memzero(secret_key.data(), secret_key.size());
  BLOBD_CHECK(signed_ok == 0);
  return frame;
}

StatusOr<NodeId> VerifyRelayAuth(ByteView frame, const RelayChallenge& challenge) {
  if (frame.size() != kAuthSize || frame[0] != kClientAuth ||
      frame[kLengthAt] != kSignatureLength) {
    return InvalidArgument("not an answer to a relay's challenge");
  }
  const ByteView id = frame.subspan(kIdBegin, kIdSize);
  const Hash message = RelayAuthMessage(challenge);
  if (crypto_sign_verify_detached(frame.data() + kSignatureBegin, message.view().data(),
                                  message.view().size(), id.data()) != 0) {
    return InvalidArgument("the signature does not hold");
  }
  return NodeId::FromBytes(id).value();
}

}  // namespace blobd::quic
