#include "quic/udp_relay_for_test.h"

#include "base/check.h"

namespace blobd::quic {
namespace {

const SocketAddress kAnyPort = SocketAddress::V4({127, 0, 0, 1}, 0);

}  // namespace

UdpRelay::UdpRelay(loop::Loop& loop, const SocketAddress& server)
    : loop_(loop), server_(server), front_(std::move(*UdpSocket::Open(kAnyPort))) {
  take_ = [this](const SocketAddress& from, ByteView datagram) { OnFront(from, datagram); };
  BLOBD_CHECK(
      loop_.Watch(front_->fd(), EPOLLIN, [this](uint32_t) { front_->Receive(take_); }).ok());
}

UdpRelay::~UdpRelay() {
  loop_.Unwatch(front_->fd());
  for (const auto& leg : legs_) loop_.Unwatch(leg->socket->fd());
}

void UdpRelay::OpenLeg(Leg& leg) {
  leg.socket = std::move(*UdpSocket::Open(kAnyPort));
  leg.take = [this, &leg](const SocketAddress&, ByteView datagram) {
    if (pass && !pass(Way::kToClient, datagram)) return;
    bytes_to_client += datagram.size();
    front_->Send(leg.client, datagram, datagram.size());
  };
  UdpSocket* socket = leg.socket.get();
  BLOBD_CHECK(
      loop_.Watch(socket->fd(), EPOLLIN, [socket, &leg](uint32_t) { socket->Receive(leg.take); })
          .ok());
}

void UdpRelay::OnFront(const SocketAddress& from, ByteView datagram) {
  if (pass && !pass(Way::kToServer, datagram)) return;
  Leg* leg = nullptr;
  for (const auto& each : legs_) {
    if (each->client == from) leg = each.get();
  }
  if (leg == nullptr) {
    legs_.push_back(std::make_unique<Leg>());
    leg = legs_.back().get();
    leg->client = from;
    OpenLeg(*leg);
  }
  bytes_to_server += datagram.size();
  leg->socket->Send(server_, datagram, datagram.size());
}

SocketAddress UdpRelay::seen_by_server() const {
  return legs_.empty() ? SocketAddress() : legs_.front()->socket->local_address();
}

void UdpRelay::Rebind() {
  for (const auto& leg : legs_) {
    loop_.Unwatch(leg->socket->fd());
    // The new one is opened while the old one still has its port.
    const std::unique_ptr<UdpSocket> old = std::move(leg->socket);
    OpenLeg(*leg);
  }
}

}  // namespace blobd::quic
