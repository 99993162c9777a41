// What callers have the registry look up and list, and how much of it at once.
#include "engine/engine_for_test.h"

namespace blobd::engine {
namespace {

using LookUpsTest = EngineTest;

// Thousands of ids that nobody knows are one question to the registry, and so are as many keys.
// While it waits for ids, the call that used the key first may fail.
TEST_F(LookUpsTest, AKeyWhoseFirstUseFailedMakesAnIntentOfItsOwn) {
  registry_.hold_ids = true;
  const std::vector<QueueItem> many(10'000, Item());
  ASSERT_TRUE(Queue(kRoot, many).ok());
  ASSERT_TRUE(Queue(kRoot, std::vector<QueueItem>(many.begin(), many.end() - 1)).ok());
  QueueItem keyed = Item(Kind{Hash{{9}}, BlobFormat::kRaw});
  keyed.idempotency_key = "k";
  registry_.hold_commits = true;
  registry_.commit_status = ResourceExhausted("disk full");
  StatusOr<std::vector<QueuedIntent>> first;
  engine_->Queue(kRoot, {keyed}, [&](auto answer) { first = std::move(answer); });
  loop_.Settle();
  StatusOr<std::vector<QueuedIntent>> second;
  engine_->Queue(kRoot, {keyed, Item()}, [&](auto answer) { second = std::move(answer); });
  loop_.Settle();
  registry_.commit_status = OkStatus();
  registry_.ReleaseCommits();
  loop_.Settle();
  EXPECT_EQ(first.status().code(), StatusCode::kResourceExhausted);
  registry_.ReleaseIds();
  loop_.Settle();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_FALSE(second->front().existed);
  EXPECT_EQ(registry_.intents.count(second->front().intent), 1u);
}

TEST_F(LookUpsTest, ManyIdsAndKeysAreOneLookUp) {
  std::vector<IntentId> ids;
  for (uint64_t id = 1; id <= 3000; ++id) ids.push_back(IntentId{1'000'000 + id});
  const auto refused = Cancel(kAnn, ids);
  EXPECT_EQ(refused.status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Message(refused.status()), "there is no intent 1000001");
  EXPECT_EQ(registry_.look_ups, 1);
  std::vector<QueueItem> items;
  for (int i = 0; i < 300; ++i) {
    items.push_back(Item());
    items.back().idempotency_key = "key " + std::to_string(i);
  }
  const auto queued = Queue(kRoot, items);
  ASSERT_TRUE(queued.ok()) << queued.status();
  EXPECT_EQ(registry_.look_ups, 2);
  std::vector<IntentId> known;
  for (const QueuedIntent& each : *queued) known.push_back(each.intent);
  ASSERT_TRUE(Cancel(kRoot, known).ok());
  EXPECT_EQ(registry_.look_ups, 2) << "they live";
  const auto again = Queue(kRoot, items);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->at(299).intent, queued->at(299).intent);
  EXPECT_TRUE(again->at(299).existed);
  known.push_back(IntentId{77'777});
  EXPECT_EQ(Cancel(kRoot, known).status().code(), StatusCode::kNotFound);
  known.pop_back();
  EXPECT_EQ(Cancel(kRoot, known)->already_ended, known);
}

TEST_F(LookUpsTest, ListsOfOneCallerAreMadeTwoAtATime) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  size_t answers = 0;
  const auto list = [&](const Caller& caller) {
    engine_->ListIntents(caller, {}, {}, 10, [&, id](StatusOr<IntentPage> page) {
      ASSERT_TRUE(page.ok()) << page.status();
      ASSERT_EQ(page->intents.size(), 1u);
      EXPECT_EQ(page->intents.front().row.id, id);
      ++answers;
    });
  };
  for (int i = 0; i < 100; ++i) list(kAnn);
  EXPECT_EQ(registry_.intent_lists, 2);
  list(kJoe);
  EXPECT_EQ(registry_.intent_lists, 3) << "others do not wait for them";
  loop_.Settle();
  EXPECT_EQ(answers, 101u);
}

// A caller that guesses an id which is being made is told nothing false of it.
TEST_F(LookUpsTest, AnIdThatIsBeingMadeLivesOnceItIsThere) {
  registry_.hold_commits = true;
  engine_->Queue(kAnn, {Item()}, [](const auto&) {});
  loop_.Settle();
  const IntentId id = registry_.intents.begin()->first;
  registry_.ReleaseCommits();  // the registry answers in order: first that it is durable
  Status stranger;
  engine_->Cancel(kJoe, {id}, [&](const auto& answer) { stranger = answer.status(); });
  loop_.Settle();
  EXPECT_EQ(stranger.code(), StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace blobd::engine
