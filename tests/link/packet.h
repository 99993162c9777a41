// Packet: one IP packet as a tun device with IFF_VNET_HDR hands it over. With offloads on, the
// kernel hands over super-packets: one set of headers and the payload of many TCP segments or UDP
// datagrams
// ("segments" here), which it would otherwise have cut itself. A Packet knows its segments, so that
// a link can lose or delay some of them and still carry the others together.
//
// Thread:  any, one at a time.
// Units:   bytes of the IP packet. wire_bytes() counts the headers once per segment, as a wire
//          would.
// Sources: virtio 1.2, 5.1.6 (struct virtio_net_hdr); Linux, Documentation/networking/tuntap.rst;
//          RFC 9293 (TCP), RFC 768 (UDP), RFC 1071 (checksum).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"

namespace blobd::link {

// struct virtio_net_hdr; <linux/virtio_net.h> is no C++ and lacks kUdpL4 on Debian 12. In the byte
// order of the machine, as tun has it unless told otherwise.
struct OffloadHeader {
  static constexpr uint8_t kNeedsChecksum = 1;  // flags: the checksum is left to the device
  enum Gso : uint8_t { kNone = 0, kTcpV4 = 1, kTcpV6 = 4, kUdpL4 = 5 };

  uint8_t flags = 0;
  uint8_t gso_type = kNone;
  uint16_t header_bytes = 0;     // hdr_len
  uint16_t segment_bytes = 0;    // gso_size
  uint16_t checksum_start = 0;   // csum_start: where the transport header begins
  uint16_t checksum_offset = 0;  // csum_offset: of the checksum field in it
};
static_assert(sizeof(OffloadHeader) == 10);

class Packet {
 public:
  // Copies what a device gave: the virtio header, then the packet. nullopt if it is shorter than
  // the virtio header. What is not IP, or whose offload fields contradict its headers, is one
  // segment.
  static std::optional<Packet> FromDevice(ByteView raw);

  Packet(Packet&&) noexcept = default;
  Packet& operator=(Packet&&) noexcept = default;

  // The virtio header and the packet, as a device takes it.
  ByteView raw() const { return {raw_.get(), raw_size_}; }
  // The packet without the virtio header.
  ByteView ip() const { return raw().subspan(sizeof(OffloadHeader)); }

  size_t segments() const { return segments_; }
  // Of all segments, or of `count` of them from `first` on. REQUIRES: first + count <= segments()
  size_t wire_bytes() const { return wire_bytes(0, segments_); }
  size_t wire_bytes(size_t first, size_t count) const;

  // Those segments as a packet of their own, with lengths, sequence number, flags and checksums as
  // the kernel would have made them. REQUIRES: count > 0, first + count <= segments()
  Packet Slice(size_t first, size_t count) const;

  // How many bits lie behind the IP header; 0 if the packet ends there or is not IP.
  size_t flippable_bits() const;
  // Completes the checksum if the kernel left that to the device, then flips one bit behind the IP
  // header, so that the receiver can notice. REQUIRES: segments() == 1, bit < flippable_bits()
  void FlipBit(size_t bit);

 private:
  explicit Packet(size_t raw_size);

  uint8_t* mutable_ip() { return raw_.get() + sizeof(OffloadHeader); }
  OffloadHeader offload() const;
  void set_offload(const OffloadHeader& header);
  void FindSegments();
  // Writes lengths and checksums of the IP and transport headers anew, after a slice was taken.
  void FixHeaders(size_t first, bool has_last);
  void CompleteChecksum();

  std::unique_ptr<uint8_t[]> raw_;
  uint32_t raw_size_ = 0;
  // The next three describe a super-packet; for any other packet segments_ is 1 and the rest 0.
  uint16_t segments_ = 1;
  uint16_t header_bytes_ = 0;   // IP and transport headers, which each segment gets
  uint16_t segment_bytes_ = 0;  // payload of each segment but the last, which may have less
};

}  // namespace blobd::link
