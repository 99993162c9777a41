#include "quic/loopback_server_for_test.h"

#include <ngtcp2/ngtcp2_crypto.h>
#include <sodium.h>

#include <algorithm>

#include "base/check.h"

namespace blobd::quic {

class LoopbackServer::Session final : public ConnectionDelegate {
 public:
  explicit Session(LoopbackServer& server) : server_(server) {}
  ~Session() override {
    for (const Cid& cid : cids_) server_.by_cid_.erase(cid);
  }
  void OnCidAdded(const Cid& cid) override {
    cids_.push_back(cid);
    server_.by_cid_[cid] = this;
  }
  void OnCidRetired(const Cid& cid) override { server_.by_cid_.erase(cid); }
  void OnReady() override {}
  void OnStreamOpened(StreamId id) override { requests_[id]; }
  void OnStreamData(StreamId id, ByteView bytes) override {
    requests_[id].insert(requests_[id].end(), bytes.begin(), bytes.end());
    connection->Consumed(id, bytes.size());
  }
  void OnStreamFin(StreamId id) override { server_.handler_(*connection, id, requests_[id]); }
  void OnStreamReset(StreamId, uint64_t) override {}
  void OnStreamAcknowledged(StreamId, uint64_t) override {}
  void OnStreamClosed(StreamId id, std::optional<uint64_t> code) override {
    requests_.erase(id);
    server_.stream_codes_.push_back(code);
  }

  std::unique_ptr<Connection> connection;
  size_t streams() const { return requests_.size(); }

