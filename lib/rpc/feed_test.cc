// Feed, with things that are numbers.
#include "rpc/feed.h"

#include <gmock/gmock.h>

#include <map>

#include "base/ids.h"
#include "blobd/v1/downloads.pb.h"
#include "engine/fake_loop_for_test.h"

namespace blobd::rpc {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr engine::Caller kAnn{1000};

// What there is, and what was asked of it.
struct World {
  explicit World(Timers& timers) : watch(timers) {}
  void Set(uint64_t id, uint64_t bytes) {
    things[TransferId{id}] = bytes;
    watch.Note(TransferId{id});
  }
  void Remove(uint64_t id) {
    things.erase(TransferId{id});
    watch.Note(TransferId{id});
  }
  std::map<TransferId, uint64_t> things;
  engine::ChangeWatch<TransferId> watch;
  int made = 0;
  int judged = 0;
  bool hold_verdicts = false;
  std::vector<Task> held;
  int readers = 0;
};

class Source {
 public:
  using Id = TransferId;
  using Response = v1::WatchTransfersResponse;
  struct Filter {
    std::vector<TransferId> ids;
    uint64_t least = 0;
  };
  struct Item {
    SharedBytes bytes;
    uint64_t size = 0;
  };
  explicit Source(World& world) : world_(world) {}
  engine::ChangeWatch<TransferId>& watch() { return world_.watch; }
  void Refresh(UniqueFunction<void()> done) { done(); }
  std::vector<TransferId> After(const Filter& filter, const std::optional<TransferId>& after,
                                size_t limit) const {
    std::vector<TransferId> ids;
    if (!filter.ids.empty()) return after ? ids : filter.ids;
    for (auto it = world_.things.upper_bound(after.value_or(TransferId{}));
         it != world_.things.end() && ids.size() < limit; ++it)
      ids.push_back(it->first);
    return ids;
  }
  Item Make(TransferId id) const {
    const auto it = world_.things.find(id);
    if (it == world_.things.end()) return {};
    ++world_.made;
    v1::WatchTransfersResponse message;
    message.add_transfers()->set_transfer_id(id.value);
    message.mutable_transfers(0)->set_verified_bytes(it->second);
    return {std::make_shared<const std::string>(message.SerializeAsString()), it->second};
  }
  FeedFate FateOf(const Filter& filter, TransferId /*id*/, const Item& item,
                  FeedPhase /*phase*/) const {
    if (item.bytes == nullptr) return FeedFate::kGone;
    return item.size >= filter.least ? FeedFate::kShown : FeedFate::kNothing;
  }
  bool Judge(const engine::Caller& /*caller*/,
             const std::vector<std::pair<TransferId, const Item*>>& /*items*/, Task done) {
    ++world_.judged;
    if (!world_.hold_verdicts) return true;
    world_.held.push_back(std::move(done));
    return false;
  }
  SharedBytes BytesFor(const engine::Caller& /*caller*/, const Filter& /*filter*/,
                       TransferId /*id*/, const Item& item) const {
    return item.bytes;
  }
  void AddGone(TransferId id, Response* response) const {
    response->add_gone_transfer_ids(id.value);
  }
  void Enter(const engine::Caller& /*caller*/) { ++world_.readers; }
  void Leave(const engine::Caller& /*caller*/) { --world_.readers; }

 private:
  World& world_;
};

// A call that takes messages at once, or only one.
struct Call final : FeedCall {
  void Send(std::vector<SharedBytes> parts) override {
    std::string bytes;
    for (const SharedBytes& part : parts) bytes += *part;
    ASSERT_TRUE(messages.emplace_back().ParseFromString(bytes));
    sent_parts = std::move(parts);
    if (!is_slow) loop->Post([this] { reader->OnSent(); });
  }
  void EndFeed(const Status& status) override { end = status; }

  engine::FakeLoop* loop = nullptr;
  std::shared_ptr<FeedReader> reader;
  std::vector<v1::WatchTransfersResponse> messages;
  std::vector<SharedBytes> sent_parts;  // of the last one
  bool is_slow = false;
  std::optional<Status> end;
};

class FeedTest : public testing::Test {
 protected:
  static constexpr Duration kRound = engine::ChangeWatch<TransferId>::kInterval;

  std::unique_ptr<Call> Watch(Source::Filter filter = {}, std::string_view token = {},
                              bool is_slow = false) {
    auto call = std::make_unique<Call>();
    call->loop = &loop_;
    call->is_slow = is_slow;
    const auto from = ParseFeedToken(token, feed_->life(), 0);
    EXPECT_TRUE(from.ok()) << from.status();
    call->reader = feed_->MakeReader(kAnn, std::move(filter), 0, *from);
    call->reader->Attach(call.get());
    call->reader->Start();
    loop_.Settle();
    return call;
  }
  void Leave(Call& call) {
    call.reader->Detach();
    call.reader->Stop();
  }
  static std::vector<uint64_t> Ids(const v1::WatchTransfersResponse& message) {
    std::vector<uint64_t> ids;
    for (const v1::Transfer& each : message.transfers()) ids.push_back(each.transfer_id());
    return ids;
  }

