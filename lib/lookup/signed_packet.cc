#include "lookup/signed_packet.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <string>

#include "base/check.h"
#include "lookup/dns_message.h"
#include "wire/base32.h"

namespace blobd::lookup {
namespace {

Bytes ToBeSigned(uint64_t unix_us, ByteView dns) {
  const std::string head = fmt::format("3:seqi{}e1:v{}:", unix_us, dns.size());
  Bytes bytes(head.begin(), head.end());
  bytes.insert(bytes.end(), dns.begin(), dns.end());
  return bytes;
}

DnsName RecordName(const NodeId& node) {
  DnsName name;
  BLOBD_CHECK(name.Append("_iroh"));
  BLOBD_CHECK(name.Append(wire::ToZBase32(node.view())));
  return name;
}

Bytes Encode(const NodeId& node, const std::vector<std::string>& strings, Duration ttl) {
  DnsMessage message;
  message.response = true;
  message.authoritative = true;
  for (const std::string& text : strings) {
    const auto ttl_seconds = static_cast<uint32_t>(ttl / seconds(1));
    message.answers.push_back({RecordName(node), kDnsIn, ttl_seconds, DnsTxt{{text}}});
  }
  return message.Encode();
}

}  // namespace

SignedPacket SignedPacket::Make(ByteView seed, const NodeRecord& record, uint64_t unix_us,
                                Duration ttl) {
  BLOBD_CHECK(seed.size() == crypto_sign_SEEDBYTES && unix_us > 0);
  BLOBD_CHECK(sodium_init() >= 0);
  SignedPacket packet;
  std::array<uint8_t, crypto_sign_SECRETKEYBYTES> key{};
  BLOBD_CHECK(crypto_sign_seed_keypair(packet.node_.bytes.data(), key.data(), seed.data()) == 0);
  packet.unix_us_ = unix_us;
  std::vector<std::string> strings = record.Strings();
  packet.dns_ = Encode(packet.node_, strings, ttl);
  while (packet.dns_.size() > kMaxDns && !strings.empty()) {
    strings.pop_back();
    packet.dns_ = Encode(packet.node_, strings, ttl);
  }
  for (const std::string& text : strings) packet.record_.Read(text);
  const Bytes message = ToBeSigned(unix_us, packet.dns_);
  crypto_sign_detached(packet.signature_.data(), nullptr, message.data(), message.size(),
                       key.data());
  sodium_memzero(key.data(), key.size());
  return packet;
}

StatusOr<SignedPacket> SignedPacket::FromPayload(const NodeId& node, ByteView payload) {
  BLOBD_CHECK(sodium_init() >= 0);
  if (payload.size() < kSignature + kTime || payload.size() > kMaxPayload) {
    return InvalidArgument("a signed packet has {} bytes", payload.size());
  }
  SignedPacket packet;
  packet.node_ = node;
  std::copy_n(payload.begin(), kSignature, packet.signature_.begin());
  for (const uint8_t byte : payload.subspan(kSignature, kTime)) {
    packet.unix_us_ = packet.unix_us_ << 8 | byte;
  }
  const ByteView dns = payload.subspan(kSignature + kTime);
  packet.dns_.assign(dns.begin(), dns.end());
  // The signature first: only what the node itself said is worth reading.
  const Bytes message = ToBeSigned(packet.unix_us_, dns);
  if (crypto_sign_verify_detached(packet.signature_.data(), message.data(), message.size(),
                                  node.bytes.data()) != 0) {
    return InvalidArgument("a signed packet is not signed by the node");
  }
  BLOBD_ASSIGN_OR_RETURN(const DnsMessage said, DnsMessage::Parse(dns));
  const DnsName name = RecordName(node);
  for (const DnsRecord& record : said.answers) {
    const auto* txt = std::get_if<DnsTxt>(&record.data);
    if (txt != nullptr && record.name == name && record.klass == kDnsIn) {
      packet.record_.Read(txt->Joined());
    }
  }
  return packet;
}

Bytes SignedPacket::Payload() const {
  Bytes payload(signature_.begin(), signature_.end());
  for (int shift = 56; shift >= 0; shift -= 8) {
    payload.push_back(static_cast<uint8_t>(unix_us_ >> shift));
  }
  payload.insert(payload.end(), dns_.begin(), dns_.end());
  return payload;
}

bool SignedPacket::IsNewerThan(const SignedPacket& other) const {
  if (unix_us_ != other.unix_us_) return unix_us_ > other.unix_us_;
  return dns_ > other.dns_;
}

}  // namespace blobd::lookup
