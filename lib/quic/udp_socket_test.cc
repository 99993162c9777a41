#include "quic/udp_socket.h"

#include <gtest/gtest.h>
#include <poll.h>

namespace blobd::quic {
namespace {

std::unique_ptr<UdpSocket> OpenOn(const SocketAddress& address) {
  auto socket = UdpSocket::Open(address);
  EXPECT_TRUE(socket.ok()) << socket.status();
  return std::move(*socket);
}

// Reads until `count` datagrams came.
std::vector<Bytes> ReceiveAll(UdpSocket& socket, size_t count) {
  std::vector<Bytes> all;
  UdpSocket::Take take = [&](const SocketAddress&, ByteView datagram) {
    all.emplace_back(datagram.begin(), datagram.end());
  };
  while (all.size() < count) {
    pollfd poll_fd{socket.fd(), POLLIN, 0};
    if (poll(&poll_fd, 1, 5000) != 1) break;
    socket.Receive(take);
  }
  return all;
}

const SocketAddress kLoopback = SocketAddress::V4({127, 0, 0, 1}, 0);

TEST(UdpSocketTest, BatchIsSplitIntoItsDatagrams) {
  const auto a = OpenOn(kLoopback);
  const auto b = OpenOn(kLoopback);
  Bytes bytes(10 * 1200 + 77);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i / 1200);
  ASSERT_EQ(a->Send(b->local_address(), bytes, 1200), SendOutcome::kSent);
  const auto received = ReceiveAll(*b, 11);
  ASSERT_EQ(received.size(), 11U);
  for (size_t i = 0; i < 11; ++i) {
    EXPECT_EQ(received[i], Bytes(i < 10 ? 1200 : 77, static_cast<uint8_t>(i)));
  }
  EXPECT_EQ(a->stats().datagrams_sent, 11U);
  EXPECT_EQ(a->stats().bytes_sent, bytes.size());
  EXPECT_EQ(b->stats().datagrams_received, 11U);
  EXPECT_EQ(b->stats().bytes_received, bytes.size());
}

TEST(UdpSocketTest, LargestDatagramsArriveWhole) {
  const auto a = OpenOn(kLoopback);
  const auto b = OpenOn(kLoopback);
  const Bytes bytes(Payload::kLargest, 7);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(a->Send(b->local_address(), bytes, bytes.size()), SendOutcome::kSent);
    EXPECT_EQ(ReceiveAll(*b, 1), std::vector<Bytes>{bytes});
  }
}

TEST(UdpSocketTest, WildcardHearsIPv4AndTellsItAsSuch) {
  const auto any = OpenOn(SocketAddress());
  const auto other = OpenOn(kLoopback);
  const auto to = SocketAddress::V4({127, 0, 0, 1}, any->local_address().port());
  ASSERT_EQ(other->Send(to, Bytes(5, 1), 5), SendOutcome::kSent);
  SocketAddress from;
  UdpSocket::Take take = [&](const SocketAddress& address, ByteView) { from = address; };
  pollfd poll_fd{any->fd(), POLLIN, 0};
  ASSERT_EQ(poll(&poll_fd, 1, 5000), 1);
  any->Receive(take);
  EXPECT_EQ(from, other->local_address());
  EXPECT_EQ(any->Send(from, Bytes(5, 2), 5), SendOutcome::kSent);
  EXPECT_EQ(ReceiveAll(*other, 1).size(), 1U);
}

TEST(UdpSocketTest, AnswersComeFromTheAddressThatWasAsked) {
  for (const SocketAddress& listen : {SocketAddress(), SocketAddress::V4({0, 0, 0, 0}, 0)}) {
    SCOPED_TRACE(listen.ToString());
    const auto any = OpenOn(listen);
    const auto other = OpenOn(kLoopback);
    // All of 127.0.0.0/8 is this machine; by itself it would answer from 127.0.0.1.
    const auto to = SocketAddress::V4({127, 0, 0, 9}, any->local_address().port());
    ASSERT_EQ(other->Send(to, Bytes(5, 1), 5), SendOutcome::kSent);
    std::optional<SocketAddress> asked;
    UdpSocket::Take take = [&](const SocketAddress&, ByteView) { asked = any->asked_at(); };
    pollfd poll_fd{any->fd(), POLLIN, 0};
    ASSERT_EQ(poll(&poll_fd, 1, 5000), 1);
    any->Receive(take);
    ASSERT_TRUE(asked.has_value());
    EXPECT_EQ(*asked, SocketAddress::V4({127, 0, 0, 9}, 0));
    EXPECT_FALSE(any->asked_at().has_value()) << "only while it is taken";
    ASSERT_EQ(any->Send(other->local_address(), Bytes(2400, 2), 1200, asked), SendOutcome::kSent);
    SocketAddress from;
    UdpSocket::Take see = [&](const SocketAddress& address, ByteView) { from = address; };
    pollfd other_poll{other->fd(), POLLIN, 0};
    ASSERT_EQ(poll(&other_poll, 1, 5000), 1);
    other->Receive(see);
    EXPECT_EQ(from, to);
    // An address that is not ours, or not any more, is no reason not to answer.
    EXPECT_EQ(
        any->Send(other->local_address(), Bytes(5, 2), 5, SocketAddress::V4({192, 0, 2, 77}, 0)),
        SendOutcome::kSent);
  }
}

TEST(UdpSocketTest, NothingThereIsNothing) {
  const auto a = OpenOn(kLoopback);
  UdpSocket::Take take = [](const SocketAddress&, ByteView) { ADD_FAILURE(); };
  a->Receive(take);
  EXPECT_EQ(a->stats().receive_calls, 0U);
}

TEST(UdpSocketTest, UnusableAddressesAreTold) {
  const auto a = OpenOn(kLoopback);
  EXPECT_EQ(a->Send(SocketAddress::V4({127, 0, 0, 1}, 0), Bytes(5), 5), SendOutcome::kUnreachable);
  EXPECT_FALSE(UdpSocket::Open(SocketAddress::V4({192, 0, 2, 1}, 0)).ok());
  EXPECT_FALSE(UdpSocket::Open(a->local_address()).ok());  // taken
}

}  // namespace
}  // namespace blobd::quic
