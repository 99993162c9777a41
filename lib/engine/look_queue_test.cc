#include "engine/look_queue.h"

#include <gtest/gtest.h>

#include "engine/fakes_for_test.h"

namespace blobd::engine {
namespace {

// A store that answers look-ups when it is told to.
class SlowStore final : public FakeStore {
 public:
  void Lookup(const Hash& hash, Executor& answer_on,
              UniqueFunction<void(StatusOr<store::BlobInfo>)> done) override {
    asked.push_back(hash);
    held_.push_back([&answer_on, hash, done = std::make_shared<decltype(done)>(std::move(done))] {
      answer_on.Post([hash, done] {
        store::BlobInfo info;
        info.hash = hash;
        (*done)(info);
      });
    });
  }
  void AnswerOne() {
    auto next = std::move(held_.front());
    held_.pop_front();
    next();
  }

  std::vector<Hash> asked;

 private:
  std::deque<std::function<void()>> held_;
};

class LookQueueTest : public testing::Test {
 protected:
  static schedule::LookInStore Look(uint64_t number) {
    std::array<uint8_t, 32> bytes{};
    bytes[0] = static_cast<uint8_t>(number);
    bytes[1] = static_cast<uint8_t>(number >> 8);
    return {RequestId{number}, {*Hash::FromBytes(bytes), BlobFormat::kRaw}};
  }

  FakeLoop loop_;
  SlowStore store_;
  std::vector<uint64_t> answered_;
  LookQueue queue_{{store_, loop_,
                    [this] { return std::shared_ptr<Executor>(std::shared_ptr<void>(), &loop_); }},
                   [this](const schedule::LookInStore& look, StatusOr<transfer::Inventory> found) {
                     EXPECT_TRUE(found.ok());
                     answered_.push_back(look.request.value);
                   }};
};

TEST_F(LookQueueTest, AFewAtATime) {
  for (uint64_t i = 1; i <= 1000; ++i) queue_.Ask(Look(i));
  EXPECT_EQ(store_.asked.size(), LookQueue::kAtOnce);
  store_.AnswerOne();
  EXPECT_TRUE(answered_.empty());
  loop_.Settle();
  EXPECT_EQ(answered_.size(), 1u);
  EXPECT_EQ(store_.asked.size(), LookQueue::kAtOnce + 1);
  while (answered_.size() < 1000) {
    store_.AnswerOne();
    loop_.Settle();
  }
  EXPECT_EQ(store_.asked.size(), 1000u);
}

TEST_F(LookQueueTest, NeitherNewNorOldOnesWaitForAllOthers) {
  for (uint64_t i = 1; i <= 1000; ++i) queue_.Ask(Look(i));
  queue_.Ask(Look(2000));
  for (int i = 0; i < 2; ++i) {
    store_.AnswerOne();
    loop_.Settle();
  }
  const size_t first = LookQueue::kAtOnce;
  const std::set<Hash> next(store_.asked.begin() + first, store_.asked.end());
  EXPECT_EQ(next, (std::set<Hash>{Look(2000).kind.hash, Look(first + 1).kind.hash}));
}

}  // namespace
}  // namespace blobd::engine
