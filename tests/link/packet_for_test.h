// Packets for tests, written field by field and read back with a checksum of their own, so that
// they share no code with Packet.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "packet.h"

namespace blobd::link {

struct PacketShape {
  bool is_v4 = true;
  bool is_tcp = false;
  size_t segment_bytes = 1000;  // payload of each
  size_t payload_bytes = 1000;  // of all; more than segment_bytes makes a super-packet
  uint8_t tcp_flags = 0x18;     // PSH, ACK
};

inline constexpr uint32_t kTestSequence = 0xfffff000;  // wraps within a super-packet
inline constexpr uint16_t kTestIdentification = 77;

inline size_t IpHeaderBytesOf(const PacketShape& shape) { return shape.is_v4 ? 20 : 40; }
inline size_t HeaderBytesOf(const PacketShape& shape) {
  return IpHeaderBytesOf(shape) + (shape.is_tcp ? 32 : 8);
}

inline void Put16(Bytes& bytes, size_t at, size_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}
inline uint32_t Get16(ByteView bytes, size_t at) {
  return static_cast<uint32_t>(bytes[at]) << 8 | bytes[at + 1];
}

// The ones' complement sum of 16-bit words; 0xffff over data with its right checksum.
inline uint32_t OnesSum(ByteView bytes, uint32_t sum = 0) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? static_cast<uint32_t>(bytes[i]) << 8 : bytes[i];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

// What a tun device gives: offload header and packet. Payload byte i is i mod 251.
inline Bytes RawPacket(const PacketShape& shape) {
  const size_t transport = IpHeaderBytesOf(shape);
  const size_t headers = HeaderBytesOf(shape);
  Bytes ip(headers + shape.payload_bytes);
  for (size_t i = 0; i < shape.payload_bytes; ++i) ip[headers + i] = static_cast<uint8_t>(i % 251);
  const uint8_t protocol = shape.is_tcp ? 6 : 17;
  ByteView addresses;
  if (shape.is_v4) {
    ip[0] = 0x45;
    Put16(ip, 2, ip.size());
    Put16(ip, 4, kTestIdentification);
    ip[8] = 64;
    ip[9] = protocol;
    for (size_t i = 12; i < 20; ++i) ip[i] = static_cast<uint8_t>(10 + i);
    Put16(ip, 10, ~OnesSum({ip.data(), 20}) & 0xffff);
    addresses = {ip.data() + 12, 8};
  } else {
    ip[0] = 0x60;
    Put16(ip, 4, ip.size() - 40);
    ip[6] = protocol;
    ip[7] = 64;
    for (size_t i = 8; i < 40; ++i) ip[i] = static_cast<uint8_t>(3 * i);
    addresses = {ip.data() + 8, 32};
  }
  Put16(ip, transport, 4433);
  Put16(ip, transport + 2, 5000);
  if (shape.is_tcp) {
    Put16(ip, transport + 4, kTestSequence >> 16);
    Put16(ip, transport + 6, kTestSequence & 0xffff);
    ip[transport + 12] = 8 << 4;
    ip[transport + 13] = shape.tcp_flags;
  } else {
    Put16(ip, transport + 4, ip.size() - transport);
  }
  const size_t field = transport + (shape.is_tcp ? 16 : 6);
  const auto transport_size = static_cast<uint32_t>(ip.size() - transport);
  const uint32_t pseudo = OnesSum(addresses, protocol + transport_size);
  Put16(ip, field, pseudo);

  OffloadHeader header;
  header.flags = OffloadHeader::kNeedsChecksum;
  header.checksum_start = static_cast<uint16_t>(transport);
  header.checksum_offset = static_cast<uint16_t>(field - transport);
  if (shape.payload_bytes > shape.segment_bytes) {
    header.gso_type = !shape.is_tcp ? OffloadHeader::kUdpL4
                      : shape.is_v4 ? OffloadHeader::kTcpV4
                                    : OffloadHeader::kTcpV6;
    header.segment_bytes = static_cast<uint16_t>(shape.segment_bytes);
    header.header_bytes = static_cast<uint16_t>(headers);
  }
  Bytes raw(sizeof header + ip.size());
  std::memcpy(raw.data(), &header, sizeof header);
  std::memcpy(&raw[sizeof header], ip.data(), ip.size());
  return raw;
}

inline Packet MakePacket(const PacketShape& shape) { return *Packet::FromDevice(RawPacket(shape)); }

// One UDP datagram in a packet of so many bytes, numbered in its payload.
inline Packet NumberedPacket(uint32_t number, size_t ip_bytes = 1000) {
  PacketShape shape;
  shape.payload_bytes = ip_bytes - HeaderBytesOf(shape);
  shape.segment_bytes = shape.payload_bytes;
  Bytes raw = RawPacket(shape);
  std::memcpy(&raw[sizeof(OffloadHeader) + 28], &number, sizeof number);
  return *Packet::FromDevice(raw);
}
// The number of a packet's first segment.
inline uint32_t NumberOf(const Packet& packet) {
  uint32_t number = 0;
  std::memcpy(&number, packet.ip().data() + 28, sizeof number);
  return number;
}
// `count` such packets as one super-packet, numbered from `first` on.
inline Packet NumberedSuperPacket(uint32_t first, uint32_t count, size_t ip_bytes = 1000) {
  PacketShape shape;
  shape.segment_bytes = ip_bytes - HeaderBytesOf(shape);
  shape.payload_bytes = count * shape.segment_bytes;
  Bytes raw = RawPacket(shape);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t number = first + i;
    std::memcpy(&raw[sizeof(OffloadHeader) + 28 + i * shape.segment_bytes], &number, sizeof number);
  }
  return *Packet::FromDevice(raw);
}

}  // namespace blobd::link