  engine::FakeLoop loop_;
  World world_{loop_};
  std::shared_ptr<Feed<Source>> feed_ = std::make_shared<Feed<Source>>(7, Source(world_));
};

TEST_F(FeedTest, ASnapshotInPagesThenChangesOncePerRound) {
  for (uint64_t id = 1; id <= 600; ++id) world_.Set(id, 1);
  const auto call = Watch();
  ASSERT_EQ(call->messages.size(), 3u);
  EXPECT_EQ(call->messages[0].transfers_size(), 250);
  EXPECT_TRUE(call->messages[0].from_beginning());
  EXPECT_FALSE(call->messages[0].current());
  EXPECT_EQ(call->messages[0].resume_token(), "");
  EXPECT_FALSE(call->messages[1].from_beginning());
  EXPECT_EQ(call->messages[2].transfers_size(), 100);
  EXPECT_TRUE(call->messages[2].current());
  EXPECT_NE(call->messages[2].resume_token(), "");
  for (uint64_t bytes = 2; bytes < 10; ++bytes) {
    world_.Set(9, bytes);
    world_.Set(3, bytes);
  }
  world_.Remove(5);
  loop_.Advance(kRound);
  ASSERT_EQ(call->messages.size(), 4u);
  EXPECT_THAT(Ids(call->messages[3]), ElementsAre(3, 9));
  EXPECT_EQ(call->messages[3].transfers(0).verified_bytes(), 9u);
  EXPECT_THAT(call->messages[3].gone_transfer_ids(), ElementsAre(5));
  loop_.Advance(seconds(5));
  EXPECT_EQ(call->messages.size(), 4u) << "nothing changed";
  Leave(*call);
  EXPECT_EQ(world_.readers, 0);
  loop_.Advance(seconds(1));
  EXPECT_EQ(loop_.timers(), 0u) << "nobody is there";
}

TEST_F(FeedTest, AThousandReadersCostOneLook) {
  world_.Set(1, 1);
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 1000; ++i) calls.push_back(Watch());
  world_.made = 0;
  for (uint64_t round = 1; round <= 3; ++round) {
    world_.Set(1, 1 + round);
    loop_.Advance(kRound);
    EXPECT_EQ(world_.made, static_cast<int>(round));
  }
  for (const auto& call : calls) {
    ASSERT_EQ(call->messages.size(), 4u);
    EXPECT_EQ(call->sent_parts.front(), calls.front()->sent_parts.front()) << "the same bytes";
    Leave(*call);
  }
}

TEST_F(FeedTest, WhatDoesNotConcernAReaderCostsItNoMessage) {
  world_.Set(1, 1);
  world_.Set(2, 100);
  Source::Filter large;
  large.least = 50;
  const auto filtered = Watch(large);
  Source::Filter one;
  one.ids = {TransferId{1}, TransferId{9}};
  const auto named = Watch(one);
  EXPECT_THAT(Ids(filtered->messages.at(0)), ElementsAre(2));
  EXPECT_THAT(Ids(named->messages.at(0)), ElementsAre(1));
  EXPECT_THAT(named->messages.at(0).gone_transfer_ids(), ElementsAre(9));
  world_.Set(2, 200);
  loop_.Advance(kRound);
  EXPECT_EQ(filtered->messages.size(), 2u);
  EXPECT_EQ(named->messages.size(), 1u);
  world_.Set(1, 7);
  loop_.Advance(kRound);
  EXPECT_EQ(filtered->messages.size(), 2u);
  EXPECT_THAT(Ids(named->messages.at(1)), ElementsAre(1));
  Leave(*filtered);
  Leave(*named);
}

TEST_F(FeedTest, WhoComesBackHearsWhatChangedMeanwhile) {
  for (uint64_t id = 1; id <= 5; ++id) world_.Set(id, 1);
  const auto first = Watch();
  const std::string token = first->messages.at(0).resume_token();
  Leave(*first);
  loop_.Advance(hours(1));
  world_.Set(4, 2);
  world_.Set(7, 2);
  world_.Remove(2);
  const auto second = Watch({}, token);
  ASSERT_EQ(second->messages.size(), 1u);
  const v1::WatchTransfersResponse& missed = second->messages[0];
  EXPECT_FALSE(missed.from_beginning());
  EXPECT_TRUE(missed.current());
  EXPECT_THAT(Ids(missed), ElementsAre(4, 7));
  EXPECT_THAT(missed.gone_transfer_ids(), ElementsAre(2));
  Leave(*second);
  // Nothing was missed: that is said, too.
  const auto third = Watch({}, missed.resume_token());
  ASSERT_EQ(third->messages.size(), 1u);
  EXPECT_THAT(Ids(third->messages[0]), IsEmpty());
  EXPECT_TRUE(third->messages[0].current());
  EXPECT_FALSE(third->messages[0].from_beginning());
  Leave(*third);
}

