// GetOrder: what one transfer is to get. A value.
#pragma once

#include <optional>

#include "base/hash.h"
#include "transfer/get_layout.h"

namespace blobd::transfer {

// What a transfer is to get, if that is not all: a range of the request's line.
struct GetShare {
  std::shared_ptr<const GetLayout> layout;
  Range range;
};

struct GetOrder {
  Kind kind;
  // nullopt: all that is missing; the transfer finds out what that is.
  std::optional<GetShare> share = {};
  // Other providers are known that could take a part of it.
  bool others = false;
};

}  // namespace blobd::transfer
