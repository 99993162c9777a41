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
  uint64_t words[4] = {0x9e3779b97f4a7c15u, 0xff51afd7ed558ccdu, 0xc4ceb9fe1a85ec53u,
                       0xd6e8feb86659fd93u};
};
inline constinit TableKey table_key;

// From the system's random numbers.
void ChooseTableKey();

// Spreads 32 bytes, under the key: of each half the halves of a product, folded. Unlike a sum or a
// product in 64 bits, which inputs meet is not known without the key. All of the bytes count: those
// left out could be chosen at will.
inline uint64_t Spread(const uint8_t* bytes) {
  __extension__ using Wide = unsigned __int128;
  uint64_t words[4];
  std::memcpy(words, bytes, sizeof words);
  for (int i = 0; i < 4; ++i) words[i] ^= table_key.words[i];
  const Wide low = Wide{words[0]} * words[1];
  const Wide high = Wide{words[2]} * words[3];
  const Wide both = low + high;
  return static_cast<uint64_t>(both) ^ static_cast<uint64_t>(both >> 64);
}

}  // namespace blobd
