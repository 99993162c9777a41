#include "packet.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "packet_for_test.h"

namespace blobd::link {
namespace {

struct Case {
  std::string name;
  bool is_v4;
  bool is_tcp;
};
const std::array kCases = {Case{"UDP over IPv4", true, false}, Case{"UDP over IPv6", false, false},
                           Case{"TCP over IPv4", true, true}, Case{"TCP over IPv6", false, true}};

OffloadHeader OffloadOf(const Packet& packet) {
  OffloadHeader header;
  std::memcpy(&header, packet.raw().data(), sizeof header);
  return header;
}

// Whether the checksum of a packet that leaves it to the device will be right: the field holds the
// sum of the pseudo-header.
void ExpectRightHeaders(const Packet& packet, const PacketShape& shape) {
  const ByteView ip = packet.ip();
  const size_t transport = IpHeaderBytesOf(shape);
  const auto transport_size = static_cast<uint32_t>(ip.size() - transport);
  if (shape.is_v4) {
    EXPECT_EQ(Get16(ip, 2), ip.size());
    EXPECT_EQ(OnesSum(ip.first(20)), 0xffffu) << "checksum of the IP header";
  } else {
    EXPECT_EQ(Get16(ip, 4), ip.size() - 40);
  }
  if (!shape.is_tcp) {
    EXPECT_EQ(Get16(ip, transport + 4), transport_size);
  }
  const OffloadHeader offload = OffloadOf(packet);
  EXPECT_EQ(offload.flags, OffloadHeader::kNeedsChecksum);
  const ByteView addresses = shape.is_v4 ? ip.subspan(12, 8) : ip.subspan(8, 32);
  EXPECT_EQ(Get16(ip, transport + (shape.is_tcp ? 16 : 6)),
            OnesSum(addresses, (shape.is_tcp ? 6 : 17) + transport_size));
}

TEST(Packet, APlainPacketIsOneSegment) {
  const Packet packet = MakePacket({.payload_bytes = 500});
  EXPECT_EQ(packet.segments(), 1u);
  EXPECT_EQ(packet.wire_bytes(), 528u);
  EXPECT_EQ(packet.raw().size(), 538u);
}

TEST(Packet, SlicesOfASuperPacketAreWhatTheKernelWouldHaveCut) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const PacketShape shape = {.is_v4 = c.is_v4, .is_tcp = c.is_tcp, .payload_bytes = 6500};
    const Packet packet = MakePacket(shape);
    const size_t headers = HeaderBytesOf(shape);
    ASSERT_EQ(packet.segments(), 7u);
    EXPECT_EQ(packet.wire_bytes(), 6500 + 7 * headers);
    EXPECT_EQ(packet.wire_bytes(6, 1), 500 + headers);
    for (size_t first = 0; first < 7; ++first) {
      for (size_t count = 1; first + count <= 7; ++count) {
        SCOPED_TRACE(testing::Message() << count << " from " << first);
        const Packet slice = packet.Slice(first, count);
        EXPECT_EQ(slice.segments(), count);
        EXPECT_EQ(slice.wire_bytes(), packet.wire_bytes(first, count));
        ExpectRightHeaders(slice, shape);
        const OffloadHeader offload = OffloadOf(slice);
        EXPECT_EQ(offload.gso_type != OffloadHeader::kNone, count > 1);
        EXPECT_EQ(offload.segment_bytes, count > 1 ? 1000 : 0);
        const ByteView payload = slice.ip().subspan(headers);
        const ByteView expected = packet.ip().subspan(headers + first * 1000, payload.size());
        EXPECT_TRUE(std::equal(payload.begin(), payload.end(), expected.begin()));
        if (c.is_v4) {
          EXPECT_EQ(Get16(slice.ip(), 4), kTestIdentification + first);
        }
      }
    }
  }
}

TEST(Packet, SlicesOfTcpCarrySequenceAndFlags) {
  const PacketShape shape = {.is_tcp = true,
                             .payload_bytes = 6000,
                             .tcp_flags = 0x80 | 0x18 | 0x01};  // CWR, FIN, PSH, ACK
  const Packet packet = MakePacket(shape);
  for (size_t first = 0; first < 6; ++first) {
    const Packet slice = packet.Slice(first, 1);
    const uint32_t sequence = Get16(slice.ip(), 24) << 16 | Get16(slice.ip(), 26);
    EXPECT_EQ(sequence, kTestSequence + static_cast<uint32_t>(first) * 1000);
    const int cwr = first == 0 ? 0x80 : 0;
    const int fin_and_push = first == 5 ? 0x09 : 0;
    EXPECT_EQ(slice.ip()[20 + 13], 0x10 | cwr | fin_and_push) << first;
  }
}

TEST(Packet, ASliceOfASliceIsTheSame) {
  const Packet packet = MakePacket({.is_tcp = true, .payload_bytes = 6500});
  const Packet direct = packet.Slice(4, 2);
  const Packet in_two = packet.Slice(2, 5).Slice(2, 2);
  EXPECT_TRUE(std::equal(direct.raw().begin(), direct.raw().end(), in_two.raw().begin(),
                         in_two.raw().end()));
}

