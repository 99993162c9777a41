// Nothing but the node's own signature makes a packet: what the fuzzer makes is signed here, so
// that what stands behind the signature is reached, too.
#include <sodium.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "lookup/signed_packet.h"

namespace {

using blobd::lookup::SignedPacket;

struct Key {
  std::array<uint8_t, crypto_sign_PUBLICKEYBYTES> id{};
  std::array<uint8_t, crypto_sign_SECRETKEYBYTES> secret{};
  Key() {
    const std::array<uint8_t, crypto_sign_SEEDBYTES> seed{7};
    BLOBD_CHECK(sodium_init() >= 0);
    crypto_sign_seed_keypair(id.data(), secret.data(), seed.data());
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Key key;
  const blobd::NodeId node{key.id};
  BLOBD_CHECK(!SignedPacket::FromPayload(node, {data, size}).ok());
  if (size > SignedPacket::kMaxDns) return 0;
  const std::string head = "3:seqi1e1:v" + std::to_string(size) + ":";
  blobd::Bytes message(head.begin(), head.end());
  message.insert(message.end(), data, data + size);
  blobd::Bytes payload(SignedPacket::kSignature);
  crypto_sign_detached(payload.data(), nullptr, message.data(), message.size(), key.secret.data());
  payload.insert(payload.end(), {0, 0, 0, 0, 0, 0, 0, 1});
  payload.insert(payload.end(), data, data + size);
  const auto packet = SignedPacket::FromPayload(node, payload);
  if (packet.ok()) BLOBD_CHECK(packet->Payload() == payload);
  return 0;
}
