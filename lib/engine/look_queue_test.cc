#include "engine/look_queue.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/fakes_for_test.h"

namespace blobd::engine {
namespace {

// A store that answers look-ups when it is told to.
class SlowStore final : public FakeStore {
 public:
  void Lookup(const Hash& hash, Executor& answer_on,
              UniqueFunction<void(StatusOr<store::BlobInfo>)> done) override {
    asked.push_back(hash);
    held_.push_back(
        [this, &answer_on, hash, done = std::make_shared<decltype(done)>(std::move(done))] {
          answer_on.Post([this, hash, done, status = status] {
            store::BlobInfo info;
            info.hash = hash;
            if (const auto it = blobs.find(hash); it != blobs.end()) info = it->second;
            (*done)(status.ok() ? StatusOr<store::BlobInfo>(info) : status);
          });
        });
  }
  void AnswerAsked() {
    for (auto held = std::exchange(held_, {}); const auto& answer : held) answer();
  }

  std::vector<Hash> asked;

 private:
  std::vector<std::function<void()>> held_;
};

class LookQueueTest : public testing::Test {
 protected:
  static schedule::LookInStore Look(uint64_t number) {
    std::array<uint8_t, 32> bytes{};
    bytes[0] = static_cast<uint8_t>(number);
    bytes[1] = static_cast<uint8_t>(number >> 8);
    return {RequestId{number}, {*Hash::FromBytes(bytes), BlobFormat::kRaw}};
  }

  void AnswerAll() {
    store_.AnswerAsked();
    loop_.Settle();
  }

  FakeLoop loop_;
  SlowStore store_;
  std::vector<uint64_t> answered_;
  StatusCode expected_ = StatusCode::kOk;
  LookQueue queue_{
      {store_, loop_,
       [this] { return std::shared_ptr<Executor>(std::shared_ptr<void>(), &loop_); }},
      [this](const schedule::LookInStore& look, const StatusOr<transfer::Inventory>& found) {
        EXPECT_EQ(found.status().code(), expected_);
        answered_.push_back(look.request.value);
      }};
};

TEST_F(LookQueueTest, AFewAtATime) {
  for (uint64_t i = 1; i <= 1000; ++i) queue_.Ask(Look(i));
  EXPECT_EQ(store_.asked.size(), 0u);  // whoever asks goes on first
  queue_.Run();
  EXPECT_EQ(store_.asked.size(), LookQueue::kAtOnce);  // the others gather behind the first
  AnswerAll();
  EXPECT_EQ(answered_.size(), LookQueue::kAtOnce);
  EXPECT_EQ(store_.asked.size(), 2 * LookQueue::kAtOnce);
  while (answered_.size() < 1000) AnswerAll();
  EXPECT_EQ(store_.asked.size(), 1000u);
  EXPECT_EQ(std::set<uint64_t>(answered_.begin(), answered_.end()).size(), 1000u);
}

TEST_F(LookQueueTest, NeitherNewNorOldOnesWaitForAllOthers) {
  for (uint64_t i = 1; i <= 1000; ++i) queue_.Ask(Look(i));
  queue_.Ask(Look(2000));
  queue_.Run();
  EXPECT_EQ(store_.asked[0], Look(2000).kind.hash);
  EXPECT_EQ(store_.asked[1], Look(1).kind.hash);
  EXPECT_EQ(store_.asked[2], Look(1000).kind.hash);
}

TEST_F(LookQueueTest, LongListsOneAtATimeAndInNobodysWay) {
  std::vector<schedule::LookInStore> looks;
  for (uint64_t i = 1; i <= 4; ++i) {
    looks.push_back(Look(i));
    looks.back().kind.format = BlobFormat::kHashSeq;
    store_.PutContent(looks.back().kind.hash, Bytes(i <= 2 ? LookQueue::kLongList + 32 : 64, 7));
    queue_.Ask(looks.back());
  }
  queue_.Run();
  const auto asked = [&](uint64_t number) {
    return std::count(store_.asked.begin(), store_.asked.end(), looks[number - 1].kind.hash);
  };
  AnswerAll();
  AnswerAll();
  // Their roots are looked at again when their turn has come.
  EXPECT_EQ(asked(1), 2);
  EXPECT_EQ(asked(2), 1);
  EXPECT_EQ(asked(3), 2);
  EXPECT_EQ(asked(4), 2);
  while (answered_.size() < 3) AnswerAll();
  EXPECT_EQ(std::count(answered_.begin(), answered_.end(), 2), 0);
  EXPECT_EQ(asked(2), 2);
  while (answered_.size() < 4) AnswerAll();
}

TEST_F(LookQueueTest, AnErrorIsToldToAllItConcerns) {
  for (uint64_t i = 1; i <= 3; ++i) queue_.Ask(Look(i));
  queue_.Run();
  expected_ = StatusCode::kResourceExhausted;
  store_.status = ResourceExhausted("no descriptors");
  while (answered_.size() < 3) AnswerAll();
}

}  // namespace
}  // namespace blobd::engine
