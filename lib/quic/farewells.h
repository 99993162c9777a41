// Farewells: connections that have ended, remembered for a while (RFC 9000, section 10.2). Late
// datagrams of theirs are answered with the closing one, less and less often, or dropped.
//
// Thread: one. Bounded: the oldest are forgotten first.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/socket_address.h"
#include "base/time.h"
#include "quic/cid.h"

namespace blobd::quic {

class Farewells {
 public:
  // `datagram` may be empty: then late datagrams are just dropped.
  void Add(std::vector<Cid> cids, const SocketAddress& to, Bytes datagram, Instant until);

  struct Late {
    SocketAddress to;
    ByteView answer;  // empty: nothing to send; valid until the next call
  };
  // nullopt if `cid` belongs to none.
  std::optional<Late> OnDatagram(const Cid& cid, Instant now);

 private:
  struct Entry {
    std::vector<Cid> cids;
    SocketAddress to;
    Bytes datagram;
    Instant until;
    uint64_t received = 0;
  };
  void Forget(std::list<Entry>::iterator entry);

  std::list<Entry> entries_;  // oldest first
  std::unordered_map<Cid, std::list<Entry>::iterator, CidHash> by_cid_;
};

}  // namespace blobd::quic
