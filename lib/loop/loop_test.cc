#include "loop/loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>
#include <thread>

namespace blobd::loop {
namespace {

class LoopTest : public testing::Test {
 protected:
  void SetUp() override {
    auto loop = Loop::Create();
    ASSERT_TRUE(loop.ok()) << loop.status();
    loop_ = std::move(*loop);
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends_.data()), 0);
  }
  void TearDown() override {
    close(ends_[0]);
    close(ends_[1]);
  }
  void Send(int fd) { ASSERT_EQ(write(fd, "x", 1), 1); }
  static void Drain(int fd) {
    char byte = 0;
    while (read(fd, &byte, 1) == 1) {
    }
  }

  std::unique_ptr<Loop> loop_;
  std::array<int, 2> ends_{};
};

TEST_F(LoopTest, RunsPostedTasksInOrderAndThoseBeforeStop) {
  std::string order;
  loop_->Post([&] { order += 'a'; });
  loop_->Post([&] {
    order += 'b';
    loop_->Post([&] { order += 'd'; });
    loop_->Stop();
  });
  loop_->Post([&] { order += 'c'; });
  loop_->Run();
  EXPECT_EQ(order, "abcd");
}

TEST_F(LoopTest, StopBeforeRunRunsWhatWasPosted) {
  int ran = 0;
  loop_->Post([&] { ++ran; });
  loop_->Stop();
  loop_->Run();
  EXPECT_EQ(ran, 1);
}

TEST_F(LoopTest, RunsAgainAfterStop) {
  int ran = 0;
  for (int i = 0; i < 3; ++i) {
    loop_->Post([&] {
      ++ran;
      loop_->Stop();
    });
    loop_->Run();
  }
  EXPECT_EQ(ran, 3);
}

TEST_F(LoopTest, StopAtTheEndOfTheLastTurnIsUsedUp) {
  loop_->SetTurnEnd([&] { loop_->Stop(); });
  loop_->Post([] {});
  loop_->Run();
  loop_->SetTurnEnd([] {});
  int ran = 0;
  loop_->AddTimer(loop_->Now() + milliseconds(5), [&] {
    ++ran;
    loop_->Stop();
  });
  loop_->Run();
  EXPECT_EQ(ran, 1);
}

TEST_F(LoopTest, TimersRunInOrderOfTimeThenOfAdding) {
  const Instant now = loop_->Now();
  std::string order;
  loop_->AddTimer(now + milliseconds(2), [&] { order += 'c'; });
  loop_->AddTimer(now + milliseconds(1), [&] { order += 'a'; });
  loop_->AddTimer(now + milliseconds(1), [&] { order += 'b'; });
  loop_->AddTimer(now + milliseconds(3), [&] { loop_->Stop(); });
  loop_->AddTimer(Instant::Max(), [&] { order += '!'; });
  loop_->Run();
  EXPECT_EQ(order, "abc");
  EXPECT_GE(loop_->Now(), now + milliseconds(3));
}

TEST_F(LoopTest, CancelledTimersDoNotRun) {
  const Instant now = loop_->Now();
  int ran = 0;
  const TimerId first = loop_->AddTimer(now, [&] { ++ran; });
  TimerId last = 0;
  loop_->AddTimer(now, [&] { EXPECT_TRUE(loop_->CancelTimer(last)); });
  last = loop_->AddTimer(now, [&] { ran += 10; });
  const TimerId done = loop_->AddTimer(now, [&] { loop_->Stop(); });
  EXPECT_TRUE(loop_->CancelTimer(first));
  EXPECT_FALSE(loop_->CancelTimer(first));
  EXPECT_FALSE(loop_->CancelTimer(0));
  loop_->Run();
  EXPECT_FALSE(loop_->CancelTimer(done));
  EXPECT_EQ(ran, 0);
}

TEST_F(LoopTest, TimerThatRenewsItselfLetsTheTurnEnd) {
  int renewed = 0;
  int turns = 0;
  UniqueFunction<void()> renew = [&] {
    ++renewed;
    loop_->AddTimer(loop_->Now() - seconds(1), [&] { renew(); });
  };
  renew();
  loop_->SetTurnEnd([&] {
    if (++turns == 5) loop_->Stop();
  });
  loop_->Run();
  EXPECT_EQ(renewed, turns + 1);  // once per turn, and once before the first
}

TEST_F(LoopTest, TimersAreFinerThanAMillisecond) {
  const Instant start = SystemClock().Now();
  int left = 20;
  UniqueFunction<void()> next = [&] {
    if (--left == 0) return loop_->Stop();
    loop_->AddTimer(loop_->Now() + microseconds(100), [&] { next(); });
  };
  loop_->Post([&] { next(); });
  loop_->Run();
  const Duration elapsed = SystemClock().Now() - start;
  EXPECT_GE(elapsed, microseconds(1900));
}

TEST_F(LoopTest, DescriptorsAreLevelTriggered) {
  int ready = 0;
  ASSERT_TRUE(loop_
                  ->Watch(ends_[0], EPOLLIN,
                          [&](uint32_t events) {
                            EXPECT_TRUE(events & EPOLLIN);
                            if (++ready < 3) return;  // not read yet: it must come again
                            Drain(ends_[0]);
                            loop_->Stop();
                          })
                  .ok());
  Send(ends_[1]);
  loop_->Run();
  EXPECT_EQ(ready, 3);
}

