// Datagrams of strangers: the input is a series of them, from several hosts, as they are or laid
// over a real first datagram. Nothing is answered with more than it brought, and who is let in
// does no harm.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/check.h"
#include "quic/datagrams_for_test.h"
#include "quic/doorman.h"

namespace {

using namespace blobd;
using namespace blobd::quic;

struct House {
  House() : identity(Identity::FromSeed(Bytes(32, 7))) {
    tls = std::move(*TlsContext::Create(identity));
    first = FirstDatagram(identity.node_id(), Instant::FromNanos(1));
  }
  Identity identity;
  std::unique_ptr<TlsContext> tls;
  Bytes first;
};

// Lets the newcomer in, for one datagram.
void Enter(House& house, Doorman& doorman, const Doorman::Newcomer& newcomer,
           const SocketAddress& from, ByteView datagram, Instant now) {
  DeafDelegate deaf;
  auto connection = Connection::Accept(*house.tls, newcomer.first, newcomer.original, {},
                                       SocketAddress::V4({192, 0, 2, 2}, 2000), from, now, &deaf);
  BLOBD_CHECK(connection.ok());
  doorman.Entered(from);
  (*connection)->Receive(from, datagram, now);
  Outbox outbox;
  Bytes scratch(Connection::kWriteSpace);
  while ((*connection)->Write(now, scratch, outbox)) {
  }
  size_t sent = (*connection)->farewell().size();
  for (const Bytes& each : outbox.datagrams) sent += each.size();
  BLOBD_CHECK(sent <= 3 * datagram.size() || newcomer.original.has_value());
  doorman.Left(from, true);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static House house;
  Doorman doorman({.incoming = 8, .incoming_per_address = 4, .half_open_before_retry = 2},
                  house.identity.Secret("stateless reset"));
  ByteView input(data, size);
  Instant now = Instant::FromNanos(1'000'000'000);
  std::vector<SocketAddress> inside;
  // One byte says who sends what, two how long it is.
  while (input.size() > 3) {
    const uint8_t how = input[0];
    const size_t length = std::min(size_t{input[1]} << 8 | input[2], input.size() - 3);
    Bytes datagram(input.begin() + 3, input.begin() + 3 + static_cast<ptrdiff_t>(length));
    input = input.subspan(3 + length);
    if ((how & 1) != 0) {
      datagram.resize(std::max(length, house.first.size()));
      for (size_t i = 0; i < house.first.size(); ++i) datagram[i] ^= house.first[i];
    }
    now = now + milliseconds(how >> 4);
    const auto from = SocketAddress::V4({10, 0, 0, static_cast<uint8_t>(how >> 1 & 3)}, 1000);
    const auto verdict = doorman.OnDatagram(from, datagram, now);
    BLOBD_CHECK(verdict.answer.size() <= datagram.size());
    BLOBD_CHECK(verdict.answer.empty() || !verdict.newcomer);
    if (!verdict.newcomer) continue;
    Enter(house, doorman, *verdict.newcomer, from, datagram, now);
    if ((how & 8) != 0) {  // and stays, in the middle of its handshake
      doorman.Entered(from);
      inside.push_back(from);
    }
    BLOBD_CHECK(doorman.inside() <= 8 && doorman.half_open() == doorman.inside());
  }
  for (const SocketAddress& from : inside) doorman.Left(from, true);
  BLOBD_CHECK(doorman.inside() == 0);
  return 0;
}
