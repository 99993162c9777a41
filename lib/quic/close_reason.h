// CloseReason: why a connection is gone.
#pragma once

#include <cstdint>
#include <string>

namespace blobd::quic {

struct CloseReason {
  enum class Kind {
    kDialFailed,     // no handshake: timeout, no usable address
    kWrongIdentity,  // somebody else answered at that address
    kPeerClosed,     // the peer closed it in order (application close)
    kLost,           // idle timeout, stateless reset, protocol error
    kLocalFault,     // our own socket or memory: nobody else's fault
  };
  Kind kind = Kind::kLost;
  uint64_t code = 0;   // the peer's application or transport code, where there is one
  std::string reason;  // for people
};

}  // namespace blobd::quic