 private:
  LoopbackServer& server_;
  std::vector<Cid> cids_;
  std::map<StreamId, Bytes> requests_;
};

LoopbackServer::LoopbackServer(loop::Loop& loop, Handler handler, const SocketAddress& listen)
    : loop_(loop), handler_(std::move(handler)) {
  options.peer_streams = 100;
  options.probe_payload = false;
  randombytes_buf(secret_.data(), secret_.size());
  options.reset_secret = secret_;
  tls_ = std::move(*TlsContext::Create(identity_));
  socket_ = std::move(*UdpSocket::Open(listen));
  take_ = [this](const SocketAddress& from, ByteView datagram) { OnDatagram(from, datagram); };
  BLOBD_CHECK(loop_
                  .Watch(socket_->fd(), EPOLLIN,
                         [this](uint32_t) {
                           socket_->Receive(take_);
                           Flush();
                         })
                  .ok());
}

LoopbackServer::~LoopbackServer() {
  loop_.Unwatch(socket_->fd());
  if (timer_ != 0) loop_.CancelTimer(timer_);
}

size_t LoopbackServer::streams_open() const {
  size_t count = 0;
  for (const auto& session : sessions_) count += session->streams();
  return count;
}

bool LoopbackServer::Send(const SocketAddress& to, ByteView bytes, size_t segment) {
  socket_->Send(to, bytes, segment);  // what a full socket refuses is lost, and sent again
  return true;
}

void LoopbackServer::OnDatagram(const SocketAddress& from, ByteView datagram) {
  if (IsDisco(datagram)) {
    if (disco_.Open(datagram)) pinged_.push_back(from);
    return;
  }
  if (wants_disco && std::find(pinged_.begin(), pinged_.end(), from) == pinged_.end()) return;
  ngtcp2_version_cid header{};
  if (ngtcp2_pkt_decode_version_cid(&header, datagram.data(), datagram.size(), kOwnCidSize) != 0) {
    return;
  }
  const auto found = by_cid_.find(Cid::From(ByteView(header.dcid, header.dcidlen)));
  Session* session = found == by_cid_.end() ? Accept(from, datagram) : found->second;
  if (session != nullptr) session->connection->Receive(from, datagram, loop_.Now());
}

LoopbackServer::Session* LoopbackServer::Accept(const SocketAddress& from, ByteView datagram) {
  ngtcp2_pkt_hd first{};
  const int error = ngtcp2_accept(&first, datagram.data(), datagram.size());
  if (error != 0) {
    if ((datagram[0] & 0x80) == 0) SendReset(from, datagram);
    return nullptr;
  }
  if (wants_retry && first.token.len == 0) {
    Retry(first, from);
    return nullptr;
  }
  auto session = std::make_unique<Session>(*this);
  std::optional<Cid> original;
  if (wants_retry) {
    ngtcp2_cid cid{};
    sockaddr_storage remote{};
    const socklen_t size = from.ToSockaddr6(&remote);
    if (ngtcp2_crypto_verify_retry_token(&cid, first.token.base, first.token.len, secret_.data(),
                                         secret_.size(), first.version,
                                         reinterpret_cast<sockaddr*>(&remote), size, &first.dcid,
                                         10'000'000'000, loop_.Now().nanos()) != 0) {
      return nullptr;
    }
    original = Cid::From(cid);
  }
  auto connection = Connection::Accept(*tls_, first, original, options, address(), from,
                                       loop_.Now(), session.get());
  BLOBD_CHECK(connection.ok());
  ++accepted_;
  session->connection = std::move(*connection);
  sessions_.push_back(std::move(session));
  return sessions_.back().get();
}

void LoopbackServer::Retry(const ngtcp2_pkt_hd& first, const SocketAddress& from) {
  ngtcp2_cid source{};
  source.datalen = kOwnCidSize;
  randombytes_buf(source.data, source.datalen);
  sockaddr_storage remote{};
  const socklen_t size = from.ToSockaddr6(&remote);
  std::array<uint8_t, NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN> token{};
  const ngtcp2_ssize token_size = ngtcp2_crypto_generate_retry_token(
      token.data(), secret_.data(), secret_.size(), first.version,
      reinterpret_cast<sockaddr*>(&remote), size, &source, &first.dcid, loop_.Now().nanos());
  BLOBD_CHECK(token_size > 0);
  Bytes packet(1200);
  const ngtcp2_ssize written =
      ngtcp2_crypto_write_retry(packet.data(), packet.size(), first.version, &first.scid, &source,
                                &first.dcid, token.data(), static_cast<size_t>(token_size));
  BLOBD_CHECK(written > 0);
  packet.resize(static_cast<size_t>(written));
  socket_->Send(from, packet, packet.size());
}

void LoopbackServer::SendReset(const SocketAddress& from, ByteView datagram) {
  if (datagram.size() < 1 + kOwnCidSize + 20) return;
  ngtcp2_cid cid{};
  ngtcp2_cid_init(&cid, datagram.data() + 1, kOwnCidSize);
  std::array<uint8_t, NGTCP2_STATELESS_RESET_TOKENLEN> token{};
  ngtcp2_crypto_generate_stateless_reset_token(token.data(), secret_.data(), secret_.size(), &cid);
  Bytes random(std::min<size_t>(25, datagram.size() - 17));
  randombytes_buf(random.data(), random.size());
  Bytes packet(100);
  const ngtcp2_ssize size = ngtcp2_pkt_write_stateless_reset(
      packet.data(), packet.size(), token.data(), random.data(), random.size());
  if (size > 0)
    socket_->Send(from, ByteView(packet).first(static_cast<size_t>(size)),
                  static_cast<size_t>(size));
}

void LoopbackServer::Flush() {
  if (timer_ != 0) loop_.CancelTimer(std::exchange(timer_, 0));
  Instant next = Instant::Max();
  for (const auto& session : sessions_) {
    Connection& connection = *session->connection;
    connection.OnTimer(loop_.Now());
    if (connection.Write(loop_.Now(), scratch_, *this)) next = loop_.Now();
    next = std::min(next, connection.NextDeadline());
    if (connection.ended()) last_close_ = connection.ended();
  }
  sessions_.erase(std::remove_if(sessions_.begin(), sessions_.end(),
                                 [](const auto& s) { return s->connection->ended().has_value(); }),
                  sessions_.end());
  if (next == Instant::Max()) return;
  timer_ = loop_.AddTimer(next, [this] {
    timer_ = 0;
    Flush();
  });
}

void LoopbackServer::CloseAll(uint64_t code) {
  for (const auto& session : sessions_) {
    session->connection->Close(code, loop_.Now());
    const Bytes& farewell = session->connection->farewell();
    socket_->Send(session->connection->remote(), farewell, farewell.size());
  }
  sessions_.clear();
}

void LoopbackServer::Forget() { sessions_.clear(); }

}  // namespace blobd::quic
