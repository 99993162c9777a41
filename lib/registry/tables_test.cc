// Tags, leases, the history of transfers, ended intents and remotes, through the registry.
#include <gtest/gtest.h>

#include <map>

#include "registry/registry_for_test.h"

namespace blobd::registry {
namespace {

class TablesTest : public RegistryTest {
 protected:
  std::vector<std::string> Tags(const TagFilter& filter, const std::string& after = "",
                                size_t limit = 100) {
    auto rows = Await<StatusOr<std::vector<TagRow>>>(
        [&](auto done) { registry_->ListTags(filter, after, limit, std::move(done)); });
    EXPECT_TRUE(rows.ok()) << rows.status();
    std::vector<std::string> names;
    for (const TagRow& row : *rows) names.push_back(row.name);
    return names;
  }
  std::optional<TagRow> Find(const std::string& name) {
    return *Await<StatusOr<std::optional<TagRow>>>(
        [&](auto done) { registry_->FindTag(name, std::move(done)); });
  }
  std::vector<LeaseRow> Leases() {
    return *Await<StatusOr<std::vector<LeaseRow>>>(
        [&](auto done) { registry_->ListLeases(std::move(done)); });
  }
  std::vector<FailureRow> Failures(uint64_t intent) {
    return *Await<StatusOr<std::vector<FailureRow>>>(
        [&](auto done) { registry_->FailuresOf({intent}, std::move(done)); });
  }
  std::optional<ProviderTotals> Totals(uint8_t node) {
    return *Await<StatusOr<std::optional<ProviderTotals>>>(
        [&](auto done) { registry_->TotalsOf(NodeId{{node}}, std::move(done)); });
  }
  IntentRow Ended(uint64_t id, int64_t finished = 0) {
    IntentRow intent = Intent(id, static_cast<uint8_t>(id));
    intent.result = ResultCode::kFailed;
    intent.finished.unix_ms = finished;
    return intent;
  }
};

using Ids = std::vector<TransferId>;

TEST_F(TablesTest, ATagIsSetMovedAndDeleted) {
  ASSERT_TRUE(Commit({PutTag{Tag("a", 1, 7)}}).ok());
  TagRow moved = Tag("a", 2, 7);
  moved.is_private = true;
  moved.created = moved.changed = {9};
  moved.kind.format = BlobFormat::kHashSeq;
  ASSERT_TRUE(Commit({PutTag{moved}}).ok());
  Reopen();
  const auto found = Find("a");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->kind, moved.kind);
  EXPECT_TRUE(found->is_private);
  EXPECT_EQ(found->owner_uid, 7u);
  EXPECT_EQ(found->created.unix_ms, 5);
  EXPECT_EQ(found->changed.unix_ms, 9);
  ASSERT_TRUE(Commit({DropTag{"a", 7}}).ok());
  EXPECT_FALSE(Find("a").has_value());
  EXPECT_EQ(Commit({DropTag{"a", 7}}).code(), StatusCode::kNotFound);
}

TEST_F(TablesTest, TagsOfOthersAreLeftAlone) {
  ASSERT_TRUE(Commit({PutTag{Tag("a", 1, 7)}}).ok());
  EXPECT_EQ(Commit({PutTag{Tag("b", 1, 8)}, PutTag{Tag("a", 2, 8)}}).code(),
            StatusCode::kPermissionDenied);
  EXPECT_FALSE(Find("b").has_value()) << "all changes or none";
  EXPECT_EQ(Commit({DropTag{"a", 8}}).code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(Find("a")->kind.hash.bytes[0], 1);
  ASSERT_TRUE(Commit({PutTag{Tag("a", 3, 0), true}}).ok());
  EXPECT_EQ(Find("a")->owner_uid, 0u);
  EXPECT_TRUE(Commit({DropTag{"a", std::nullopt}}).ok());
}

TEST_F(TablesTest, TagNamesAreBounded) {
  EXPECT_EQ(Commit({PutTag{Tag("")}}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Commit({PutTag{Tag(std::string(kMaxTagName + 1, 'x'))}}).code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(Commit({PutTag{Tag(std::string(kMaxTagName, 'x'))}}).ok());
}

TEST_F(TablesTest, AnOwnerHasOnlySoManyTags) {
  Reopen({.tags_per_owner = 10});
  std::vector<Change> changes;
  for (int i = 0; i < 10; ++i) changes.push_back(PutTag{Tag(fmt::format("{}", i))});
  ASSERT_TRUE(Commit(std::move(changes)).ok());
  EXPECT_EQ(Commit({PutTag{Tag("one more")}}).code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(Commit({PutTag{Tag("7", 2)}}).ok()) << "moving takes no place";
  EXPECT_TRUE(Commit({PutTag{Tag("one more", 1, 1)}}).ok()) << "others have places of their own";
  EXPECT_TRUE(Commit({DropTag{"7", std::nullopt}, PutTag{Tag("one more still")}}).ok());
}

TEST_F(TablesTest, TagsAreListedByNamePageAndFilter) {
  ASSERT_TRUE(Commit({PutTag{Tag("b")}, PutTag{Tag("a/x", 2)}, PutTag{Tag("a/y", 1, 5)},
                      PutTag{Tag("a0")}, PutTag{Tag("\xff\xff")}, PutTag{Tag("\xff\xfe")}})
                  .ok());
  using Names = std::vector<std::string>;
  EXPECT_EQ(Tags({}), (Names{"a/x", "a/y", "a0", "b", "\xff\xfe", "\xff\xff"}));
  EXPECT_EQ(Tags({}, "a/y", 2), (Names{"a0", "b"}));
  TagFilter filter;
  filter.prefix = "a/";
  EXPECT_EQ(Tags(filter), (Names{"a/x", "a/y"}));
  EXPECT_EQ(Tags(filter, "a/x"), (Names{"a/y"}));
  filter.prefix = "\xff";
  EXPECT_EQ(Tags(filter), (Names{"\xff\xfe", "\xff\xff"}));
  filter = {};
  filter.owner_uid = 5;
  EXPECT_EQ(Tags(filter), (Names{"a/y"}));
  filter = {};
  filter.hash = Hash{{2}};
  EXPECT_EQ(Tags(filter), (Names{"a/x"}));
}

TEST_F(TablesTest, LeasesAreRenewedAndEnd) {
  const Kind kind{Hash{{1}}, BlobFormat::kHashSeq};
  ASSERT_TRUE(Commit({PutLease{{kind, "one", {100}}}, PutLease{{kind, "two", {200}}},
                      PutLease{{kind, "one", {150}}}})
                  .ok());
  ASSERT_EQ(Leases().size(), 2u);
  ASSERT_TRUE(Commit({DropEndedLeases{{150}}}).ok());
  ASSERT_EQ(Leases().size(), 1u);
  EXPECT_EQ(Leases()[0].holder, "two");
  EXPECT_EQ(Leases()[0].kind, kind);
  EXPECT_EQ(Leases()[0].until.unix_ms, 200);
  ASSERT_TRUE(Commit({DropLease{kind, "two"}, DropLease{kind, "none"}}).ok());
  EXPECT_TRUE(Leases().empty());
}

TEST_F(TablesTest, ATransferComesBackAsItWas) {
  TransferRow in;
  in.id = {7};
  in.provider = MirrorUrl{"https://m.example/x"};
  in.kind = {Hash{{9}}, BlobFormat::kHashSeq};
  in.outcome = TransferOutcome::kDropProvider;
  in.reason = "wrong bytes";
  in.received_bytes = 10;
  in.verified_bytes = 4;
  in.total_bytes = uint64_t{1} << 40;
  in.started = {1};
  in.finished = {2};
  ASSERT_TRUE(Commit({PutTransfer{in}}).ok());
  Reopen();
  auto rows = *Await<StatusOr<std::vector<TransferRow>>>(
      [&](auto done) { registry_->ListTransfers({}, {}, 10, std::move(done)); });
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].id, in.id);
  EXPECT_EQ(rows[0].provider, in.provider);
  EXPECT_EQ(rows[0].kind, in.kind);
  EXPECT_EQ(rows[0].outcome, in.outcome);
  EXPECT_EQ(rows[0].reason, in.reason);
  EXPECT_EQ(rows[0].received_bytes, in.received_bytes);
  EXPECT_EQ(rows[0].verified_bytes, in.verified_bytes);
  EXPECT_EQ(rows[0].total_bytes, in.total_bytes);
  EXPECT_EQ(rows[0].started, in.started);
  EXPECT_EQ(rows[0].finished, in.finished);
}

TEST_F(TablesTest, TheHistoryKeepsTheLatest) {
  Reopen({.transfers_kept = 5});
  for (uint64_t id = 1; id <= 8; ++id) {
    ASSERT_TRUE(Commit({PutTransfer{Transfer(id * 10, 1, 1)}}).ok());
  }
  EXPECT_EQ(Transfers({}), (Ids{{40}, {50}, {60}, {70}, {80}}));
  EXPECT_EQ(Transfers({}, 60), (Ids{{70}, {80}}));
  TransferFilter newest;
  newest.newest_first = true;
  EXPECT_EQ(Transfers(newest, 0, 2), (Ids{{80}, {70}}));
  EXPECT_EQ(Transfers(newest, 70, 2), (Ids{{60}, {50}}));
  // The limit may become smaller: the history follows a few rows at a time.
  Reopen({.transfers_kept = 2});
  ASSERT_TRUE(Commit({PutTransfer{Transfer(90, 1, 1)}}).ok());
  EXPECT_EQ(Transfers({}), (Ids{{80}, {90}}));
}

TEST_F(TablesTest, TransfersAreFiltered) {
  ASSERT_TRUE(Commit({PutTransfer{Transfer(1, 1, 1)}, PutTransfer{Transfer(2, 2, 1)},
                      PutTransfer{Transfer(3, 1, 2, TransferOutcome::kBusy)}})
                  .ok());
  TransferFilter filter;
  filter.hash = Hash{{1}};
  EXPECT_EQ(Transfers(filter), (Ids{{1}, {2}}));
  filter = {};
  filter.provider = NodeId{{1}};
  EXPECT_EQ(Transfers(filter), (Ids{{1}, {3}}));
  filter.outcome = TransferOutcome::kBusy;
  EXPECT_EQ(Transfers(filter), (Ids{{3}}));
  EXPECT_TRUE(Transfers({}, ~uint64_t{0}).empty());
}

TEST_F(TablesTest, TotalsOutliveTheHistoryAndAreForgottenAtLast) {
  Reopen({.transfers_kept = 2});
  ASSERT_TRUE(Commit({PutTransfer{Transfer(1, 1, 1, TransferOutcome::kDone, 100)},
                      PutTransfer{Transfer(2, 1, 1, TransferOutcome::kRetryLater, 10)},
                      PutTransfer{Transfer(2, 1, 1, TransferOutcome::kRetryLater, 10)},
                      PutTransfer{Transfer(3, 1, 1, TransferOutcome::kStopped)}})
                  .ok());
  for (uint64_t id = 10; id < 20; ++id) {
    ASSERT_TRUE(Commit({PutTransfer{Transfer(id, 2, 1)}}).ok());
  }
  const auto totals = Totals(1);
  ASSERT_TRUE(totals.has_value());
  EXPECT_EQ(totals->transfers, 3u) << "each id once";
  EXPECT_EQ(totals->done, 1u);
  EXPECT_EQ(totals->failed, 1u);
  EXPECT_EQ(totals->verified_bytes, 110u);
  EXPECT_EQ(totals->received_bytes, 113u);
  for (uint64_t id = 20; id < 35; ++id) {
    ASSERT_TRUE(Commit({PutTransfer{Transfer(id, 2, 1)}}).ok());
  }
  EXPECT_FALSE(Totals(1).has_value());
  EXPECT_EQ(Totals(2)->transfers, 25u);
}

TEST_F(TablesTest, ProvidersSeenAreTheLatestOnesThatHadIt) {
  ASSERT_TRUE(Commit({PutTransfer{Transfer(1, 1, 1, TransferOutcome::kDone, 5)},
                      PutTransfer{Transfer(2, 2, 1, TransferOutcome::kRetryLater, 5)},
                      PutTransfer{Transfer(3, 3, 1, TransferOutcome::kNotHere, 0)},
                      PutTransfer{Transfer(4, 4, 2, TransferOutcome::kDone, 5)},
                      PutTransfer{Transfer(5, 1, 1, TransferOutcome::kBusy, 1)}})
                  .ok());
  const auto seen = [&](size_t limit) {
    return *Await<StatusOr<std::vector<ProviderId>>>(
        [&](auto done) { registry_->ProvidersSeen(Hash{{1}}, limit, std::move(done)); });
  };
  EXPECT_EQ(seen(10), (std::vector<ProviderId>{NodeId{{1}}, NodeId{{2}}}));
  EXPECT_EQ(seen(1), (std::vector<ProviderId>{NodeId{{1}}}));
}

TEST_F(TablesTest, EndedIntentsAreForgottenInTheOrderTheyEnded) {
  Reopen({.ended_intents_kept = 3});
  for (uint64_t id = 1; id <= 6; ++id) ASSERT_TRUE(Commit({PutIntent{Intent(id)}}).ok());
  for (const uint64_t id : {4, 1, 2, 3}) {
    ASSERT_TRUE(Commit({PutIntent{Ended(id)},
                        PutIntentFailures{{id}, {{NodeId{{1}}, TransferOutcome::kBusy, "no"}}}})
                    .ok());
  }
  EXPECT_EQ(List({}), (std::vector<uint64_t>{1, 2, 3, 5, 6}));
  EXPECT_TRUE(Failures(4).empty());
  EXPECT_EQ(Failures(1).size(), 1u);
  // Written again it is no newer.
  ASSERT_TRUE(Commit({PutIntent{Ended(1)}, PutIntent{Ended(1)}}).ok());
  ASSERT_TRUE(Commit({PutIntent{Ended(5)}}).ok());
  EXPECT_EQ(List({}), (std::vector<uint64_t>{2, 3, 5, 6}));
  EXPECT_TRUE(Failures(1).empty());
}

TEST_F(TablesTest, FailuresAreBoundedAndBelongToAnIntent) {
  std::vector<FailureRow> failures(100,
                                   FailureRow{MirrorUrl{"http://m"}, TransferOutcome::kBusy, ""});
  failures[3].outcome = TransferOutcome::kDropProvider;
  failures[3].reason = "wrong bytes";
  ASSERT_TRUE(Commit({PutIntent{Ended(1)}, PutIntentFailures{{1}, failures}}).ok());
  const auto read = Failures(1);
  ASSERT_EQ(read.size(), kMaxFailuresPerIntent);
  EXPECT_EQ(read[3].outcome, TransferOutcome::kDropProvider);
  EXPECT_EQ(read[3].reason, "wrong bytes");
  EXPECT_EQ(read[3].provider, ProviderId(MirrorUrl{"http://m"}));
  failures.resize(1);
  ASSERT_TRUE(Commit({PutIntentFailures{{1}, failures}, PutIntentFailures{{2}, failures}}).ok());
  EXPECT_EQ(Failures(1).size(), 1u);
  EXPECT_TRUE(Failures(2).empty()) << "there is no such intent";
  failures[0].outcome = TransferOutcome{};
  EXPECT_EQ(Commit({PutIntentFailures{{1}, failures}}).code(), StatusCode::kInvalidArgument);
}

TEST_F(TablesTest, WhatIsProtectedAndWhy) {
  IntentRow recent = Ended(2, 1001);
  IntentRow old = Ended(3, 1000);
  ASSERT_TRUE(
      Commit({PutIntent{Intent(1, 11)}, PutIntent{recent}, PutIntent{old}, PutTag{Tag("t", 14)},
              PutLease{{{Hash{{15}}}, "", {2001}}}, PutLease{{{Hash{{16}}}, "", {2000}}}})
          .ok());
  auto rows = Protected(2000, 1000);
  ASSERT_TRUE(rows.ok()) << rows.status();
  std::map<uint8_t, Protection> why;
  for (const ProtectedRow& row : *rows) why[row.kind.hash.bytes[0]] = row.why;
  EXPECT_EQ(why, (std::map<uint8_t, Protection>{{11, Protection::kUnfinishedIntent},
                                                {2, Protection::kFinishedIntent},
                                                {14, Protection::kTag},
                                                {15, Protection::kLease}}));
}

TEST_F(TablesTest, RemotesKeepTheirLastResults) {
  const NodeId node{{9}};
  const SocketAddress address = SocketAddress::V4({192, 0, 2, 1}, 443);
  RemoteAddressRow row{node, address, "ticket", {77}, 1500};
  row.last_failure = "refused";
  row.last_failed = {88};
  ASSERT_TRUE(Commit({PutRemoteAddress{row}, PutRemote{{node, {1}, "timed out", {2}}},
                      PutRemote{{NodeId{{8}}, {}, "", {}}}})
                  .ok());
  Reopen();
  auto snapshot = Load();
  ASSERT_EQ(snapshot->addresses.size(), 1u);
  EXPECT_EQ(snapshot->addresses[0].last_failure, "refused");
  EXPECT_EQ(snapshot->addresses[0].last_failed.unix_ms, 88);
  ASSERT_EQ(snapshot->remotes.size(), 2u);
  EXPECT_EQ(snapshot->remotes[1].last_failure, "timed out");
  EXPECT_EQ(snapshot->remotes[1].last_worked.unix_ms, 1);
  ASSERT_TRUE(Commit({DropRemote{node}}).ok());
  EXPECT_EQ(Load()->remotes.size(), 1u);
  EXPECT_TRUE(Load()->addresses.empty());
}

TEST_F(TablesTest, AddressesThatWorkedAreFoundTheLatestFirst) {
  const NodeId node{{9}};
  const auto at = [](uint16_t port) { return SocketAddress::V4({192, 0, 2, 1}, port); };
  std::vector<Change> changes = {PutRemoteAddress{{NodeId{{8}}, at(1), "ticket", {99}, 1}},
                                 PutRemoteAddress{{node, at(2), "dns", {}, 0}}};
  for (uint16_t i = 0; i < 40; ++i)
    changes.push_back(PutRemoteAddress{{node, at(100 + i), "ticket", {1000 + i}, 1}});
  ASSERT_TRUE(Commit(std::move(changes)).ok());
  const auto rows = Await<StatusOr<std::vector<RemoteAddressRow>>>(
      [&](auto done) { registry_->AddressesOf(node, std::move(done)); });
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 32u);
  EXPECT_EQ(rows->front().address, at(139));
  EXPECT_EQ(rows->back().address, at(108));
}

TEST_F(TablesTest, SettingsAreReplacedAndDropped) {
  ASSERT_TRUE(Commit({PutSetting{{"a", 1}}, PutSetting{{"b", -2}}, PutSetting{{"a", 3}}}).ok());
  Reopen();
  auto snapshot = Load();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  std::map<std::string, int64_t> settings;
  for (const SettingRow& row : snapshot->settings) settings[row.name] = row.value;
  EXPECT_EQ(settings, (std::map<std::string, int64_t>{{"a", 3}, {"b", -2}}));
  ASSERT_TRUE(Commit({DropSetting{"a"}, DropSetting{"never there"}}).ok());
  EXPECT_EQ(Load()->settings.size(), 1u);
  for (const std::string& name : {std::string(), std::string(256, 'n')})
    EXPECT_EQ(Commit({PutSetting{{name, 1}}}).code(), StatusCode::kInvalidArgument);
}

TEST_F(TablesTest, APausedIntentComesBackPaused) {
  IntentRow intent = Intent(1);
  intent.paused = true;
  ASSERT_TRUE(Commit({PutIntent{intent}, PutIntent{Intent(2)}}).ok());
  Reopen();
  auto snapshot = Load();
  ASSERT_EQ(snapshot->unfinished.size(), 2u);
  EXPECT_TRUE(snapshot->unfinished[0].paused);
  EXPECT_FALSE(snapshot->unfinished[1].paused);
  intent.paused = false;
  ASSERT_TRUE(Commit({PutIntent{intent}}).ok());
  EXPECT_FALSE(Load()->unfinished[0].paused);
}

TEST_F(TablesTest, PagesOfLoadingGiveEverythingOnce) {
  std::vector<Change> changes;
  for (uint64_t id = 1; id <= 23; ++id) {
    changes.push_back(PutIntent{id % 5 == 0 ? Ended(id) : Intent(id)});
    changes.push_back(
        PutProvider{{Hash{{static_cast<uint8_t>(id / 4)}}, NodeId{{static_cast<uint8_t>(id)}}}});
  }
  changes.push_back(PutProvider{{Hash{{1}}, MirrorUrl{"http://m"}}});
  changes.push_back(PutBan{{NodeId{{1}}, {1}, 1, ""}});
  ASSERT_TRUE(Commit(std::move(changes)).ok());
  for (const size_t limit : {1, 3, 100}) {
    SCOPED_TRACE(limit);
    Snapshot all;
    LoadCursor cursor;
    for (;;) {
      auto page = Await<StatusOr<LoadedPage>>(
          [&](auto done) { registry_->LoadPage(cursor, limit, std::move(done)); });
      ASSERT_TRUE(page.ok()) << page.status();
      EXPECT_LE(page->rows.providers.size() + page->rows.unfinished.size(), limit);
      all.bans.insert(all.bans.end(), page->rows.bans.begin(), page->rows.bans.end());
      for (auto& row : page->rows.providers) all.providers.push_back(row);
      for (auto& row : page->rows.unfinished) all.unfinished.push_back(row);
      if (!page->next) break;
      cursor = *page->next;
    }
    EXPECT_EQ(all.bans.size(), 1u);
    EXPECT_EQ(all.providers.size(), 24u);
    ASSERT_EQ(all.unfinished.size(), 19u);
    EXPECT_EQ(all.unfinished[4].id.value, 6u);
  }
}

}  // namespace
}  // namespace blobd::registry
