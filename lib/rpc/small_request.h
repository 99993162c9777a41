// Requests of streams stay in memory for as long as the stream does.
//
// Pure function; any thread.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstddef>

#include "base/error_reason.h"

namespace blobd::rpc {

inline constexpr size_t kMaxSmallRequest = 4096;  // bytes, with fields that nobody knows

// kInvalidArgument: it is larger than anything that the method could be asked.
inline Status CheckSmall(const google::protobuf::MessageLite& request) {
  const size_t size = request.ByteSizeLong();
  if (size <= kMaxSmallRequest) return OkStatus();
  return ErrorFor(Reason::kTooLong, "the request has {} bytes; at most {} are taken", size,
                  kMaxSmallRequest);
}

}  // namespace blobd::rpc
