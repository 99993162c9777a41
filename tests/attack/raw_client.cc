#include "raw_client.h"

#include <utility>

namespace blobd::attack {

StatusOr<std::unique_ptr<RawClient>> RawClient::Dial(loop::Loop& loop, const Target& target,
                                                     const SocketAddress& from) {
  std::unique_ptr<RawClient> client(new RawClient(loop, target));
  BLOBD_RETURN_IF_ERROR(client->Start(from));
  return client;
}

RawClient::RawClient(loop::Loop& loop, const Target& target) : loop_(loop), target_(target) {}

RawClient::~RawClient() {
  *alive_ = false;
  if (socket_ != nullptr) loop_.Unwatch(socket_->fd());
  if (timer_ != 0) loop_.CancelTimer(timer_);
}

Status RawClient::Start(const SocketAddress& from) {
  BLOBD_ASSIGN_OR_RETURN(tls_, quic::TlsContext::Create(identity_));
  BLOBD_ASSIGN_OR_RETURN(socket_, quic::UdpSocket::Open(from));
  quic::ConnectionOptions options;
  options.keep_alive = seconds(5);
  BLOBD_ASSIGN_OR_RETURN(
      connection_, quic::Connection::Dial(*tls_, target_.node, options, socket_->local_address(),
                                          target_.address, SystemClock().Now(), this));
  take_ = [this](const SocketAddress& sender, ByteView datagram) {
    connection_->Receive(sender, datagram, loop_.Now());
  };
  BLOBD_RETURN_IF_ERROR(loop_.Watch(socket_->fd(), EPOLLIN, [this](uint32_t) {
    socket_->Receive(take_);
    Turn();
  }));
  WriteSoon();
  return OkStatus();
}

std::optional<quic::StreamId> RawClient::Open(Bytes request, bool fin) {
  const auto stream = connection_->OpenStream();
  if (!stream.ok() || !connection_->Send(*stream, std::move(request), fin).ok()) {
    return std::nullopt;
  }
  ++counts_.streams_opened;
  WriteSoon();
  return *stream;
}

void RawClient::OnStreamData(quic::StreamId stream, ByteView bytes) {
  counts_.received_bytes += bytes.size();
  uint64_t& received = received_[stream];
  received += bytes.size();
  const auto limit = stop_after_.find(stream);
  if (limit != stop_after_.end() && received >= limit->second) {
    stop_after_.erase(limit);
    connection_->StopStream(stream, 0);
  } else if (reads_) {
    connection_->Consumed(stream, bytes.size());
  }
}

void RawClient::OnStreamClosed(quic::StreamId stream, std::optional<uint64_t>) {
  ++counts_.streams_ended;
  received_.erase(stream);
  stop_after_.erase(stream);
  if (on_end_) on_end_();
}

bool RawClient::Send(const SocketAddress& to, ByteView bytes, size_t segment) {
  socket_->Send(to, bytes, segment);  // what a full socket refuses is lost, and sent again
  return true;
}

void RawClient::WriteSoon() {
  if (std::exchange(write_soon_, true)) return;
  loop_.Post([this, alive = alive_] {
    if (!*alive) return;
    write_soon_ = false;
    Turn();
  });
}

void RawClient::Turn() {
  if (timer_ != 0) loop_.CancelTimer(std::exchange(timer_, 0));
  const Instant now = loop_.Now();
  connection_->OnTimer(now);
  if (connection_->Write(now, scratch_, *this)) WriteSoon();
  counts_.ended = connection_->ended().has_value();
  const Instant next = connection_->NextDeadline();
  if (counts_.ended || next == Instant::Max()) return;
  timer_ = loop_.AddTimer(next, [this] {
    timer_ = 0;
    Turn();
  });
}

}  // namespace blobd::attack
