// StreamId: the number of a stream in its connection (RFC 9000, section 2.1).
#pragma once

#include <cstdint>

namespace blobd::quic {

using StreamId = int64_t;

}  // namespace blobd::quic
