#include "rpc/peer.h"

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error_reason.h"

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
  for (const char* name : {"", "fd:", "fd:x", "unix:", "ipv4:127.0.0.1:1", "fd:99999999999"}) {
    EXPECT_FALSE(peers.Find(name)) << name;
  }
  EXPECT_FALSE(peers.Find(Name(*number + 1)));
  close(*number);
  close(theirs);
}

// Groups are those that the process had when it connected. Credentials are a thread's own to the
// kernel, so nothing else of this process changes.
TEST(PeerTable, MembersOfTheAdminGroupAreAdministrators) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be somebody else";
  constexpr uint32_t kUid = 12345;
  constexpr gid_t kAdminGroup = 4321;
  struct Case {
    std::string name;
    gid_t gid;
    std::vector<gid_t> groups;
    bool is_admin;
  };
  std::vector<gid_t> many(2000);
  for (size_t i = 0; i < many.size(); ++i) many[i] = static_cast<gid_t>(100'000 + i);
  many.back() = kAdminGroup;
  std::sort(many.begin(), many.end());
  for (const Case& c : {Case{"no groups", 100, {}, false}, Case{"others", 100, {1, 2, 3}, false},
                        Case{"its own group", kAdminGroup, {}, true},
                        Case{"one of its groups", 100, {1, kAdminGroup, 3}, true},
                        Case{"one of many groups", 100, many, true}}) {
    SCOPED_TRACE(c.name);
    int ends[2] = {-1, -1};
    std::thread member([&] {
      ASSERT_EQ(syscall(SYS_setgroups, c.groups.size(), c.groups.data()), 0);
      ASSERT_EQ(syscall(SYS_setresgid, -1, c.gid, -1), 0);
      ASSERT_EQ(syscall(SYS_setresuid, -1, kUid, -1), 0);
      ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    });
    member.join();
    for (const std::optional<uint32_t> group : {std::optional<uint32_t>(kAdminGroup), {}}) {
      const auto caller = CallerAt(ends[0], {0, group});
      ASSERT_TRUE(caller.ok()) << caller.status();
      EXPECT_EQ(caller->uid, kUid);
      EXPECT_EQ(caller->is_admin(), c.is_admin && group);
    }
    close(ends[0]);
    close(ends[1]);
  }
}

TEST(PeerTable, WhoeverRunsTheDaemonIsAdministrator) {
  const auto [ours, theirs] = Connect();
  EXPECT_TRUE(CallerAt(ours, {geteuid(), {}})->runs_daemon);
  EXPECT_FALSE(CallerAt(ours, {geteuid() + 1, {}})->runs_daemon);
  close(ours);
  close(theirs);
}

// A uid that our user namespace does not know could be anybody's.
TEST(PeerTable, TheOverflowUidIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be somebody else";
  int ends[2] = {-1, -1};
  std::thread nobody([&] {
    ASSERT_EQ(syscall(SYS_setresuid, -1, 65534, -1), 0);
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  });
  nobody.join();
  PeerTable peers(PeerLimits{});
  const auto admitted = peers.Admit(ends[0]);
  EXPECT_EQ(admitted.status().code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(ReasonOf(admitted.status()), Reason::kUnknownCaller);
  EXPECT_NE(Message(admitted.status()).find("uid 65534"), std::string::npos);
  char byte = 0;
  EXPECT_EQ(read(ends[1], &byte, 1), 0);  // it was closed on the caller
  close(ends[1]);
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
