#include "rpc/error_text.h"

#include "base/utf8.h"

namespace blobd::rpc {
namespace {

// Text and details go out as headers, the text twice, and gRPC's clients take 8 KiB of these.
constexpr size_t kMaxMessageBytes = 1024;

}  // namespace

bool IsUnforeseen(const Status& status) {
  return status.code() == StatusCode::kInternal || status.code() == StatusCode::kUnknown;
}

std::string MessageForCaller(const Status& status) {
  if (IsUnforeseen(status)) {
    return "something went wrong that nobody foresaw; the daemon's journal has the details";
  }
  return ShortText(Message(status), kMaxMessageBytes);
}

}  // namespace blobd::rpc
