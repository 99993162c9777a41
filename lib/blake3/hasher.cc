#include "blake3/hasher.h"

namespace blobd::blake3 {

Hash HashOf(ByteView data) {
  Hasher hasher;
  hasher.Update(data);
  return hasher.Finish();
}

Hash DeriveKey(const char* context, ByteView material) {
  blake3_hasher hasher;
  blake3_hasher_init_derive_key(&hasher, context);
  if (!material.empty()) blake3_hasher_update(&hasher, material.data(), material.size());
  Hash key;
  blake3_hasher_finalize(&hasher, key.bytes.data(), key.bytes.size());
  return key;
}

Hasher::Hasher() { blake3_hasher_init(&state_); }

void Hasher::Update(ByteView data) {
  if (!data.empty()) blake3_hasher_update(&state_, data.data(), data.size());
}

Hash Hasher::Finish() const {
  Hash hash;
  blake3_hasher_finalize(&state_, hash.bytes.data(), hash.bytes.size());
  return hash;
}

void Hasher::Reset() { blake3_hasher_reset(&state_); }

}  // namespace blobd::blake3
