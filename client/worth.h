// Whether a blob's bytes go as a descriptor or as a stream.
//
// Thread: any.
#pragma once

#include <cstdint>

#include "base/status.h"

namespace blobd::client {

// Below this a stream, which is one call, is quicker than a token and an exchange.
inline constexpr uint64_t kWorthADescriptor = 64 * 1024;

// Whether a stream may do what a descriptor could not.
inline bool IsWorthAStream(const Status& status) {
  return status.code() == StatusCode::kUnimplemented || status.code() == StatusCode::kUnavailable;
}

}  // namespace blobd::client
