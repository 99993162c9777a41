// How a node proves to a relay who it is (protocol/transport.md, section 7a): it signs what is
// derived from the relay's random challenge, with the key that its id is.
//
// Values; any thread. Errors: kInvalidArgument for a frame that is malformed or whose signature
// does not hold.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/node_id.h"
#include "base/status.h"
#include "quic/identity.h"

namespace blobd::quic {

using RelayChallenge = std::array<uint8_t, 16>;

// The challenge in a ServerChallenge frame.
StatusOr<RelayChallenge> DecodeRelayChallenge(ByteView frame);
// What is signed for it.
Hash RelayAuthMessage(const RelayChallenge& challenge);
// The ClientAuth frame that answers it.
Bytes EncodeRelayAuth(const Identity& identity, const RelayChallenge& challenge);
// Who has answered the challenge with this ClientAuth frame.
StatusOr<NodeId> VerifyRelayAuth(ByteView frame, const RelayChallenge& challenge);

}  // namespace blobd::quic
