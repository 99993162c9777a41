// What is kept, and why: tags, leases, intents; and what goes: collection, removal.
#include "engine/keeper.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/keeper_for_test.h"

namespace blobd::engine {
namespace {

using store::BlobState;

Kind Raw(const Hash& hash) { return {hash, BlobFormat::kRaw}; }
Kind Seq(const Hash& hash) { return {hash, BlobFormat::kHashSeq}; }

class TagBookTest : public KeeperTest {};
class CollectorTest : public KeeperTest {};
class RemoverTest : public KeeperTest {};

TEST_F(TagBookTest, ATagIsMadeMovedAndDeletedByItsOwnerAndRoot) {
  const auto made = Tag(kAnn, "t", Raw(H(1)));
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->tag.owner_uid, kAnn.uid);
  EXPECT_FALSE(made->previous_hash.has_value());
  EXPECT_EQ(Tag(kJoe, "t", Raw(H(2))).status().code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(ChangeTag(kJoe, {"t", {}, false, {}}).status().code(), StatusCode::kPermissionDenied);
  const auto moved = Tag(kRoot, "t", Raw(H(3)));
  ASSERT_TRUE(moved.ok()) << moved.status();
  EXPECT_EQ(moved->previous_hash, H(1));
  EXPECT_EQ(registry_.tags["t"].owner_uid, kAnn.uid) << "it stays hers";
  EXPECT_TRUE(ChangeTag(kAnn, {"t", {}, false, {}}).ok());
  EXPECT_TRUE(registry_.tags.empty());
  EXPECT_EQ(ChangeTag(kAnn, {"t", {}, false, {}}).status().code(), StatusCode::kNotFound);
}

TEST_F(TagBookTest, ComparesAndSets) {
  using Expected = std::optional<std::optional<Hash>>;
  const Expected none = std::optional<Hash>();
  const Expected one = std::optional<Hash>(H(1));
  EXPECT_EQ(ChangeTag(kAnn, {"t", Raw(H(1)), false, one}).status().code(),
            StatusCode::kFailedPrecondition);
  EXPECT_TRUE(ChangeTag(kAnn, {"t", Raw(H(1)), false, none}).ok());
  EXPECT_EQ(ChangeTag(kAnn, {"t", Raw(H(2)), false, none}).status().code(),
            StatusCode::kFailedPrecondition);
  // Of two who saw the same, one wins.
  StatusOr<TagChanged> first = Unavailable("no answer");
  StatusOr<TagChanged> second = Unavailable("no answer");
  keeper_->ChangeTag(kAnn, {"t", Raw(H(2)), false, one}, [&](auto a) { first = std::move(a); });
  keeper_->ChangeTag(kAnn, {"t", Raw(H(3)), false, one}, [&](auto a) { second = std::move(a); });
  loop_.Settle();
  EXPECT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(second.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(registry_.tags["t"].kind.hash, H(2));
}

TEST_F(TagBookTest, APrivateTagHidesFirstAndNeedsItAllHere) {
  const TagChange unknown{"t", Raw(H(1)), true, {}};
  EXPECT_EQ(ChangeTag(kAnn, unknown).status().code(), StatusCode::kNotFound);
  const Hash child = Put(1);
  const Hash root = PutList({child, H(2)});
  EXPECT_EQ(ChangeTag(kAnn, {"t", Seq(root), true, {}}).status().code(),
            StatusCode::kFailedPrecondition);
  Put(2);
  ASSERT_TRUE(ChangeTag(kAnn, {"t", Seq(root), true, {}}).ok());
  for (const Hash& hash : {root, H(1), H(2)}) EXPECT_TRUE(store_.blobs[hash].is_private);
  // It stays private when it moves.
  ASSERT_TRUE(Tag(kAnn, "t", Raw(Put(3))).ok());
  EXPECT_TRUE(store_.blobs[H(3)].is_private);
  EXPECT_TRUE(registry_.tags["t"].is_private);
}

// Hiding millions of blobs takes minutes.
TEST_F(TagBookTest, APrivateTagKeepsNobodyWaiting) {
  for (uint8_t i = 1; i <= 4; ++i) Put(i);
  store_.slow = {H(1), H(2)};
  std::map<std::string, Status> answers;
  const auto change = [&](const Caller& caller, const std::string& name, const Hash& hash) {
    keeper_->ChangeTag(caller, {name, Raw(hash), true, {}},
                       [&answers, name](const auto& a) { answers[name] = a.status(); });
    loop_.Settle();
  };
  change(kAnn, "slow", H(1));
  EXPECT_TRUE(Tag(kJoe, "public", Raw(H(3))).ok());
  EXPECT_TRUE(Tag(kAnn, "own", Raw(H(3))).ok());
  change(kJoe, "private", H(4));
  EXPECT_TRUE(answers.at("private").ok());
  change(kAnn, "behind it", H(3));
  EXPECT_EQ(answers.count("behind it"), 0u) << "of one uid one after the other";
  EXPECT_EQ(Why(H(1)), (std::vector<KeptBecause>{KeptBecause::kWanted})) << "while it waits";
  ASSERT_TRUE(Tag(kJoe, "slow", Raw(H(3))).ok());
  store_.slow.clear();
  store_.AnswerSlow();
  loop_.Settle();
  EXPECT_EQ(answers.at("slow").code(), StatusCode::kPermissionDenied);
  EXPECT_TRUE(answers.at("behind it").ok());
  EXPECT_TRUE(store_.blobs[H(3)].is_private);
}

TEST_F(TagBookTest, OneUidDoesNotTakeAllPlaces) {
  Put(1);
  store_.slow = {H(1)};
  size_t refused = 0;
  for (int i = 0; i < 1000; ++i) {
    keeper_->ChangeTag(kAnn, {std::to_string(i), Raw(H(1)), true, {}}, [&](const auto& answer) {
      refused += answer.status().code() == StatusCode::kResourceExhausted ? 1 : 0;
    });
  }
  loop_.Settle();
  EXPECT_EQ(refused, 1000u - 256);
  EXPECT_TRUE(Tag(kJoe, "t", Raw(H(2))).ok());
}

TEST_F(TagBookTest, WhatCannotBeTaggedIsNotHiddenEither) {
  Put(1);
  Put(2);
  TagBook book({loop_, loop_, registry_, store_, engine_->journal(),
                [this] { return std::shared_ptr<Executor>(&loop_, [](Executor*) {}); }, 1});
  std::vector<Status> answers;
  for (const uint8_t i : std::vector<uint8_t>{1, 2, 1}) {
    book.Change(kAnn, {i == 1 ? "t" : "u", Raw(H(i)), true, {}},
                [&](const auto& answer) { answers.push_back(answer.status()); });
    loop_.Settle();
  }
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_TRUE(answers[0].ok()) << answers[0];
  EXPECT_EQ(answers[1].code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(answers[2].ok()) << "it is there already";
  EXPECT_TRUE(store_.blobs[H(1)].is_private);
  EXPECT_FALSE(store_.blobs[H(2)].is_private);
}

TEST_F(TagBookTest, IsAnsweredWhenItIsDurable) {
  registry_.commit_status = ResourceExhausted("disk full");
  EXPECT_EQ(Tag(kAnn, "t", Raw(H(1))).status().code(), StatusCode::kResourceExhausted);
  registry_.commit_status = OkStatus();
  registry_.hold_commits = true;
  bool answered = false;
  keeper_->ChangeTag(kAnn, {"t", Raw(H(1)), false, {}}, [&](const auto& a) { answered = a.ok(); });
  loop_.Settle();
  EXPECT_FALSE(answered);
  registry_.ReleaseCommits();
  loop_.Settle();
  EXPECT_TRUE(answered);
}

class HiddenTest : public KeeperTest {
 protected:
  bool IsHiddenFrom(const Caller& caller, const Hash& hash) {
    std::optional<Keeper::Hidden> hidden;
    keeper_->HiddenFrom(caller, {hash, H(100)}, [&](Keeper::Hidden h) { hidden = std::move(h); });
    loop_.Settle();
    EXPECT_TRUE(hidden.has_value());
    return hidden->count(hash) != 0;
  }
};

TEST_F(HiddenTest, WhatPrivateTagsNameIsHiddenFromOthers) {
  const Hash root = PutList({Put(1)});
  Put(2);
  EXPECT_FALSE(IsHiddenFrom(kJoe, root));
  ASSERT_TRUE(ChangeTag(kAnn, {"t", Seq(root), true, {}}).ok());
  for (const Hash& hash : {root, H(1)}) {
    EXPECT_TRUE(IsHiddenFrom(kJoe, hash));
    EXPECT_FALSE(IsHiddenFrom(kAnn, hash));
    EXPECT_FALSE(IsHiddenFrom(kRoot, hash));
  }
  EXPECT_FALSE(IsHiddenFrom(kJoe, H(2)));
  // Who wants it knows it.
  store_.blobs[H(1)].state = BlobState::kPartial;
  ASSERT_TRUE(Queue(kJoe, {Item(Raw(H(1)))}).ok());
  EXPECT_FALSE(IsHiddenFrom(kJoe, H(1)));
  EXPECT_TRUE(IsHiddenFrom(kJoe, root));
  // Who tagged it as well, too.
  ASSERT_TRUE(ChangeTag(kJoe, {"u", Raw(root), true, {}}).ok());
  EXPECT_FALSE(IsHiddenFrom(kJoe, root));
}

TEST_F(HiddenTest, WhatCannotBeFoundOutIsHidden) {
  const Hash root = PutList({Put(1)});
  ASSERT_TRUE(ChangeTag(kAnn, {"t", Seq(root), true, {}}).ok());
  Put(2);
  Put(3);
  store_.blobs[H(2)].is_private = true;
  EXPECT_FALSE(IsHiddenFrom(kJoe, H(2)));
  store_.Lose(root);
  EXPECT_TRUE(IsHiddenFrom(kJoe, H(2))) << "the list may have named it";
  EXPECT_FALSE(IsHiddenFrom(kJoe, H(3))) << "it is not private";
  store_.status = Unavailable("no descriptor left");
  EXPECT_TRUE(IsHiddenFrom(kJoe, H(3)));
}

TEST_F(CollectorTest, ADryRunSaysWhatARunRemoves) {
  for (uint8_t i = 1; i <= 5; ++i) Put(i);
  ASSERT_TRUE(Tag(kAnn, "t", Raw(H(2))).ok());
  const auto dry = Collect({.dry_run = true});
  ASSERT_TRUE(dry.ok()) << dry.status();
  EXPECT_EQ(Left().size(), 5u);
  const auto real = Collect();
  ASSERT_TRUE(real.ok()) << real.status();
  EXPECT_EQ(Left(), (std::vector<Hash>{H(2)}));
  EXPECT_EQ(store_.removed, (std::vector<Hash>{H(1), H(3), H(4), H(5)}));
  for (const auto* report : {&*dry, &*real}) {
    EXPECT_EQ(report->removed_blobs, 4u);
    EXPECT_EQ(report->removed_bytes, 400u);
    EXPECT_EQ(report->kept_blobs, 1u);
    ASSERT_EQ(report->removed.size(), 4u);
    EXPECT_EQ(report->removed[1].blob.hash, H(3));
    ASSERT_EQ(report->kept.size(), 1u);
    EXPECT_EQ(report->kept[0].keeping.tag, "t");
  }
}

TEST_F(CollectorTest, KeepsWhatIsWantedLeasedGotAndListed) {
  for (uint8_t i = 1; i <= 7; ++i) Put(i);
  store_.blobs[H(1)].state = BlobState::kPartial;
  ASSERT_TRUE(Queue(kAnn, {Item(Raw(H(1)))}).ok());
  ASSERT_TRUE(Keep(kAnn, Raw(H(2))).ok());
  ASSERT_TRUE(Queue(kAnn, {Item(Raw(H(3)))}).ok());  // it is here, so it is done at once
  const Hash root = PutList({H(4), H(5)});
  ASSERT_TRUE(Tag(kAnn, "set", Seq(root)).ok());
  const Hash got = PutList({H(6)});
  ASSERT_TRUE(Queue(kAnn, {Item(Seq(got))}).ok());
  ASSERT_TRUE(Collect().ok());
  EXPECT_EQ(store_.removed, (std::vector<Hash>{H(7)}));
  EXPECT_EQ(Why(H(1)), (std::vector<KeptBecause>{KeptBecause::kWanted}));
  EXPECT_EQ(Why(H(2)), (std::vector<KeptBecause>{KeptBecause::kLeased}));
  EXPECT_EQ(Why(H(3)), (std::vector<KeptBecause>{KeptBecause::kFinished}));
  EXPECT_EQ(Why(H(5)), (std::vector<KeptBecause>{KeptBecause::kTagged}));
  EXPECT_EQ(Why(H(6)), (std::vector<KeptBecause>{KeptBecause::kFinished}));
  EXPECT_TRUE(Why(H(7)).empty());
  // A day later leases and what was got protect no longer.
  loop_.Advance(hours(25));
  ASSERT_TRUE(Collect().ok());
  EXPECT_EQ(Left().size(), 4u);  // what is wanted, and the tagged list with its two blobs
}

TEST_F(CollectorTest, RemovesJustEnough) {
  for (uint8_t i = 1; i <= 5; ++i) Put(i);
  const auto report = Collect({.to_bytes = 250});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(store_.removed, (std::vector<Hash>{H(1), H(2), H(3)}));
  EXPECT_EQ(Collect({.to_bytes = 250})->seen_blobs, 0u);
}

TEST_F(CollectorTest, WhatBecomesWantedWhileItRunsIsKept) {
  // More than one page of blobs: what happens between two is seen.
  for (int i = 0; i < 3000; ++i) {
    const Hash hash{{static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i), 1}};
    store_.PutComplete(hash, 100);
    store_.blobs[hash].last_use = WallTime{i};
  }
  const auto blob = [](int i) {
    return Hash{{static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i), 1}};
  };
  const Hash root = PutList({blob(2600), blob(2601)});
  const Hash tagged = PutList({blob(2700)});
  store_.blobs[root].last_use = store_.blobs[tagged].last_use = WallTime{5000};
  int batches = 0;
  Status ended = Unavailable("no answer");
  keeper_->Collect(
      {},
      [&](const GcReport&) {
        if (++batches != 3) return;
        engine_->Queue(kAnn, {Item(Raw(blob(2500)))}, [](const auto&) {});
        engine_->Queue(kAnn, {Item(Seq(root))}, [](const auto&) {});
        keeper_->ChangeTag(kAnn, {"t", Seq(tagged), false, {}}, [](const auto&) {});
        const Keeper::AddId id = keeper_->BeginAdd({blob(2800)});
        keeper_->KeepAdded(id, kAnn, {Raw(blob(2900))}, [](const Status&) {});
      },
      [&](const Status& status, const GcReport&) { ended = status; });
  loop_.Settle();
  EXPECT_TRUE(ended.ok()) << ended;
  for (const int i : {2500, 2600, 2601, 2700, 2900})
    EXPECT_EQ(store_.blobs.count(blob(i)), 1u) << i;
  EXPECT_EQ(store_.blobs.count(root), 1u);
  EXPECT_EQ(store_.blobs.count(tagged), 1u);
  EXPECT_EQ(Left().size(), 7u);
}

TEST_F(CollectorTest, WaitsForAListThatIsArriving) {
  Put(1);
  const Hash root = PutList({H(1)});
  const Bytes content = store_.contents[root];
  store_.blobs.erase(root);
  ASSERT_TRUE(Queue(kAnn, {Item(Seq(root))}).ok());
  Connect();
  const TransferId transfer = OnlyGet();
  const auto during = Collect();
  EXPECT_FALSE(during.ok()) << "it waits";
  EXPECT_EQ(Left(), (std::vector<Hash>{H(1)}));
  // The list comes, and the blob that it names was here all along.
  store_.PutContent(root, content);
  transfer::GetProgress progress;
  progress.total_blobs = 2;
  network_->sink->OnGetProgress(transfer, progress);
  loop_.Advance(seconds(1));
  EXPECT_EQ(Left().size(), 2u);
  EXPECT_TRUE(store_.removed.empty());
  EXPECT_TRUE(Collect().ok()) << "the first one is over";
}

// Or a provider that lets a list trickle would keep everybody from making room. Whoever wants what
// it names gets that again.
TEST_F(CollectorTest, GoesOnWithoutAListThatDoesNotArrive) {
  for (int i = 0; i < 1000; ++i)
    store_.PutComplete({{static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i), 1}}, 100);
  ASSERT_TRUE(Queue(kAnn, {Item(Seq(H(9)))}).ok());
  Connect();
  Status ended = Unavailable("no answer");
  keeper_->Collect({}, nullptr, [&](const Status& status, const GcReport&) { ended = status; });
  EXPECT_TRUE(Remove(kJoe, {{{0, 1, 1}}}).ok()) << "what is named is removed at once";
  loop_.Advance(seconds(50));
  EXPECT_EQ(Left().size(), 999u);
  loop_.Advance(seconds(15));
  EXPECT_TRUE(ended.ok()) << ended;
  EXPECT_TRUE(Left().empty());
}

TEST_F(CollectorTest, DryRunsAreInNobodysWay) {
  Put(1);
  // Both wait for the same list.
  ASSERT_TRUE(Queue(kAnn, {Item(Seq(H(9)))}).ok());
  Connect();
  std::vector<Status> ended(3, Unavailable("no answer"));
  const auto collect = [&](size_t which, bool dry_run) {
    keeper_->Collect(
        {.dry_run = dry_run}, nullptr,
        [&ended, which](const Status& status, const GcReport&) { ended[which] = status; });
    loop_.Settle();
  };
  collect(0, true);
  collect(1, true);
  EXPECT_EQ(ended[1].code(), StatusCode::kResourceExhausted);
  collect(2, false);
  loop_.Advance(seconds(70));
  EXPECT_TRUE(ended[0].ok()) << ended[0];
  EXPECT_TRUE(ended[2].ok()) << ended[2];
  EXPECT_TRUE(Left().empty());
}

TEST_F(CollectorTest, QuestionsThatWaitAreAnsweredTogether) {
  Put(1);
  ASSERT_TRUE(Tag(kAnn, "t", Raw(H(1))).ok());
  const int before = registry_.tag_lists;
  size_t answers = 0;
  for (int i = 0; i < 100; ++i) {
    keeper_->WhyKept(kRoot, H(1), [&](const StatusOr<std::vector<Keeping>>& all) {
      EXPECT_TRUE(all.ok()) << all.status();
      ++answers;
    });
  }
  loop_.Settle();
  EXPECT_EQ(answers, 100u);
  EXPECT_EQ(registry_.tag_lists - before, 2) << "one for the first, one for all others";
}

TEST_F(CollectorTest, RemovesNothingWhileAListCannotBeRead) {
  Put(1);
  Put(2);
  const Hash root = PutList({H(1)});
  ASSERT_TRUE(Tag(kAnn, "set", Seq(root)).ok());
  store_.contents[root][0] ^= 1;
  const auto damaged = Collect();
  EXPECT_EQ(damaged.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(damaged.status()).find("tag \"set\""), std::string::npos);
  EXPECT_EQ(Remove(kRoot, {H(2)}).status().code(), StatusCode::kFailedPrecondition);
}

// A collection made here has no provider, so its list may never come back. All that it keeps is
// intact, and stays until somebody who may gives it up.
TEST_F(CollectorTest, WhatARottedListKeptIsKeptUntilSomebodyGivesItUp) {
  enum class Way { kTagDeleted, kRemovedByForce };
  for (const Way way : {Way::kTagDeleted, Way::kRemovedByForce}) {
    registry_.tags.clear();
    store_.blobs.clear();
    store_.removed.clear();
    Put(1);
    const Hash root = PutList({H(1)});
    ASSERT_TRUE(Tag(kAnn, "set", Seq(root)).ok());
    store_.Lose(root);
    EXPECT_EQ(Collect().status().code(), StatusCode::kFailedPrecondition) << "not being repaired";
    engine_->OnRotten(root, RangeSet(Range{0, 1}));
    loop_.Settle();
    const auto meanwhile = Collect();
    EXPECT_EQ(meanwhile.status().code(), StatusCode::kFailedPrecondition);
    EXPECT_NE(Message(meanwhile.status()).find("tag \"set\""), std::string::npos);
    EXPECT_EQ(Remove(kAnn, {H(1)}).status().code(), StatusCode::kFailedPrecondition);
    ASSERT_TRUE(Cancel(kRoot, {registry_.intents.rbegin()->first}).ok());
    registry_.intents.clear();
    EXPECT_EQ(Collect().status().code(), StatusCode::kFailedPrecondition) << "nobody has it";
    EXPECT_TRUE(store_.removed.empty());
    if (way == Way::kTagDeleted) {
      ASSERT_TRUE(ChangeTag(kRoot, {"set", {}, false, {}}).ok());
    } else {
      ASSERT_TRUE(Remove(kRoot, {root}, true).ok());
    }
    ASSERT_TRUE(Collect().ok());
    EXPECT_EQ(store_.removed, (std::vector<Hash>{H(1)}));
  }
}

TEST_F(CollectorTest, ATagOfWhatIsNotHereKeepsNothingElse) {
  Put(1);
  ASSERT_TRUE(Tag(kAnn, "set", Seq(H(9))).ok());
  ASSERT_TRUE(Collect().ok());
  EXPECT_EQ(store_.removed, (std::vector<Hash>{H(1)}));
}

TEST_F(CollectorTest, StopsWhenItIsNotKnownWhatIsProtected) {
  Put(1);
  may_remove_ = DataLoss("the registry is damaged");
  EXPECT_EQ(Collect().status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(Remove(kRoot, {H(1)}).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(Left().size(), 1u);
}

TEST_F(CollectorTest, EndsWithWhatTheStoreSays) {
  Put(1);
  store_.status = ResourceExhausted("disk full");
  EXPECT_EQ(Collect().status().code(), StatusCode::kResourceExhausted);
  store_.status = OkStatus();
  store_.pinned.insert(H(1));
  const auto report = Collect();
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->kept_blobs, 1u);
}

TEST_F(CollectorTest, IsCancelledAndRunsAlone) {
  for (int i = 0; i < 1000; ++i) {
    store_.PutComplete({{static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i), 1}}, 100);
  }
  Status ended;
  std::shared_ptr<KeeperJob> job;
  job = keeper_->Collect(
      {},
      [&](const GcReport&) {
        job->Cancel();
        Status second;
        EXPECT_EQ(
            keeper_->Collect({}, nullptr, [&](const Status& s, const GcReport&) { second = s; }),
            nullptr);
        EXPECT_EQ(second.code(), StatusCode::kResourceExhausted);
      },
      [&](const Status& status, const GcReport& report) {
        ended = status;
        EXPECT_GT(report.removed_blobs, 0u);
      });
  loop_.Settle();
  EXPECT_EQ(ended.code(), StatusCode::kCancelled);
  EXPECT_GT(Left().size(), 500u);
}

TEST_F(RemoverTest, TakesWhatNothingKeeps) {
  Put(1);
  Put(2);
  const auto removed = Remove(kAnn, {H(2), H(3), H(1), H(2)});
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_EQ(removed->removed, (std::vector<Hash>{H(2), H(1)}));
  EXPECT_EQ(removed->absent, (std::vector<Hash>{H(3)}));
  EXPECT_EQ(removed->bytes, 200u);
}

TEST_F(RemoverTest, WhatProtectsFromWhom) {
  enum class By { kNothing, kIntent, kTag, kOwnTag, kList, kLease, kOwnLease, kGot };
  struct Case {
    std::string name;
    By by;
    bool member;
    bool root;
  };
  const Case cases[] = {
      {"nothing", By::kNothing, true, true},
      {"an intent", By::kIntent, false, false},
      {"a tag", By::kTag, false, false},
      {"one's own tag", By::kOwnTag, false, false},
      {"a tagged list", By::kList, false, false},
      {"somebody's lease", By::kLease, false, false},
      {"one's own lease", By::kOwnLease, true, true},
      {"an intent that ended", By::kGot, false, true},
  };
  for (const bool as_root : {false, true}) {
    const Caller caller = as_root ? kRoot : kAnn;
    for (const Case& c : cases) {
      SCOPED_TRACE(c.name + (as_root ? " as root" : " as a member"));
      registry_.tags.clear();
      registry_.leases.clear();
      for (const auto& [id, row] : std::map(registry_.intents)) (void)Cancel(kRoot, {id});
      registry_.intents.clear();
      store_.blobs.clear();
      Put(1);
      switch (c.by) {
        case By::kNothing:
          break;
        case By::kIntent:
          store_.blobs[H(1)].state = BlobState::kPartial;
          ASSERT_TRUE(Queue(kJoe, {Item(Raw(H(1)))}).ok());
          break;
        case By::kTag:
        case By::kOwnTag:
          ASSERT_TRUE(Tag(c.by == By::kTag ? kJoe : caller, "t", Raw(H(1))).ok());
          break;
        case By::kList:
          ASSERT_TRUE(Tag(kJoe, "t", Seq(PutList({H(1)}))).ok());
          break;
        case By::kLease:
        case By::kOwnLease:
          ASSERT_TRUE(Keep(c.by == By::kLease ? kJoe : caller, Raw(H(1))).ok());
          break;
        case By::kGot:
          ASSERT_TRUE(Queue(kJoe, {Item(Raw(H(1)))}).ok());
          break;
      }
      const auto removed = Remove(caller, {H(1)});
      EXPECT_EQ(removed.ok(), as_root ? c.root : c.member) << removed.status();
      if (removed.ok()) continue;
      EXPECT_EQ(removed.status().code(), StatusCode::kFailedPrecondition);
      EXPECT_EQ(store_.blobs.count(H(1)), 1u);
      const auto forced = Remove(caller, {H(1)}, true);
      EXPECT_EQ(forced.ok(), as_root) << forced.status();
    }
  }
}

// Where an ordinary user runs a daemon there is nobody else to look after it.
TEST_F(RemoverTest, WhoRunsTheDaemonMayWhatRootMay) {
  Put(1);
  ASSERT_TRUE(Tag(kJoe, "t", Raw(H(1))).ok());
  EXPECT_EQ(Remove(CallerOfUid(kAnn.uid, kJoe.uid), {H(1)}, true).status().code(),
            StatusCode::kPermissionDenied);
  EXPECT_TRUE(Remove(CallerOfUid(kAnn.uid, kAnn.uid), {H(1)}, true).ok());
  EXPECT_TRUE(ChangeTag(CallerOfUid(kAnn.uid, kAnn.uid), {"t", {}, false, {}}).ok());
}

TEST_F(RemoverTest, SaysHowItIsFreed) {
  Put(1);
  Put(2);
  ASSERT_TRUE(Tag(kJoe, "plans", Raw(H(1))).ok());
  ASSERT_TRUE(Tag(kJoe, "two words", Raw(H(2))).ok());
  const auto told = [&](const Caller& caller, uint8_t blob) {
    return Message(Remove(caller, {H(blob)}).status());
  };
  EXPECT_TRUE(told(kJoe, 1).ends_with("; \"blobctl tag -d plans\" takes the tag away"));
  EXPECT_TRUE(told(kJoe, 2).ends_with("; \"blobctl tag -d NAME\" takes the tag away"));
  EXPECT_TRUE(
      told(kAnn, 1).ends_with(fmt::format("; uid {} or root can take the tag away", kJoe.uid)));
  EXPECT_TRUE(told(kRoot, 1).ends_with("\"blobctl rm --force\" removes it all the same"));
}

TEST_F(RemoverTest, DoesNotTellWhichPrivateTagOfSomebodyElseKeepsIt) {
  Put(1);
  ASSERT_TRUE(ChangeTag(kJoe, {"plans", Raw(H(1)), true, {}}).ok());
  const auto told = [&](const Caller& caller) {
    return Message(Remove(caller, {H(1)}).status()).find("plans") != std::string::npos;
  };
  EXPECT_FALSE(told(kAnn));
  EXPECT_TRUE(told(kJoe));
  EXPECT_TRUE(told(kRoot));
}

TEST_F(RemoverTest, AllOrNothing) {
  Put(1);
  Put(2);
  ASSERT_TRUE(Tag(kAnn, "t", Raw(H(2))).ok());
  EXPECT_FALSE(Remove(kAnn, {H(1), H(2)}).ok());
  EXPECT_EQ(Left().size(), 2u);
}

}  // namespace
}  // namespace blobd::engine
