// A peer that means no good, or asks for a great deal, for the tests of what transfers.md calls
// bounds and fairness. It deals with one node on loopback, or in a test's namespace, for a bounded
// time and prints what it did as one line of JSON.
//
//   blobd_attack MODE --node ID --address IP:PORT [--hash H]... [--connections N] [--streams N]
//                [--rate N] [--seconds S] [--seed N] [--count N]
//
//   bulk        requests for the first blob whose answers are read, always so many at once
//   one-by-one  one request after the other for the blobs in turn, `count` of them; how long they
//   took no-fin      streams whose request never ends never-read  requests for the blob whose
//   answers are never read reset       requests for the blob, each stopped at a random byte; the
//   next follows connect     first packets of connections that nobody goes on with, from many
//   addresses disco       pings under a thousand made-up ids garbage     datagrams of random bytes
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/rng.h"
#include "quic/disco.h"
#include "raw_client.h"
#include "wire/range_spec.h"
#include "wire/request.h"

namespace blobd::attack {
namespace {

struct Options {
  std::string mode, node, address;
  std::vector<std::string> hashes;
  size_t count = 1000;
  size_t connections = 8;
  size_t streams = 100;
  size_t rate = 2000;  // datagrams per second
  double seconds = 5;
  uint64_t seed = 1;
};

Duration Seconds(double value) { return Duration(static_cast<int64_t>(value * 1e9)); }

SocketAddress Unbound() { return SocketAddress::V4({0, 0, 0, 0}, 0); }

// One of the addresses of loopback, so that limits per address do not end the attack at once.
SocketAddress Source(const RawClient::Target& target, size_t number) {
  if (!target.address.is_loopback()) return Unbound();
  return SocketAddress::V4({127, 0, 1, static_cast<uint8_t>(1 + number % 250)}, 0);
}

// The tests' own networks (tests/e2e).
bool IsInTestNetwork(const SocketAddress& address) {
  const auto ip = address.ip16();
  return address.is_v4() && ip[12] == 10 && ip[13] == 99;
}

class Streams {
 public:
  Streams(loop::Loop& loop, const Options& options, const RawClient::Target& target,
          const Bytes& request)
      : loop_(loop), options_(options), request_(request), rng_(options.seed) {
    for (size_t i = 0; i < options.connections; ++i) {
      auto client = RawClient::Dial(loop, target, Source(target, i));
      if (!client.ok()) continue;
      (*client)->set_reads(options.mode != "never-read");
      clients_.push_back(*std::move(client));
    }
    Refill();
  }

  void Report() const {
    uint64_t received = 0, opened = 0, ended = 0;
    size_t ready = 0;
    for (const auto& client : clients_) {
      received += client->counts().received_bytes;
      opened += client->counts().streams_opened;
      ended += client->counts().streams_ended;
      if (client->counts().ready) ++ready;
    }
    fmt::print("{{\"connections\":{},\"opened\":{},\"ended\":{},\"received\":{}}}\n", ready, opened,
               ended, received);
  }

 private:
  void Refill() {
    for (const auto& client : clients_) {
      if (!client->ready()) continue;
      const auto& counts = client->counts();
      while (counts.streams_opened - counts.streams_ended < options_.streams) {
        if (!OpenOne(*client)) break;
      }
    }
    loop_.AddTimer(loop_.Now() + milliseconds(20), [this] { Refill(); });
  }

  bool OpenOne(RawClient& client) {
    if (options_.mode == "no-fin") {
      const auto cut = static_cast<ptrdiff_t>(rng_.Below(request_.size()));
      return client.Open(Bytes(request_.begin(), request_.begin() + cut), false).has_value();
    }
    const auto stream = client.Open(request_, true);
    if (stream && options_.mode == "reset") client.StopAfter(*stream, 1 + rng_.Below(4 << 20));
    return stream.has_value();
  }

