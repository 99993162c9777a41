#include "quic/disco.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/overloaded.h"

namespace blobd::quic {
namespace {

constexpr std::array<uint8_t, 6> kMagic = {0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac};
constexpr size_t kIdSize = 32;
constexpr size_t kTagSize = crypto_box_curve25519xchacha20poly1305_MACBYTES;
constexpr size_t kNonceSize = crypto_box_curve25519xchacha20poly1305_NONCEBYTES;
constexpr size_t kOverhead = kMagic.size() + kIdSize + kTagSize + kNonceSize;
// The longest message we read: a pong with a relay URL fits amply.
constexpr size_t kMaxDatagram = 1200;

constexpr uint8_t kTypePing = 1;
constexpr uint8_t kTypePong = 2;
constexpr uint8_t kVersion = 0;
constexpr uint8_t kSeenDirect = 0;
constexpr uint8_t kSeenRelay = 1;

// A key exchange takes some 50 us, so 200 a second are 1 % of a core. One real peer pings a few
// times a second when it looks for paths, and every 2 to 5 s otherwise.
constexpr double kBurstAll = 256;
constexpr double kRateAll = 200;
constexpr double kBurstPerAddress = 16;
constexpr double kRatePerAddress = 4;
constexpr size_t kMaxKeys = 1024;
constexpr size_t kMaxBuckets = 1024;
constexpr size_t kMaxNames = 32;

template <size_t N>
void Append(Bytes& out, const std::array<uint8_t, N>& bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

std::optional<DiscoMessage> DecodePong(ByteView body) {
  DiscoPong pong;
  if (body.size() < pong.transaction.size() + 1) return std::nullopt;
  std::copy_n(body.begin(), pong.transaction.size(), pong.transaction.begin());
  body = body.subspan(pong.transaction.size());
  if (body[0] == kSeenRelay) return pong;
  if (body[0] != kSeenDirect || body.size() != 1 + 16 + 2) return std::nullopt;
  std::array<uint8_t, 16> ip{};
  std::copy_n(body.begin() + 1, ip.size(), ip.begin());
  pong.seen = SocketAddress::V6(ip, static_cast<uint16_t>(body[17] | body[18] << 8));
  return pong;
}

}  // namespace

bool IsDisco(ByteView datagram) {
  return datagram.size() >= kMagic.size() &&
         std::equal(kMagic.begin(), kMagic.end(), datagram.begin());
}

Bytes EncodeDisco(const DiscoMessage& message) {
  Bytes out;
  std::visit(Overloaded{[&](const DiscoPing& ping) {
                          out = {kTypePing, kVersion};
                          Append(out, ping.transaction);
                          Append(out, ping.sender.bytes);
                        },
                        [&](const DiscoPong& pong) {
                          out = {kTypePong, kVersion};
                          Append(out, pong.transaction);
                          if (!pong.seen) {
                            out.push_back(kSeenRelay);
                            return;
                          }
                          out.push_back(kSeenDirect);
                          Append(out, pong.seen->ip16());
                          out.push_back(static_cast<uint8_t>(pong.seen->port() & 0xff));
                          out.push_back(static_cast<uint8_t>(pong.seen->port() >> 8));
                        }},
             message);
  return out;
}

std::optional<DiscoMessage> DecodeDisco(ByteView plaintext) {
  if (plaintext.size() < 2 || plaintext[1] != kVersion) return std::nullopt;
  const ByteView body = plaintext.subspan(2);
  if (plaintext[0] == kTypePong) return DecodePong(body);
  DiscoPing ping;
  if (plaintext[0] != kTypePing || body.size() != ping.transaction.size() + kIdSize) {
    return std::nullopt;
  }
  std::copy_n(body.begin(), ping.transaction.size(), ping.transaction.begin());
  std::copy_n(body.begin() + ping.transaction.size(), kIdSize, ping.sender.bytes.begin());
  return ping;
}

DiscoName::DiscoName(const std::array<uint8_t, 32>& seed) {
  std::array<uint8_t, crypto_sign_ed25519_SECRETKEYBYTES> secret{};
  crypto_sign_ed25519_seed_keypair(id_.bytes.data(), secret.data(), seed.data());
  BLOBD_CHECK(crypto_sign_ed25519_sk_to_curve25519(secret_.data(), secret.data()) == 0);
  sodium_memzero(secret.data(), secret.size());
}

DiscoName::~DiscoName() {
  sodium_memzero(secret_.data(), secret_.size());
  for (auto& [node, key] : keys_) sodium_memzero(key.data(), key.size());
}

std::optional<Bytes> DiscoName::Seal(const NodeId& node, const DiscoMessage& message) {
  const Key* key = SharedKey(node);
  if (key == nullptr) return std::nullopt;
  const Bytes plaintext = EncodeDisco(message);
  std::array<uint8_t, kNonceSize> nonce{};
  randombytes_buf(nonce.data(), nonce.size());
  Bytes out;
  out.reserve(kOverhead + plaintext.size());
  Append(out, kMagic);
  Append(out, id_.bytes);
  const size_t box = out.size();
  out.resize(box + kTagSize + plaintext.size());
  crypto_box_curve25519xchacha20poly1305_easy_afternm(&out[box], plaintext.data(), plaintext.size(),
                                                      nonce.data(), key->data());
  Append(out, nonce);
  return out;
}

std::optional<std::pair<NodeId, DiscoMessage>> DiscoName::Open(ByteView datagram) {
  if (!IsDisco(datagram) || datagram.size() < kOverhead || datagram.size() > kMaxDatagram) {
    return std::nullopt;
  }
  const auto sender = NodeId::FromBytes(datagram.subspan(kMagic.size(), kIdSize));
  const ByteView box = datagram.subspan(kMagic.size() + kIdSize);
  const ByteView nonce = box.last(kNonceSize);
  const ByteView sealed = box.first(box.size() - kNonceSize);
  const Key* key = SharedKey(*sender);
  if (key == nullptr) return std::nullopt;
  Bytes plaintext(sealed.size() - kTagSize);
  if (crypto_box_curve25519xchacha20poly1305_open_easy_afternm(
          plaintext.data(), sealed.data(), sealed.size(), nonce.data(), key->data()) != 0) {
    return std::nullopt;
  }
  const auto message = DecodeDisco(plaintext);
  if (!message) return std::nullopt;
  return std::pair(*sender, *message);
}

const DiscoName::Key* DiscoName::SharedKey(const NodeId& node) {
  if (const auto found = key_of_.find(node); found != key_of_.end()) {
    keys_.splice(keys_.begin(), keys_, found->second);
    return &keys_.front().second;
  }
  Key theirs{};
  Key shared{};
  // Both refuse ids that are no points of the curve or of small order.
  if (crypto_sign_ed25519_pk_to_curve25519(theirs.data(), node.bytes.data()) != 0 ||
      crypto_box_curve25519xchacha20poly1305_beforenm(shared.data(), theirs.data(),
                                                      secret_.data()) != 0) {
    return nullptr;
  }
  keys_.emplace_front(node, shared);
  key_of_[node] = keys_.begin();
  sodium_memzero(shared.data(), shared.size());
  if (keys_.size() > kMaxKeys) {
    sodium_memzero(keys_.back().second.data(), keys_.back().second.size());
    key_of_.erase(keys_.back().first);
    keys_.pop_back();
  }
  return &keys_.front().second;
}

Disco::Disco(const Identity& identity)
    : secret_(identity.Secret("disco names")), own_(identity.seed()), all_(kBurstAll, kRateAll) {}

Disco::~Disco() { sodium_memzero(secret_.data(), secret_.size()); }

std::optional<Bytes> Disco::Ping(const NodeId& node, const std::optional<SocketAddress>& source) {
  DiscoName& name = source ? NameFor(node, source->ip16()) : own_;
  DiscoPing ping;
  randombytes_buf(ping.transaction.data(), ping.transaction.size());
  ping.sender = name.id();
  return name.Seal(node, ping);
}

std::optional<Bytes> Disco::Answer(ByteView datagram, const SocketAddress& from, Instant now,
                                   const std::optional<SocketAddress>& to) {
  if (datagram.size() < kOverhead || datagram.size() > kMaxDatagram) return std::nullopt;
  if (!TakeBudget(from, now)) return std::nullopt;
  DiscoName* name = &own_;
  auto opened = own_.Open(datagram);
  if (const auto other = to ? names_.find(to->ip16()) : names_.end();
      !opened && other != names_.end()) {
    name = other->second.get();
    opened = name->Open(datagram);
  }
  if (!opened) return std::nullopt;
  const auto* ping = std::get_if<DiscoPing>(&opened->second);
  if (ping == nullptr) return std::nullopt;
  return name->Seal(opened->first, DiscoPong{ping->transaction, from});
}

DiscoName& Disco::NameFor(const NodeId& node, const Ip& source) {
  auto home = homes_.find(node);
  if (home == homes_.end()) {
    if (homes_.size() >= kMaxKeys) homes_.erase(homes_.begin());  // it finds a new one
    home = homes_.emplace(node, source).first;
  }
  if (home->second == source) return own_;
  const auto found = names_.find(source);
  if (found != names_.end()) return *found->second;
  // Addresses come and go.
  if (names_.size() >= kMaxNames) names_.erase(names_.begin());
  std::array<uint8_t, 32> seed{};
  BLOBD_CHECK(crypto_generichash(seed.data(), seed.size(), source.data(), source.size(),
                                 secret_.data(), secret_.size()) == 0);
  auto name = std::make_unique<DiscoName>(seed);
  sodium_memzero(seed.data(), seed.size());
  return *names_.emplace(source, std::move(name)).first->second;
}

bool Disco::TakeBudget(const SocketAddress& from, Instant now) {
  const auto found = bucket_of_.find(from);
  if (found != bucket_of_.end()) {
    buckets_.splice(buckets_.begin(), buckets_, found->second);
  } else {
    buckets_.emplace_front(from, TokenBucket(kBurstPerAddress, kRatePerAddress));
    bucket_of_[from] = buckets_.begin();
    if (buckets_.size() > kMaxBuckets) {
      bucket_of_.erase(buckets_.back().first);
      buckets_.pop_back();
    }
  }
  return buckets_.front().second.Take(now) && all_.Take(now);
}

}  // namespace blobd::quic
