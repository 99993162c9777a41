#include "wire/postcard.h"

#include "base/check.h"
#include "base/utf8.h"

namespace blobd::wire {
namespace {

Status EndsEarly(size_t position) {
  return OutOfRange("the bytes end too early, in the value at offset {}", position);
}

}  // namespace

StatusOr<uint8_t> Reader::Byte() {
  if (remaining() == 0) return EndsEarly(position_);
  return bytes_[position_++];
}

StatusOr<uint64_t> Reader::Varint() {
  constexpr int kLastShift = 63;  // of the tenth byte, which has room for a single bit
  const size_t start = position_;
  uint64_t value = 0;
  for (int shift = 0; shift <= kLastShift; shift += 7) {
    if (remaining() == 0) return EndsEarly(start);
    const uint8_t byte = bytes_[position_++];
    if (shift == kLastShift && byte > 1) break;
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return InvalidArgument("the varint at offset {} is longer than 64 bits", start);
}

StatusOr<uint64_t> Reader::VarintUpTo(uint64_t max) {
  const size_t start = position_;
  BLOBD_ASSIGN_OR_RETURN(const uint64_t value, Varint());
  if (value > max) {
    return InvalidArgument("the number {} at offset {} is greater than {}", value, start, max);
  }
  return value;
}

StatusOr<size_t> Reader::Count(size_t min_element_size, size_t max) {
  BLOBD_CHECK(min_element_size > 0);
  const size_t start = position_;
  BLOBD_ASSIGN_OR_RETURN(const uint64_t count, VarintUpTo(max));
  if (count > remaining() / min_element_size) return EndsEarly(start);
  return static_cast<size_t>(count);
}

StatusOr<ByteView> Reader::Raw(size_t size) {
  if (size > remaining()) return EndsEarly(position_);
  const ByteView part = bytes_.subspan(position_, size);
  position_ += size;
  return part;
}

StatusOr<ByteView> Reader::Blob(size_t max) {
  BLOBD_ASSIGN_OR_RETURN(const uint64_t size, VarintUpTo(max));
  return Raw(static_cast<size_t>(size));
}

StatusOr<std::string> Reader::String(size_t max) {
  const size_t start = position_;
  BLOBD_ASSIGN_OR_RETURN(const ByteView bytes, Blob(max));
  if (!IsUtf8(AsText(bytes))) {
    return InvalidArgument("the string at offset {} is not UTF-8", start);
  }
  return std::string(AsText(bytes));
}

StatusOr<bool> Reader::Option() {
  const size_t start = position_;
  BLOBD_ASSIGN_OR_RETURN(const uint8_t tag, Byte());
  if (tag > 1) return InvalidArgument("the option at offset {} begins with {}", start, tag);
  return tag == 1;
}

StatusOr<Hash> Reader::ReadHash() {
  BLOBD_ASSIGN_OR_RETURN(const ByteView bytes, Raw(32));
  return *Hash::FromBytes(bytes);
}

StatusOr<NodeId> Reader::ReadNodeId() {
  BLOBD_ASSIGN_OR_RETURN(const ByteView bytes, Raw(32));
  return *NodeId::FromBytes(bytes);
}

void Writer::Raw(ByteView bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

void Writer::Varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) Byte(static_cast<uint8_t>(value | 0x80));
  Byte(static_cast<uint8_t>(value));
}

void Writer::Blob(ByteView bytes) {
  Varint(bytes.size());
  Raw(bytes);
}

}  // namespace blobd::wire