  loop::Loop& loop_;
  const Options& options_;
  const Bytes& request_;
  Rng rng_;
  std::vector<std::unique_ptr<RawClient>> clients_;
};

// Asks for one blob after the other and measures each, from its request to the end of its stream.
class OneByOne {
 public:
  OneByOne(loop::Loop& loop, const Options& options, const RawClient::Target& target,
           const std::vector<Bytes>& requests)
      : loop_(loop), options_(options), requests_(requests) {
    auto client = RawClient::Dial(loop, target, Unbound());
    if (!client.ok()) return;
    client_ = *std::move(client);
    client_->set_on_end([this] { OnEnd(); });
    Begin();
  }

  void Report() {
    if (took_.empty()) took_.push_back(Duration::zero());
    std::sort(took_.begin(), took_.end());
    const auto at = [&](size_t percent) {
      return took_[took_.size() * percent / 100].count() / 1000;
    };
    fmt::print("{{\"answered\":{},\"p50_us\":{},\"p99_us\":{}}}\n", took_.size(), at(50), at(99));
  }

 private:
  void Begin() {
    if (client_->ready()) return Next();
    loop_.AddTimer(loop_.Now() + milliseconds(5), [this] { Begin(); });
  }
  void Next() {
    began_ = SystemClock().Now();
    client_->Open(requests_[took_.size() % requests_.size()], true);
  }
  void OnEnd() {
    took_.push_back(SystemClock().Now() - began_);
    if (took_.size() >= options_.count) return loop_.Stop();
    // Not from within the connection.
    loop_.Post([this] { Next(); });
  }

  loop::Loop& loop_;
  const Options& options_;
  const std::vector<Bytes>& requests_;
  std::unique_ptr<RawClient> client_;
  std::vector<Duration> took_;
  Instant began_;
};

// Sends datagrams at a rate and reads nothing.
class Datagrams final : private quic::ConnectionDelegate, private quic::DatagramSink {
 public:
  Datagrams(loop::Loop& loop, const Options& options, const RawClient::Target& target)
      : loop_(loop), options_(options), target_(target), rng_(options.seed) {
    for (size_t i = 0; i < kSockets; ++i) {
      auto socket = quic::UdpSocket::Open(Source(target, i));
      if (socket.ok()) sockets_.push_back(*std::move(socket));
    }
    auto tls = quic::TlsContext::Create(identity_);
    if (tls.ok()) tls_ = *std::move(tls);
    started_ = loop.Now();
    Tick();
  }

  void Report() const { fmt::print("{{\"sent\":{}}}\n", sent_); }

 private:
  static constexpr size_t kSockets = 16;
  static constexpr size_t kIds = 1000;

  void Tick() {
    const double passed = static_cast<double>((loop_.Now() - started_).count()) / 1e9;
    const auto due = static_cast<uint64_t>(passed * static_cast<double>(options_.rate));
    while (sent_ < due) {
      ++sent_;
      if (options_.mode == "connect") {
        SendInitial();
      } else if (options_.mode == "disco") {
        SendPing();
      } else {
        SendGarbage();
      }
    }
    loop_.AddTimer(loop_.Now() + milliseconds(5), [this] { Tick(); });
  }

  quic::UdpSocket& NextSocket() { return *sockets_[sent_ % sockets_.size()]; }

  void SendInitial() {
    auto connection = quic::Connection::Dial(*tls_, target_.node, {}, NextSocket().local_address(),
                                             target_.address, loop_.Now(), this);
    if (connection.ok()) (*connection)->Write(loop_.Now(), scratch_, *this);
  }

  void SendPing() {
    if (pings_.size() < kIds) {
      quic::Disco disco(quic::Identity::Generate());
      if (auto ping = disco.Ping(target_.node)) pings_.push_back(*std::move(ping));
    }
    const Bytes& ping = pings_[sent_ % pings_.size()];
    NextSocket().Send(target_.address, ping, ping.size());
  }