TEST(Packet, AFlippedBitIsBehindTheIpHeaderAndBreaksTheChecksum) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const PacketShape shape = {.is_v4 = c.is_v4, .is_tcp = c.is_tcp, .payload_bytes = 99};
    const size_t transport = IpHeaderBytesOf(shape);
    Packet good = MakePacket(shape);
    ASSERT_EQ(good.flippable_bits(), 8 * (good.ip().size() - transport));
    // Flipped twice, it is the complete packet again.
    Packet flipped = MakePacket(shape);
    good.FlipBit(0);
    good.FlipBit(0);
    const auto checked = [&](const Packet& packet) {
      const ByteView ip = packet.ip();
      const auto size = static_cast<uint32_t>(ip.size() - transport);
      const ByteView addresses = c.is_v4 ? ip.subspan(12, 8) : ip.subspan(8, 32);
      return OnesSum(ip.subspan(transport), OnesSum(addresses, (c.is_tcp ? 6 : 17) + size));
    };
    EXPECT_EQ(checked(good), 0xffffu);
    const size_t bit = 8 * 50 + 3;
    flipped.FlipBit(bit);
    EXPECT_NE(checked(flipped), 0xffffu);
    EXPECT_EQ(OffloadOf(flipped).flags, 0) << "the kernel would not look at the checksum";
    size_t different = 0;
    for (size_t i = 0; i < good.ip().size(); ++i) different += good.ip()[i] != flipped.ip()[i];
    EXPECT_EQ(different, 1u);
    EXPECT_EQ(good.ip()[transport + 50] ^ flipped.ip()[transport + 50], 8);
  }
}

TEST(Packet, AUdpChecksumOfZeroIsSentAsItsOtherForm) {
  // One word of payload is set so that the sum comes out as 0xffff and its complement as 0.
  PacketShape shape = {.payload_bytes = 2};
  Bytes raw = RawPacket(shape);
  Put16(raw, raw.size() - 2, 0);
  const ByteView ip = ByteView(raw).subspan(sizeof(OffloadHeader));
  const uint32_t sum = OnesSum(ip.subspan(20));
  Put16(raw, raw.size() - 2, 0xffff - sum);
  Packet packet = *Packet::FromDevice(raw);
  packet.FlipBit(0);
  EXPECT_EQ(Get16(packet.ip(), 26), 0xffffu);
}

TEST(Packet, TooShortForADevice) {
  EXPECT_FALSE(Packet::FromDevice({}));
  EXPECT_FALSE(Packet::FromDevice(Bytes(sizeof(OffloadHeader))));
  EXPECT_TRUE(Packet::FromDevice(Bytes(sizeof(OffloadHeader) + 1)));
}

TEST(Packet, WhatIsNotIpHasNoBitsToFlip) {
  for (const int first : {0x00, 0x45, 0x41, 0x60, 0xff}) {
    Bytes raw(sizeof(OffloadHeader) + 19);
    raw[sizeof(OffloadHeader)] = static_cast<uint8_t>(first);
    const auto packet = Packet::FromDevice(raw);
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->segments(), 1u);
    EXPECT_EQ(packet->flippable_bits(), 0u) << first;
  }
}

// Whatever the offload header and the packet say, reading and slicing stay inside the packet. The
// sanitizers look.
TEST(Packet, ContradictoryOffloadsAreOneSegment) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const PacketShape shape = {.is_v4 = c.is_v4, .is_tcp = c.is_tcp, .payload_bytes = 3000};
    const auto with = [&](auto change) {
      Bytes raw = RawPacket(shape);
      OffloadHeader header;
      std::memcpy(&header, raw.data(), sizeof header);
      change(header, raw);
      std::memcpy(raw.data(), &header, sizeof header);
      return Packet::FromDevice(raw)->segments();
    };
    EXPECT_EQ(with([](OffloadHeader&, Bytes&) {}), 3u);
    EXPECT_EQ(with([](OffloadHeader& h, Bytes&) { h.flags = 0; }), 1u);
    EXPECT_EQ(with([](OffloadHeader& h, Bytes&) { h.segment_bytes = 0; }), 1u);
    EXPECT_EQ(with([](OffloadHeader& h, Bytes&) { h.gso_type = 3; }), 1u);
    EXPECT_EQ(with([](OffloadHeader& h, Bytes&) { h.gso_type |= 0x80; }), 1u);
    EXPECT_EQ(with([](OffloadHeader& h, Bytes&) { h.checksum_start = 0; }), 1u);
    EXPECT_EQ(with([](OffloadHeader& h, Bytes&) { h.checksum_start = 65535; }), 1u);
    EXPECT_EQ(with([](OffloadHeader& h, Bytes&) { h.checksum_offset = 65535; }), 1u);
    EXPECT_EQ(with([](OffloadHeader&, Bytes& raw) { raw.resize(60); }), 1u);
    EXPECT_EQ(with([](OffloadHeader&, Bytes& raw) { raw[sizeof(OffloadHeader)] = 0; }), 1u);
    if (c.is_tcp) {
      const size_t offset_at = sizeof(OffloadHeader) + IpHeaderBytesOf(shape) + 12;
      EXPECT_EQ(with([&](OffloadHeader&, Bytes& raw) { raw[offset_at] = 4 << 4; }), 1u);
    }
  }
}

}  // namespace
}  // namespace blobd::link
