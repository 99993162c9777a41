#include "base/channel.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace blobd {
namespace {

class CountingExecutor final : public Executor {
 public:
  void Post(Task task) override { tasks.push_back(std::move(task)); }
  std::vector<Task> tasks;
};

TEST(Channel, SpillsIntoTheBacklogAndKeepsOrder) {
  Channel<int> channel({.capacity = 2, .backlog_cap = 2});
  EXPECT_EQ(channel.Send(1), SendOutcome::kSent);
  EXPECT_EQ(channel.Send(2), SendOutcome::kSent);
  EXPECT_EQ(channel.Send(3), SendOutcome::kBacklogged);
  EXPECT_EQ(channel.Send(4), SendOutcome::kBacklogged);
  EXPECT_EQ(channel.Send(5), SendOutcome::kStalled);
  EXPECT_EQ(channel.stats().stalls, 1u);
  EXPECT_EQ(channel.Receive(), 1);
  // 3 moved up, so there is room in the backlog again, but 6 must not overtake 4.
  EXPECT_EQ(channel.Send(6), SendOutcome::kBacklogged);
  for (int expected : {2, 3, 4, 6}) EXPECT_EQ(channel.Receive(), expected);
  EXPECT_EQ(channel.Receive(), std::nullopt);
}

TEST(Channel, NoBacklogStallsAtOnce) {
  Channel<int> channel({.capacity = 1, .backlog_cap = 0});
  EXPECT_EQ(channel.Send(1), SendOutcome::kSent);
  EXPECT_EQ(channel.Send(2), SendOutcome::kStalled);
}

TEST(Channel, ClosedIsToldApartAndDrains) {
  Channel<std::unique_ptr<int>> channel({.capacity = 1, .backlog_cap = 1});
  channel.Send(std::make_unique<int>(1));
  channel.Send(std::make_unique<int>(2));
  channel.Close();
  EXPECT_EQ(channel.Send(std::make_unique<int>(3)), SendOutcome::kClosed);
  EXPECT_FALSE(channel.finished());
  EXPECT_EQ(**channel.Receive(), 1);
  EXPECT_EQ(**channel.Receive(), 2);
  EXPECT_TRUE(channel.finished());
}

TEST(Channel, WakesOnlyWhenItWasEmpty) {
  CountingExecutor executor;
  Channel<int> channel({.capacity = 8, .backlog_cap = 0});
  int woken = 0;
  channel.SetConsumer(&executor, std::make_shared<UniqueFunction<void()>>([&] { ++woken; }));
  channel.Send(1);
  channel.Send(2);
  EXPECT_EQ(executor.tasks.size(), 1u);
  channel.Receive();
  channel.Receive();
  channel.Send(3);
  EXPECT_EQ(executor.tasks.size(), 2u);
  for (Task& task : executor.tasks) task();
  EXPECT_EQ(woken, 2);
}

TEST(Channel, ManySendersLoseNothing) {
  constexpr int kSenders = 4;
  constexpr int kEach = 20'000;
  Channel<int> channel({.capacity = 16, .backlog_cap = 16});
  std::vector<std::thread> senders;
  for (int s = 0; s < kSenders; ++s) {
    senders.emplace_back([&, s] {
      for (int i = 0; i < kEach;) {
        const SendOutcome outcome = channel.Send(s * kEach + i);
        if (outcome == SendOutcome::kStalled) {
          std::this_thread::yield();
        } else {
          ++i;
        }
      }
    });
  }
  std::vector<int> last(kSenders, -1);
  for (int received = 0; received < kSenders * kEach;) {
    if (const auto value = channel.Receive()) {
      const auto sender = static_cast<size_t>(*value / kEach);
      EXPECT_GT(*value % kEach, last[sender]);
      last[sender] = *value % kEach;
      ++received;
    } else {
      std::this_thread::yield();
    }
  }
  for (std::thread& sender : senders) sender.join();
}

}  // namespace
}  // namespace blobd
