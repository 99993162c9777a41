#include "rpc/peer.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

namespace blobd::rpc {
namespace {

// A connected pair: ours as accept() would give it, and the caller's.
std::pair<int, int> Connect() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  return {ends[0], ends[1]};
}

std::string Name(int number) { return "fd:" + std::to_string(number); }

TEST(PeerTable, KnowsWhoIsBehindADescriptor) {
  PeerTable peers(PeerLimits{});
  const auto [ours, theirs] = Connect();
  const auto number = peers.Admit(ours);
  ASSERT_TRUE(number.ok()) << number.status();
  EXPECT_NE(*number, ours);
  const auto peer = peers.Find(Name(*number));
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->uid, geteuid());
  EXPECT_EQ(peer->pid, getpid());
  for (const char* name : {"", "fd:", "fd:x", "unix:", "ipv4:127.0.0.1:1", "fd:99999999999"}) {
    EXPECT_FALSE(peers.Find(name)) << name;
  }
  EXPECT_FALSE(peers.Find(Name(*number + 1)));
  close(*number);
  close(theirs);
}

TEST(PeerTable, ForgetsConnectionsThatEndedOnEitherSide) {
  PeerTable peers(PeerLimits{});
  const auto [ours, theirs] = Connect();
  const int gone_there = *peers.Admit(ours);
  const auto [ours2, theirs2] = Connect();
  const int gone_here = *peers.Admit(ours2);
  const auto [ours3, theirs3] = Connect();
  const int alive = *peers.Admit(ours3);
  close(theirs);
  close(gone_here);
  peers.Sweep();
  EXPECT_EQ(peers.size(), 1u);
  EXPECT_FALSE(peers.Find(Name(gone_there)));
  EXPECT_FALSE(peers.Find(Name(gone_here)));
  EXPECT_TRUE(peers.Find(Name(alive)));
  for (const int fd : {gone_there, alive, theirs2, theirs3}) close(fd);
}

TEST(PeerTable, NumbersAreNotReusedSoon) {
  PeerTable peers(PeerLimits{});
  std::vector<int> numbers;
  for (int i = 0; i < 50; ++i) {
    const auto [ours, theirs] = Connect();
    numbers.push_back(*peers.Admit(ours));
    close(numbers.back());
    close(theirs);
    peers.Sweep();
  }
  for (size_t i = 1; i < numbers.size(); ++i) EXPECT_GT(numbers[i], numbers[i - 1]);
}

// As in the daemon: one thread admits and sweeps, others ask.
TEST(PeerTable, IsAskedWhileConnectionsComeAndGo) {
  PeerTable peers(PeerLimits{});
  std::atomic<bool> stop = false;
  std::atomic<int> newest = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      while (!stop) {
        const auto peer = peers.Find(Name(newest));
        if (peer) {
          EXPECT_EQ(peer->uid, geteuid());
        }
      }
    });
  }
  for (int i = 0; i < 300; ++i) {
    const auto [ours, theirs] = Connect();
    newest = *peers.Admit(ours);
    close(newest);
    close(theirs);
    peers.Sweep();
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(peers.size(), 0u);
}

TEST(PeerTable, BoundsConnectionsPerUidAndInAll) {
  for (const PeerLimits limits : {PeerLimits{2, 100, 0}, PeerLimits{100, 2, 0}}) {
    PeerTable peers(limits);
    std::vector<int> open;
    for (int i = 0; i < 2; ++i) {
      const auto [ours, theirs] = Connect();
      open.push_back(*peers.Admit(ours));
      open.push_back(theirs);
    }
    const auto [ours, theirs] = Connect();
    EXPECT_EQ(peers.Admit(ours).status().code(), StatusCode::kResourceExhausted);
    char byte = 0;
    EXPECT_EQ(read(theirs, &byte, 1), 0);  // it was closed on the caller
    open.push_back(theirs);
    for (const int fd : open) close(fd);
    peers.Sweep();
    EXPECT_EQ(peers.size(), 0u);
  }
}

}  // namespace
}  // namespace blobd::rpc