TEST_F(FeedTest, AfterTooMuchWasMissedEverythingIsTold) {
  world_.Set(1, 1);
  const auto first = Watch();
  const std::string token = first->messages.at(0).resume_token();
  Leave(*first);
  for (uint64_t id = 2; id <= 20'000; ++id) world_.Set(id, 1);
  const auto second = Watch({}, token);
  EXPECT_TRUE(second->messages.at(0).from_beginning());
  size_t told = 0;
  for (const auto& message : second->messages) told += Ids(message).size();
  EXPECT_EQ(told, 20'000u);
  EXPECT_TRUE(second->messages.back().current());
  Leave(*second);
  const auto other_life = Watch({}, "8.1.0");
  EXPECT_TRUE(other_life->messages.at(0).from_beginning());
  Leave(*other_life);
}

TEST_F(FeedTest, ASlowReaderIsEndedAndAFastOneIsNot) {
  const auto slow = Watch({}, {}, /*is_slow=*/true);
  const auto fast = Watch();
  Source::Filter one;
  one.ids = {TransferId{1}};
  const auto named = Watch(one, {}, /*is_slow=*/true);
  for (uint64_t id = 1; id <= 4000; ++id) world_.Set(id, 1);
  loop_.Advance(seconds(30));
  EXPECT_FALSE(slow->end) << "so much may wait";
  for (uint64_t id = 4001; id <= 12'000; ++id) world_.Set(id, 1);
  loop_.Advance(seconds(3));
  ASSERT_TRUE(slow->end);
  EXPECT_EQ(slow->end->code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(slow->messages.size(), 1u);
  EXPECT_FALSE(fast->end);
  size_t told = 0;
  for (const auto& message : fast->messages) told += Ids(message).size();
  EXPECT_EQ(told, 12'000u);
  EXPECT_FALSE(named->end) << "one thing is all that waits for it";
  named->is_slow = false;
  named->reader->OnSent();
  loop_.Advance(kRound);
  EXPECT_THAT(Ids(named->messages.at(1)), ElementsAre(1));
  // So much at once that nobody knows any more what: from the beginning.
  const size_t before = fast->messages.size();
  for (uint64_t id = 1; id <= 20'000; ++id) world_.Set(id, 2);
  loop_.Advance(kRound);
  EXPECT_FALSE(fast->end);
  EXPECT_TRUE(fast->messages.at(before).from_beginning());
  EXPECT_TRUE(fast->messages.back().current());
  for (const auto& call : {fast.get(), named.get(), slow.get()}) Leave(*call);
  EXPECT_EQ(world_.readers, 0);
}

TEST_F(FeedTest, NothingIsToldBeforeItIsKnownWhatMayBe) {
  world_.Set(1, 1);
  world_.hold_verdicts = true;
  const auto call = Watch();
  EXPECT_THAT(call->messages, IsEmpty());
  world_.Set(1, 2);
  loop_.Advance(seconds(5));
  EXPECT_EQ(world_.judged, 1) << "one question at a time";
  world_.hold_verdicts = false;
  for (Task& done : std::exchange(world_.held, {})) done();
  ASSERT_EQ(call->messages.size(), 1u);
  EXPECT_EQ(call->messages[0].transfers(0).verified_bytes(), 2u) << "as it is by now";
  // Who leaves while it is asked is told nothing.
  world_.hold_verdicts = true;
  world_.Set(1, 3);
  loop_.Advance(kRound);
  Leave(*call);
  for (Task& done : std::exchange(world_.held, {})) done();
  EXPECT_EQ(call->messages.size(), 1u);
}

TEST(FeedToken, ComesBackAsItWas) {
  const FeedToken token{0xabc, 17, 3};
  const auto parsed = ParseFeedToken(token.ToText(), 0xabc, 3);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)->number, 17u);
  EXPECT_FALSE(ParseFeedToken("", 1, 2)->has_value());
  EXPECT_FALSE(ParseFeedToken(token.ToText(), 0xabc, 4).ok()) << "other filters";
  EXPECT_EQ((*ParseFeedToken(token.ToText(), 0xdef, 4))->life, 0xabcu) << "of another life";
  for (const char* text :
       {"x", "1", "1.2", "1.2.", "1.2.3.", "1.2.3 ", "-1.2.3", "1..3", "11111111111111111.2.3"}) {
    EXPECT_FALSE(ParseFeedToken(text, 1, 3).ok()) << text;
  }
}

}  // namespace
}  // namespace blobd::rpc