TEST_F(LoopTest, EventsCanBeChanged) {
  int writable = 0;
  ASSERT_TRUE(loop_
                  ->Watch(ends_[0], 0,
                          [&](uint32_t events) {
                            EXPECT_TRUE(events & EPOLLOUT);
                            ++writable;
                            EXPECT_TRUE(loop_->ChangeEvents(ends_[0], 0).ok());
                            loop_->AddTimer(loop_->Now() + milliseconds(2), [&] { loop_->Stop(); });
                          })
                  .ok());
  ASSERT_TRUE(loop_->ChangeEvents(ends_[0], EPOLLOUT).ok());
  loop_->Run();
  EXPECT_EQ(writable, 1);
  EXPECT_EQ(loop_->ChangeEvents(ends_[1], EPOLLIN).code(), StatusCode::kNotFound);
  EXPECT_FALSE(loop_->Watch(-1, EPOLLIN, [](uint32_t) {}).ok());
}

TEST_F(LoopTest, WatchCanEndItselfAndOthersInItsCallback) {
  std::array<int, 2> more{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, more.data()), 0);
  int calls = 0;
  const auto end_both = [&](uint32_t) {
    ++calls;
    loop_->Unwatch(ends_[0]);
    loop_->Unwatch(more[0]);
    // The same number, watched anew while an event for the old watch may wait in this turn.
    EXPECT_TRUE(loop_->Watch(ends_[0], 0, [&](uint32_t) { ADD_FAILURE(); }).ok());
    EXPECT_TRUE(loop_->Watch(more[0], 0, [&](uint32_t) { ADD_FAILURE(); }).ok());
    loop_->Stop();
  };
  ASSERT_TRUE(loop_->Watch(ends_[0], EPOLLIN, end_both).ok());
  ASSERT_TRUE(loop_->Watch(more[0], EPOLLIN, end_both).ok());
  Send(ends_[1]);
  Send(more[1]);
  loop_->Run();
  EXPECT_EQ(calls, 1);
  close(more[0]);
  close(more[1]);
}

TEST_F(LoopTest, TurnEndRunsOnceAfterEverythingOfTheTurn) {
  std::string order;
  ASSERT_TRUE(loop_
                  ->Watch(ends_[0], EPOLLIN,
                          [&](uint32_t) {
                            Drain(ends_[0]);
                            order += 'f';
                          })
                  .ok());
  Send(ends_[1]);
  loop_->AddTimer(loop_->Now(), [&] { order += 't'; });
  loop_->Post([&] { order += 'p'; });
  loop_->SetTurnEnd([&] {
    order += 'e';
    loop_->Stop();
  });
  loop_->Post([&] { order += 'q'; });
  loop_->Run();
  EXPECT_EQ(order.substr(0, 5), "ftpqe");
}

TEST_F(LoopTest, AtTurnEndRunsOnceAfterTheHookAndNeverSleepsBefore) {
  std::string order;
  loop_->SetTurnEnd([&] { order += 'h'; });
  loop_->AtTurnEnd([&] {  // outside a turn
    order += '1';
    loop_->AtTurnEnd([&] {  // from such a task: one turn later
      order += '2';
      loop_->Stop();
    });
  });
  loop_->Run();
  EXPECT_EQ(order, "h1h2h");
}

TEST_F(LoopTest, PostsFromManyThreadsWakeAndKeepTheirOrder) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 2000;
  std::array<int, kThreads> next{};
  int finished = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop_->Post([&, t, i] {
          EXPECT_EQ(next[t]++, i);
          if (i == kPosts - 1 && ++finished == kThreads) loop_->Stop();
        });
        if (i % 500 == 0) std::this_thread::yield();
      }
    });
  }
  loop_->Run();
  for (std::thread& thread : threads) thread.join();
  for (const int count : next) EXPECT_EQ(count, kPosts);
}

TEST_F(LoopTest, PostWakesASleepingLoopEveryTime) {
  // Ping-pong between two loops: a single lost wake-up would hang it.
  auto other = Loop::Create();
  ASSERT_TRUE(other.ok());
  int rounds = 0;
  UniqueFunction<void()> ping = [&] {
    if (++rounds == 1000) {
      (*other)->Stop();
      loop_->Stop();
      return;
    }
    (*other)->Post([&] { loop_->Post([&] { ping(); }); });
  };
  std::thread thread([&] { (*other)->Run(); });
  loop_->Post([&] { ping(); });
  loop_->Run();
  thread.join();
  EXPECT_EQ(rounds, 1000);
}

TEST_F(LoopTest, UnrunTasksAreDestroyedAlsoWhenTheyPostAgain) {
  struct PostsAtEnd {
    explicit PostsAtEnd(Loop* target) : loop(target) {}
    ~PostsAtEnd() {
      loop->Post([] { ADD_FAILURE(); });
    }
    Loop* loop;
  };
  loop_->Post([owned = std::make_unique<PostsAtEnd>(loop_.get())] { ADD_FAILURE(); });
  loop_.reset();
}

}  // namespace
}  // namespace blobd::loop
