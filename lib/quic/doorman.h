// Doorman: what is done about a datagram that belongs to no connection of ours. A newcomer is let
// in while there is room, asked to prove its address first when many are in the middle of their
// handshakes (Retry), or turned away. A peer that speaks another version hears which one we speak,
// and one that speaks of a connection we have forgotten hears that (stateless reset).
// RFC 9000, sections 5.2.2, 6, 8.1, 10.3 and 14.1.
//
// No answer is longer than what caused it, and each kind of answer has a budget, so that strangers
// can neither use us against others nor keep us busy.
//
// Thread: one. Time is an argument and does not go back.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>

#include "base/bytes.h"
#include "base/socket_address.h"
#include "base/time.h"
#include "quic/cid.h"
#include "quic/stats.h"
#include "quic/token_bucket.h"

namespace blobd::quic {

struct DoormanOptions {
  size_t incoming = 1024;
  size_t incoming_per_address = 64;     // an IPv4 address, or an IPv6 /64
  size_t half_open_before_retry = 128;  // handshakes under way without a proven address
};

class Doorman {
 public:
  // From `reset_secret` come the stateless reset tokens of all our connection ids, also those of
  // earlier runs.
  Doorman(const DoormanOptions& options, const std::array<uint8_t, 32>& reset_secret);
  ~Doorman();
  Doorman(const Doorman&) = delete;
  Doorman& operator=(const Doorman&) = delete;

  struct Newcomer {
    ngtcp2_pkt_hd first{};        // borrows the datagram
    std::optional<Cid> original;  // set when the address is proven: the id it used before the Retry
  };
  // A newcomer to be let in, or an answer to be sent; neither: the datagram is dropped.
  struct Verdict {
    std::optional<Newcomer> newcomer = {};
    Bytes answer = {};
  };
  Verdict OnDatagram(const SocketAddress& from, ByteView datagram, Instant now);

  // To be told of every newcomer that was let in, when its handshake is complete, and when it goes;
  // `half_open` says that it goes before that.
  void Entered(const SocketAddress& from);
  void Authenticated();
  void Left(const SocketAddress& from, bool half_open);

  size_t inside() const { return inside_; }
  size_t half_open() const { return half_open_; }
  const StrangerStats& stats() const { return stats_; }

 private:
  using Host = std::array<uint8_t, 16>;
  static Host HostOf(const SocketAddress& address);
  Verdict Drop();
  Verdict AnswerVersion(const ngtcp2_version_cid& header, Instant now);
  Verdict Reset(ByteView datagram, Instant now);
  Verdict Refuse(const ngtcp2_pkt_hd& first, uint64_t code, Instant now);
  Verdict Retry(const ngtcp2_pkt_hd& first, const SocketAddress& from, Instant now);
  std::optional<Cid> VerifyToken(const ngtcp2_pkt_hd& first, const SocketAddress& from,
                                 Instant now) const;

  const DoormanOptions options_;
  std::array<uint8_t, 32> reset_secret_;
  std::array<uint8_t, 32> token_secret_;  // of this run: tokens are valid for seconds
  TokenBucket unproven_;                  // newcomers let in without a proven address
  TokenBucket version_answers_;
  TokenBucket resets_;
  TokenBucket refusals_;
  TokenBucket retries_;
  size_t inside_ = 0;
  size_t half_open_ = 0;
  std::map<Host, size_t> inside_by_host_;
  StrangerStats stats_;
};

}  // namespace blobd::quic
