#include "packet.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace blobd::link {
namespace {

constexpr size_t kOffloadBytes = sizeof(OffloadHeader);
constexpr size_t kIpv6HeaderBytes = 40;
constexpr size_t kUdpHeaderBytes = 8;
constexpr size_t kTcpHeaderBytesMin = 20;
constexpr uint8_t kTcpFin = 0x01;
constexpr uint8_t kTcpPush = 0x08;
constexpr uint8_t kTcpCwr = 0x80;

uint16_t Load16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }
void Store16(uint8_t* at, size_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

// The sum of RFC 1071 over `bytes`, continued from `sum`, not yet folded.
uint64_t Sum16(ByteView bytes, uint64_t sum) {
  size_t at = 0;
  for (; at + 1 < bytes.size(); at += 2) sum += Load16(&bytes[at]);
  if (at < bytes.size()) sum += static_cast<uint64_t>(bytes[at]) << 8;
  return sum;
}

uint16_t Fold(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

// Bytes of the IP header without extension headers; 0 if `ip` is not an IP packet.
size_t IpHeaderBytes(ByteView ip) {
  if (ip.empty()) return 0;
  const int version = ip[0] >> 4;
  const size_t bytes = version == 4   ? size_t{4} * (ip[0] & 0x0f)
                       : version == 6 ? kIpv6HeaderBytes
                                      : 0;
  return bytes >= 20 && bytes <= ip.size() ? bytes : 0;
}

bool IsTcp(uint8_t gso_type) {
  return gso_type == OffloadHeader::kTcpV4 || gso_type == OffloadHeader::kTcpV6;
}

}  // namespace

Packet::Packet(size_t raw_size)
    : raw_(std::make_unique_for_overwrite<uint8_t[]>(raw_size)),
      raw_size_(static_cast<uint32_t>(raw_size)) {}

std::optional<Packet> Packet::FromDevice(ByteView raw) {
  if (raw.size() <= kOffloadBytes) return std::nullopt;
  Packet packet(raw.size());
  std::memcpy(packet.raw_.get(), raw.data(), raw.size());
  packet.FindSegments();
  return packet;
}

OffloadHeader Packet::offload() const {
  OffloadHeader header;
  std::memcpy(&header, raw_.get(), sizeof header);
  return header;
}

void Packet::set_offload(const OffloadHeader& header) {
  std::memcpy(raw_.get(), &header, sizeof header);
}

void Packet::FindSegments() {
  const OffloadHeader header = offload();
  if (header.gso_type == OffloadHeader::kNone || header.segment_bytes == 0) return;
  if ((header.flags & OffloadHeader::kNeedsChecksum) == 0) return;
  const ByteView packet = ip();
  const size_t transport = header.checksum_start;
  const size_t ip_header = IpHeaderBytes(packet);
  const bool is_v4 = ip_header != 0 && packet[0] >> 4 == 4;
  if (ip_header == 0 || transport < ip_header || (is_v4 && transport != ip_header)) return;

  size_t header_bytes = transport;
  if (IsTcp(header.gso_type)) {
    if (transport + kTcpHeaderBytesMin > packet.size() || header.checksum_offset != 16) return;
    const size_t tcp_header = size_t{4} * (packet[transport + 12] >> 4);
    if (tcp_header < kTcpHeaderBytesMin) return;
    header_bytes += tcp_header;
  } else if (header.gso_type == OffloadHeader::kUdpL4) {
    if (header.checksum_offset != 6) return;
    header_bytes += kUdpHeaderBytes;
  } else {
    return;
  }
  if (header_bytes >= packet.size()) return;
  const size_t payload = packet.size() - header_bytes;
  const size_t segments = (payload + header.segment_bytes - 1) / header.segment_bytes;
  if (header_bytes > UINT16_MAX || segments > UINT16_MAX) return;
  segments_ = static_cast<uint16_t>(segments);
  if (segments < 2) return;
  header_bytes_ = static_cast<uint16_t>(header_bytes);
  segment_bytes_ = header.segment_bytes;
}

size_t Packet::wire_bytes(size_t first, size_t count) const {
  BLOBD_CHECK(first + count <= segments_);
  if (segments_ == 1) return count * ip().size();
  const size_t payload = ip().size() - header_bytes_;
  const size_t begin = std::min(payload, first * segment_bytes_);
  const size_t end = std::min(payload, (first + count) * segment_bytes_);
  return count * header_bytes_ + (end - begin);
}

Packet Packet::Slice(size_t first, size_t count) const {
  BLOBD_CHECK(count > 0 && first + count <= segments_);
  if (count == segments_) {
    Packet whole(raw_size_);
    std::memcpy(whole.raw_.get(), raw_.get(), raw_size_);
    whole.segments_ = segments_;
    whole.header_bytes_ = header_bytes_;
    whole.segment_bytes_ = segment_bytes_;
    return whole;
  }
  const size_t payload_bytes = wire_bytes(first, count) - count * header_bytes_;
  Packet slice(kOffloadBytes + header_bytes_ + payload_bytes);
  std::memcpy(slice.raw_.get(), raw_.get(), kOffloadBytes + header_bytes_);
  std::memcpy(slice.mutable_ip() + header_bytes_,
              ip().data() + header_bytes_ + first * segment_bytes_, payload_bytes);
  slice.segments_ = static_cast<uint16_t>(count);
  if (count > 1) {
    slice.header_bytes_ = header_bytes_;
    slice.segment_bytes_ = segment_bytes_;
  }
  slice.FixHeaders(first, first + count == segments_);

  OffloadHeader header = slice.offload();
  header.header_bytes = header_bytes_;
  if (count == 1) {
    header.gso_type = OffloadHeader::kNone;
    header.segment_bytes = 0;
  }
  slice.set_offload(header);
  return slice;
}

void Packet::FixHeaders(size_t first, bool has_last) {
  const OffloadHeader header = offload();  // still that of the super-packet
  uint8_t* packet = mutable_ip();
  const size_t size = ip().size();
  const size_t transport_size = size - header.checksum_start;
  const bool is_v4 = packet[0] >> 4 == 4;
  uint8_t* transport = packet + header.checksum_start;
  const bool is_tcp = IsTcp(header.gso_type);

  ByteView addresses;
  if (is_v4) {
    Store16(packet + 2, size);
    Store16(packet + 4, Load16(packet + 4) + first);  // identification
    Store16(packet + 10, 0);
    Store16(packet + 10, static_cast<uint16_t>(~Fold(Sum16({packet, header.checksum_start}, 0))));
    addresses = {packet + 12, 8};
  } else {
    Store16(packet + 4, size - kIpv6HeaderBytes);
    addresses = {packet + 8, 32};
  }
  if (is_tcp) {
    const uint32_t sequence = static_cast<uint32_t>(Load16(transport + 4)) << 16 |
                              static_cast<uint32_t>(Load16(transport + 6));
    const uint32_t moved = sequence + static_cast<uint32_t>(first * header.segment_bytes);
    Store16(transport + 4, moved >> 16);
    Store16(transport + 6, moved);
    if (!has_last) transport[13] &= static_cast<uint8_t>(~(kTcpFin | kTcpPush));
    if (first > 0) transport[13] &= static_cast<uint8_t>(~kTcpCwr);
  } else {
    Store16(transport + 4, transport_size);
  }
  // The checksum stays the device's to complete; until then the field holds the pseudo-header's
  // sum.
  const uint64_t pseudo =
      Sum16(addresses, transport_size + (is_tcp ? uint64_t{IPPROTO_TCP} : uint64_t{IPPROTO_UDP}));
  Store16(transport + header.checksum_offset, Fold(pseudo));
}

size_t Packet::flippable_bits() const {
  const size_t ip_header = IpHeaderBytes(ip());
  return ip_header == 0 ? 0 : 8 * (ip().size() - ip_header);
}

void Packet::CompleteChecksum() {
  OffloadHeader header = offload();
  const size_t field = size_t{header.checksum_start} + header.checksum_offset;
  if ((header.flags & OffloadHeader::kNeedsChecksum) != 0 && field + 2 <= ip().size()) {
    uint16_t sum = static_cast<uint16_t>(~Fold(Sum16(ip().subspan(header.checksum_start), 0)));
    // In UDP 0 says that there is no checksum, and 0xffff is the same number (RFC 768).
    if (sum == 0) sum = 0xffff;
    Store16(mutable_ip() + field, sum);
  }
  header = {};
  set_offload(header);
}

void Packet::FlipBit(size_t bit) {
  BLOBD_CHECK(segments_ == 1 && bit < flippable_bits());
  CompleteChecksum();
  mutable_ip()[IpHeaderBytes(ip()) + bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
}

}  // namespace blobd::link