  void SendGarbage() {
    Bytes datagram(1 + rng_.Below(1452));
    for (uint8_t& byte : datagram) byte = static_cast<uint8_t>(rng_.Next());
    NextSocket().Send(target_.address, datagram, datagram.size());
  }

  void OnCidAdded(const quic::Cid&) override {}
  void OnCidRetired(const quic::Cid&) override {}
  void OnReady() override {}
  void OnStreamOpened(quic::StreamId) override {}
  void OnStreamData(quic::StreamId, ByteView) override {}
  void OnStreamFin(quic::StreamId) override {}
  void OnStreamReset(quic::StreamId, uint64_t) override {}
  void OnStreamAcknowledged(quic::StreamId, uint64_t) override {}
  void OnStreamClosed(quic::StreamId, std::optional<uint64_t>) override {}
  bool Send(const SocketAddress& to, ByteView bytes, size_t segment) override {
    NextSocket().Send(to, bytes, segment);
    return true;
  }

  loop::Loop& loop_;
  const Options& options_;
  const RawClient::Target target_;
  Rng rng_;
  const quic::Identity identity_ = quic::Identity::Generate();
  std::unique_ptr<quic::TlsContext> tls_;
  std::vector<std::unique_ptr<quic::UdpSocket>> sockets_;
  std::vector<Bytes> pings_;
  Bytes scratch_ = Bytes(quic::Connection::kWriteSpace);
  Instant started_;
  uint64_t sent_ = 0;
};

template <typename Attack, typename... Arguments>
void RunFor(loop::Loop& loop, double seconds, Arguments&&... arguments) {
  Attack attack(loop, std::forward<Arguments>(arguments)...);
  loop.AddTimer(SystemClock().Now() + Seconds(seconds), [&loop] { loop.Stop(); });
  loop.Run();
  attack.Report();
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("attacks one node on loopback");
  const std::vector<std::string> streams = {"bulk", "no-fin", "never-read", "reset"};
  app.add_option("mode", options.mode)
      ->required()
      ->check(CLI::IsMember(
          {"bulk", "one-by-one", "no-fin", "never-read", "reset", "connect", "disco", "garbage"}));
  app.add_option("--node", options.node)->required();
  app.add_option("--address", options.address)->required();
  app.add_option("--hash", options.hashes)->take_all();
  app.add_option("--count", options.count);
  app.add_option("--connections", options.connections);
  app.add_option("--streams", options.streams);
  app.add_option("--rate", options.rate);
  app.add_option("--seconds", options.seconds);
  app.add_option("--seed", options.seed);
  CLI11_PARSE(app, argc, argv);

  const auto node = NodeId::FromHexText(options.node);
  const auto address = SocketAddress::Parse(options.address);
  std::vector<Bytes> requests;
  if (options.hashes.empty()) options.hashes.emplace_back(64, '0');
  for (const std::string& text : options.hashes) {
    if (const auto hash = Hash::FromHexText(text)) {
      requests.push_back(
          wire::EncodeGet(*hash, wire::RangeSpecSeq::OfRawBlob(wire::ChunkRanges::All())));
    }
  }
  if (!node || !address || requests.size() != options.hashes.size() ||
      !(address->is_loopback() || IsInTestNetwork(*address))) {
    fmt::print(stderr, "blobd_attack: bad node, hash or address (loopback or 10.99.0.0/16 only)\n");
    return 2;
  }
  auto loop = loop::Loop::Create();
  if (!loop.ok()) return 1;
  const RawClient::Target target{*node, *address};
  if (std::find(streams.begin(), streams.end(), options.mode) != streams.end()) {
    RunFor<Streams>(**loop, options.seconds, options, target, requests.front());
  } else if (options.mode == "one-by-one") {
    RunFor<OneByOne>(**loop, options.seconds, options, target, requests);
  } else {
    RunFor<Datagrams>(**loop, options.seconds, options, target);
  }
  return 0;
}

}  // namespace
}  // namespace blobd::attack

int main(int argc, char** argv) { return blobd::attack::Main(argc, argv); }
