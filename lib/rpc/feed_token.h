// FeedToken: where the reader of a Feed may go on, as text that callers bring back.
//
// Thread: any. Errors: kInvalidArgument.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace blobd::rpc {

struct FeedToken {
  uint64_t life = 0;    // of the daemon: random
  uint64_t number = 0;  // the latest change that was told (engine/change_log.h)
  uint64_t filter = 0;  // of what the reader was told, as a number

  std::string ToText() const;
};

// nullopt: the text is empty. An error too if it is of this life and another filter; one of another
// life is as good as none, and says so by its `life`.
StatusOr<std::optional<FeedToken>> ParseFeedToken(std::string_view text, uint64_t life,
                                                  uint64_t filter);

// A number for a life of the daemon that no other life has.
uint64_t RandomLife();

}  // namespace blobd::rpc
