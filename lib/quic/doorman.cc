#include "quic/doorman.h"

#include <ngtcp2/ngtcp2_crypto.h>
#include <sodium.h>

#include <algorithm>

#include "base/check.h"

namespace blobd::quic {
namespace {

constexpr uint8_t kLongHeader = 0x80;
constexpr size_t kMinInitial = 1200;
constexpr uint8_t kRetryToken = NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY;
constexpr uint64_t kTokenLifetime = 10'000'000'000;  // ns

// A stateless reset looks like a short packet of this size, or is a byte shorter than its cause.
constexpr size_t kResetSize = NGTCP2_STATELESS_RESET_TOKENLEN + 25;
constexpr size_t kMinResetSize =
    NGTCP2_STATELESS_RESET_TOKENLEN + NGTCP2_MIN_STATELESS_RESET_RANDLEN;

// Starting a handshake takes some 200 us, a Retry 20 us, a refusal as much, the others less; at
// these rates strangers get a few percent of a core each.
constexpr double kUnprovenBurst = 1024;
constexpr double kUnprovenRate = 256;
constexpr double kRetryBurst = 2048;
constexpr double kRetryRate = 2048;
constexpr double kAnswerBurst = 256;
constexpr double kAnswerRate = 128;

struct Remote {
  explicit Remote(const SocketAddress& address) : size(address.ToSockaddr6(&storage)) {}
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr_storage storage{};
  socklen_t size;
};

}  // namespace

Doorman::Doorman(const DoormanOptions& options, const std::array<uint8_t, 32>& reset_secret)
    : options_(options),
      reset_secret_(reset_secret),
      unproven_(kUnprovenBurst, kUnprovenRate),
      version_answers_(kAnswerBurst, kAnswerRate),
      resets_(kAnswerBurst, kAnswerRate),
      refusals_(kAnswerBurst, kAnswerRate),
      retries_(kRetryBurst, kRetryRate) {
  randombytes_buf(token_secret_.data(), token_secret_.size());
}

Doorman::~Doorman() {
  sodium_memzero(reset_secret_.data(), reset_secret_.size());
  sodium_memzero(token_secret_.data(), token_secret_.size());
}

Doorman::Host Doorman::HostOf(const SocketAddress& address) {
  Host host = address.ip16();
  // Whoever has an IPv6 network has all of its /64.
  if (!address.is_v4()) std::fill(host.begin() + 8, host.end(), uint8_t{0});
  return host;
}

Doorman::Verdict Doorman::Drop() {
  ++stats_.dropped;
  return {};
}

Doorman::Verdict Doorman::OnDatagram(const SocketAddress& from, ByteView datagram, Instant now) {
  if (datagram.empty()) return Drop();
  if ((datagram[0] & kLongHeader) == 0) return Reset(datagram, now);
  ngtcp2_version_cid header{};
  const int error =
      ngtcp2_pkt_decode_version_cid(&header, datagram.data(), datagram.size(), kOwnCidSize);
  if (error != 0 && error != NGTCP2_ERR_VERSION_NEGOTIATION) return Drop();
  // Shorter ones could have been sent to make us answer somebody else.
  if (datagram.size() < kMinInitial || header.version == 0) return Drop();
  if (header.version != NGTCP2_PROTO_VER_V1) return AnswerVersion(header, now);

  Newcomer newcomer;
  ngtcp2_pkt_hd& first = newcomer.first;
  if (ngtcp2_accept(&first, datagram.data(), datagram.size()) != 0) return Drop();
  const bool retried = first.token.len > 0 && first.token.base[0] == kRetryToken;
  if (retried) {
    newcomer.original = VerifyToken(first, from, now);
    // It will not follow a second Retry.
    if (!newcomer.original) return Refuse(first, NGTCP2_INVALID_TOKEN, now);
  } else if (first.dcid.datalen < NGTCP2_MIN_INITIAL_DCIDLEN) {
    return Drop();
  }
  const auto here = inside_by_host_.find(HostOf(from));
  if (inside_ >= options_.incoming ||
      (here != inside_by_host_.end() && here->second >= options_.incoming_per_address)) {
    return Refuse(first, NGTCP2_CONNECTION_REFUSED, now);
  }
  if (!retried && (half_open_ >= options_.half_open_before_retry || !unproven_.Take(now))) {
    return Retry(first, from, now);
  }
  ++stats_.newcomers;
  return {.newcomer = newcomer};
}

Doorman::Verdict Doorman::AnswerVersion(const ngtcp2_version_cid& header, Instant now) {
  if (!version_answers_.Take(now)) return Drop();
  const uint32_t ours = NGTCP2_PROTO_VER_V1;
  uint8_t random = 0;
  randombytes_buf(&random, 1);
  Bytes packet(kMinInitial);
  const ngtcp2_ssize size =
      ngtcp2_pkt_write_version_negotiation(packet.data(), packet.size(), random, header.scid,
                                           header.scidlen, header.dcid, header.dcidlen, &ours, 1);
  if (size <= 0) return Drop();
  packet.resize(static_cast<size_t>(size));
  ++stats_.version_answers;
  return {.answer = std::move(packet)};
}

Doorman::Verdict Doorman::Reset(ByteView datagram, Instant now) {
  // The fixed bit says nothing: ngtcp2 allows its peers to leave it out (RFC 9287).
  if (datagram.size() <= kMinResetSize) return Drop();
  if (!resets_.Take(now)) return Drop();
  ngtcp2_cid cid{};
  ngtcp2_cid_init(&cid, datagram.data() + 1, kOwnCidSize);
  std::array<uint8_t, NGTCP2_STATELESS_RESET_TOKENLEN> token{};
  if (ngtcp2_crypto_generate_stateless_reset_token(token.data(), reset_secret_.data(),
                                                   reset_secret_.size(), &cid) != 0) {
    return Drop();
  }
  // Shorter than its cause: two nodes that have both forgotten must come to an end.
  const size_t size = std::min(kResetSize, datagram.size() - 1);
  std::array<uint8_t, kResetSize> random{};
  randombytes_buf(random.data(), random.size());
  Bytes packet(size);
  const ngtcp2_ssize written =
      ngtcp2_pkt_write_stateless_reset(packet.data(), packet.size(), token.data(), random.data(),
                                       size - NGTCP2_STATELESS_RESET_TOKENLEN);
  if (written <= 0) return Drop();
  packet.resize(static_cast<size_t>(written));
  ++stats_.resets;
  return {.answer = std::move(packet)};
}

Doorman::Verdict Doorman::Refuse(const ngtcp2_pkt_hd& first, uint64_t code, Instant now) {
  if (!refusals_.Take(now)) return Drop();
  Bytes packet(kMinInitial);
  const ngtcp2_ssize size = ngtcp2_crypto_write_connection_close(
      packet.data(), packet.size(), first.version, &first.scid, &first.dcid, code, nullptr, 0);
  if (size <= 0) return Drop();
  packet.resize(static_cast<size_t>(size));
  ++stats_.refusals;
  return {.answer = std::move(packet)};
}

Doorman::Verdict Doorman::Retry(const ngtcp2_pkt_hd& first, const SocketAddress& from,
                                Instant now) {
  if (!retries_.Take(now)) return Drop();
  ngtcp2_cid source{};
  source.datalen = kOwnCidSize;
  randombytes_buf(source.data, source.datalen);
  const Remote remote(from);
  std::array<uint8_t, NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN> token{};
  const ngtcp2_ssize token_size = ngtcp2_crypto_generate_retry_token(
      token.data(), token_secret_.data(), token_secret_.size(), first.version, remote.get(),
      remote.size, &source, &first.dcid, now.nanos());
  if (token_size <= 0) return Drop();
  Bytes packet(kMinInitial);
  const ngtcp2_ssize size =
      ngtcp2_crypto_write_retry(packet.data(), packet.size(), first.version, &first.scid, &source,
                                &first.dcid, token.data(), static_cast<size_t>(token_size));
  if (size <= 0) return Drop();
  packet.resize(static_cast<size_t>(size));
  ++stats_.retries;
  return {.answer = std::move(packet)};
}

std::optional<Cid> Doorman::VerifyToken(const ngtcp2_pkt_hd& first, const SocketAddress& from,
                                        Instant now) const {
  const Remote remote(from);
  ngtcp2_cid original{};
  if (ngtcp2_crypto_verify_retry_token(&original, first.token.base, first.token.len,
                                       token_secret_.data(), token_secret_.size(), first.version,
                                       remote.get(), remote.size, &first.dcid, kTokenLifetime,
                                       now.nanos()) != 0) {
    return std::nullopt;
  }
  return Cid::From(original);
}

void Doorman::Entered(const SocketAddress& from) {
  ++inside_;
  ++half_open_;
  ++inside_by_host_[HostOf(from)];
}

void Doorman::Authenticated() {
  BLOBD_CHECK(half_open_ > 0);
  --half_open_;
}

void Doorman::Left(const SocketAddress& from, bool half_open) {
  const auto host = inside_by_host_.find(HostOf(from));
  BLOBD_CHECK(inside_ > 0 && host != inside_by_host_.end());
  --inside_;
  if (half_open) Authenticated();
  if (--host->second == 0) inside_by_host_.erase(host);
}

}  // namespace blobd::quic
