// Fields that rows of several tables share: how they lie in columns, and the checks on writing
// (kInvalidArgument) and reading (the row is refused).
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

#include "base/bytes.h"
#include "registry/records.h"
#include "sqlite/row.h"

namespace blobd::registry {

inline constexpr uint64_t kMaxInteger = std::numeric_limits<int64_t>::max();
inline constexpr int64_t kMaxUint32 = std::numeric_limits<uint32_t>::max();

// (kind, bytes): kind 0 and a node id, or kind 1 and a URL.
struct ProviderKey {
  int64_t kind;
  ByteView bytes;  // of the provider it was made from
};
ProviderKey KeyOf(const ProviderId& provider);
ProviderId ReadProviderKey(sqlite::RowReader& row);

using AddressKey = std::array<uint8_t, 18>;  // IPv6 form, then the port in network order
AddressKey KeyOf(const SocketAddress& address);
SocketAddress ReadAddressKey(sqlite::RowReader& row);

// hash, format
Kind ReadKind(sqlite::RowReader& row);
// The last column of Table::Select.
void CheckSum(sqlite::RowReader& row);

Status CheckText(std::string_view what, std::string_view text);
Status CheckProvider(const ProviderId& provider);
Status CheckUnsigned(std::string_view what, uint64_t value);
inline int64_t Signed(uint64_t value) { return static_cast<int64_t>(value); }
template <typename Enum>
int64_t Number(Enum value) {
  return int64_t{static_cast<uint8_t>(value)};
}

}  // namespace blobd::registry
