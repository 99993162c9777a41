// Leases of blobs that were added: the holder's text says whose they are.
//
// Pure functions; any thread.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace blobd::engine {

inline constexpr std::string_view kAddedBy = "added by uid ";

inline std::string LeaseHolder(uint32_t uid) { return std::string(kAddedBy) + std::to_string(uid); }

// Whose it is; of other texts nobody's that could be told: root's.
inline uint32_t LeaseOwner(std::string_view holder) {
  uint32_t uid = 0;
  if (!holder.starts_with(kAddedBy)) return 0;
  std::from_chars(holder.data() + kAddedBy.size(), holder.data() + holder.size(), uid);
  return uid;
}

}  // namespace blobd::engine
