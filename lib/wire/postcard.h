// The postcard rules that iroh's messages are written with (protocol/blobs.md, section 2): Reader
// takes values off the front of bytes somebody else wrote, Writer appends values.
//
// Thread:    plain values; one owner.
// Ownership: a Reader borrows its bytes, and the views it returns are parts of them.
// Errors:    kOutOfRange: the bytes end inside a value, so more bytes could still make it whole.
//            kInvalidArgument: no bytes that follow could mend it. After an error the position
//            means nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/node_id.h"
#include "base/status.h"

namespace blobd::wire {

class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}

  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }

  StatusOr<uint8_t> Byte();
  // Unsigned LEB128 of at most 10 bytes. Padding such as `82 00` is accepted, as the reference
  // accepts it.
  StatusOr<uint64_t> Varint();
  // A varint of at most `max`, else kInvalidArgument.
  StatusOr<uint64_t> VarintUpTo(uint64_t max);
  // The count of a sequence whose elements take at least `min_element_size` bytes each. A count
  // that the remaining bytes cannot hold is kOutOfRange, so what is reserved for it is bounded by
  // the input.
  // REQUIRES: min_element_size > 0
  StatusOr<size_t> Count(size_t min_element_size, size_t max);
  StatusOr<ByteView> Raw(size_t size);
  // A length of at most `max`, then that many bytes.
  StatusOr<ByteView> Blob(size_t max);
  // The same, and it must be UTF-8.
  StatusOr<std::string> String(size_t max);
  // `00` or `01`: whether a value follows.
  StatusOr<bool> Option();
  StatusOr<Hash> ReadHash();
  StatusOr<NodeId> ReadNodeId();

 private:
  ByteView bytes_;
  size_t position_ = 0;  // at most bytes_.size()
};

class Writer {
 public:
  void Byte(uint8_t byte) { bytes_.push_back(byte); }
  void Varint(uint64_t value);  // the shortest form
  void Raw(ByteView bytes);
  void Blob(ByteView bytes);
  void String(std::string_view text) { Blob(AsBytes(text)); }

  const Bytes& bytes() const { return bytes_; }
  Bytes Take() { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

}  // namespace blobd::wire
