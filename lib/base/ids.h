// Ids as distinct types, so that an intent's number cannot be passed where a transfer's is wanted.
// 0 is never a valid id; numbers are handed out in increasing order and never again.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace blobd {

template <typename Tag>
struct Id {
  uint64_t value = 0;

  explicit operator bool() const { return value != 0; }
  auto operator<=>(const Id&) const = default;
};

using IntentId = Id<struct IntentTag>;
using RequestId = Id<struct RequestTag>;
using TransferId = Id<struct TransferTag>;

}  // namespace blobd

template <typename Tag>
struct std::hash<blobd::Id<Tag>> {
  size_t operator()(blobd::Id<Tag> id) const noexcept { return std::hash<uint64_t>{}(id.value); }
};
