// The key under which hash tables spread what strangers name: hashes need not exist and node ids
// can be made at will, so with a fixed function they could be chosen to fall into one place of a
// table, where every look costs as much as there are. Not for anything that leaves the process.
//
// Thread: chosen once, before there are tables or other threads; read by all. Where nobody chooses
// it (tests, the simulation) it is fixed, and runs can be repeated.
#pragma once

#include <cstdint>
#include <cstring>

namespace blobd {

struct TableKey {
  uint64_t first = 0x9e3779b97f4a7c15u;
  uint64_t second = 0xff51afd7ed558ccdu;
};
inline constinit TableKey table_key;

// From the system's random numbers.
void ChooseTableKey();

// Spreads 16 bytes, under the key: the halves of a product, folded. Unlike a sum or a product in
// 64 bits, which inputs meet is not known without the key.
inline uint64_t Spread(const uint8_t* bytes) {
  uint64_t a = 0;
  uint64_t b = 0;
  std::memcpy(&a, bytes, 8);
  std::memcpy(&b, bytes + 8, 8);
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a ^ table_key.first} * (b ^ table_key.second);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace blobd
