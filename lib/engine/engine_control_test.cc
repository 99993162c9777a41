// Pausing, limits, and what is said of waits.
#include <gmock/gmock.h>

#include "engine/engine_for_test.h"
#include "schedule/rate_limiter.h"

namespace blobd::engine {
namespace {

using schedule::Outcome;
using schedule::ProviderStanding;
using schedule::WaitFact;
using testing::HasSubstr;

Kind KindOf(uint8_t n) { return {{{n}}, BlobFormat::kRaw}; }

class ControlTest : public EngineTest {
 protected:
  StatusOr<PauseAnswer> Pause(const Caller& caller, const std::vector<IntentId>& ids,
                              bool paused = true) {
    StatusOr<PauseAnswer> answer = Unavailable("no answer");
    engine_->SetPaused(caller, ids, paused,
                       [&](StatusOr<PauseAnswer> a) { answer = std::move(a); });
    loop_.Settle();
    return answer;
  }
  Status PauseEverything(bool paused) {
    Status answer = Unavailable("no answer");
    engine_->SetEverythingPaused(paused, [&](const Status& a) { answer = a; });
    loop_.Settle();
    return answer;
  }
  Status SetLimits(std::vector<LimitChange> changes, std::vector<const LimitField*> reset,
                   bool keep) {
    Status answer = Unavailable("no answer");
    engine_->SetLimits(std::move(changes), std::move(reset), keep,
                       [&](const Status& a) { answer = a; });
    loop_.Settle();
    return answer;
  }
  LimitView Limit(std::string_view name) {
    for (const LimitView& view : engine_->ListLimits()) {
      if (view.name == name) return view;
    }
    ADD_FAILURE() << "no limit " << name;
    return {};
  }
};

using PauseTest = ControlTest;
using LimitsTest = ControlTest;
using WhyTest = ControlTest;

TEST_F(PauseTest, APausedIntentGivesItsTransferBackAndGoesOnLater) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  const auto watcher = Watch(id);
  Connect();
  const TransferId transfer = OnlyGet();
  const auto answer = Pause(kAnn, {id});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->changed, std::vector<IntentId>{id});
  EXPECT_EQ(network_->stops, std::vector<TransferId>{transfer});
  EXPECT_TRUE(registry_.intents.at(id).paused);
  network_->EndGet(transfer, Outcome::kStopped, "");
  loop_.Advance(minutes(5));
  EXPECT_TRUE(network_->gets.empty());
  EXPECT_EQ(Get(id)->state, IntentState::kPaused);
  EXPECT_TRUE(Get(id)->row.paused);
  EXPECT_EQ(watcher->views.back().state, IntentState::kPaused);
  EXPECT_EQ(Pause(kAnn, {id})->changed, std::vector<IntentId>{id}) << "twice is as good as once";

  ASSERT_TRUE(Pause(kAnn, {id}, false).ok());
  EXPECT_FALSE(registry_.intents.at(id).paused);
  loop_.Advance(seconds(20));
  if (network_->gets.empty()) Connect();  // its connection was idle for long
  network_->EndGet(OnlyGet(), Outcome::kDone, "");
  loop_.Settle();
  EXPECT_EQ(watcher->views.back().row.result, registry::ResultCode::kDone);
}

TEST_F(PauseTest, APausedIntentIsPausedInTheNextLife) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  ASSERT_TRUE(Pause(kAnn, {id}).ok());
  Restart();
  EXPECT_EQ(Get(id)->state, IntentState::kPaused);
  EXPECT_TRUE(network_->dials.empty());
  ASSERT_TRUE(Pause(kAnn, {id}, false).ok());
  EXPECT_EQ(network_->dials.size(), 1u);
}

TEST_F(PauseTest, OthersWhoWantItGetItAllTheSame) {
  const IntentId ann = Queue(kAnn, {Item()})->front().intent;
  const IntentId joe = Queue(kJoe, {Item()})->front().intent;
  ASSERT_TRUE(Pause(kAnn, {ann}).ok());
  Connect();
  EXPECT_EQ(Get(joe)->state, IntentState::kRunning);
  EXPECT_EQ(Get(ann)->state, IntentState::kRunning);
  EXPECT_TRUE(Get(ann)->row.paused);
  EXPECT_FALSE(Get(joe)->row.paused);
  // Nothing else changes, and who watches hears it all the same.
  const auto watcher = Watch(ann);
  for (const bool paused : {false, true}) {
    ASSERT_TRUE(Pause(kAnn, {ann}, paused).ok());
    loop_.Advance(milliseconds(200));
    EXPECT_EQ(watcher->views.back().row.paused, paused);
    EXPECT_EQ(watcher->views.back().state, IntentState::kRunning);
  }
}

TEST_F(PauseTest, OnlyTheOwnerAndRootPause) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  const IntentId other = Queue(kJoe, {Item(KindOf(2))})->front().intent;
  EXPECT_EQ(Pause(kJoe, {other, id}).status().code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(Pause(kAnn, {id, IntentId{77}}).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(Get(id)->row.paused);
  EXPECT_FALSE(Get(other)->row.paused);
  EXPECT_TRUE(Pause(kRoot, {id, other}).ok());
  EXPECT_TRUE(Get(id)->row.paused);
}

TEST_F(PauseTest, WhatHasEndedIsSaidToHaveEnded) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  ASSERT_TRUE(Cancel(kAnn, {id}).ok());
  const auto answer = Pause(kAnn, {id});
  ASSERT_TRUE(answer.ok());
  EXPECT_TRUE(answer->changed.empty());
  EXPECT_EQ(answer->already_ended, std::vector<IntentId>{id});
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kCancelled);
}

TEST_F(PauseTest, APauseThatCannotBeWrittenIsNone) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  registry_.commit_status = ResourceExhausted("disk full");
  EXPECT_EQ(Pause(kAnn, {id}).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(PauseEverything(true).code(), StatusCode::kResourceExhausted);
  registry_.commit_status = OkStatus();
  EXPECT_FALSE(Get(id)->row.paused);
  EXPECT_FALSE(engine_->Summary().paused);
  EXPECT_NE(Get(id)->state, IntentState::kPaused);
}

TEST_F(PauseTest, AnEndThatCrossesAPauseWins) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  Connect();
  StatusOr<PauseAnswer> answer = Unavailable("no answer");
  registry_.hold_commits = true;
  engine_->SetPaused(kAnn, {id}, true, [&](StatusOr<PauseAnswer> a) { answer = std::move(a); });
  loop_.Settle();
  network_->EndGet(OnlyGet(), Outcome::kDone, "");
  loop_.Settle();
  registry_.ReleaseCommits();
  loop_.Settle();
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->already_ended, std::vector<IntentId>{id});
  EXPECT_EQ(registry_.intents.at(id).result, registry::ResultCode::kDone);
}

TEST_F(PauseTest, EverythingRestsAlsoInTheNextLife) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  Connect();
  ASSERT_TRUE(PauseEverything(true).ok());
  EXPECT_EQ(network_->stops.size(), 1u);
  EXPECT_TRUE(engine_->Summary().paused);
  Restart();
  EXPECT_TRUE(engine_->Summary().paused);
  EXPECT_TRUE(network_->dials.empty());
  EXPECT_EQ(Get(id)->waits_for, "waits until everything is resumed");
  ASSERT_TRUE(PauseEverything(false).ok());
  EXPECT_EQ(network_->dials.size(), 1u);
  Restart();
  EXPECT_FALSE(engine_->Summary().paused);
}

TEST_F(ControlTest, DrainingMayBeAskedForAgain) {
  ASSERT_TRUE(Queue(kAnn, {Item()}).ok());
  Connect();
  int drained = 0;
  engine_->Drain([&] { ++drained; });
  engine_->Drain([&] { ++drained; });
  loop_.Settle();
  EXPECT_EQ(drained, 0);
  network_->EndGet(OnlyGet(), Outcome::kStopped, "");
  loop_.Settle();
  EXPECT_EQ(drained, 2);
  EXPECT_TRUE(engine_->Summary().draining);
  EXPECT_EQ(Queue(kAnn, {Item()}).status().code(), StatusCode::kUnavailable);
  engine_->Drain([&] { ++drained; });
  loop_.Settle();
  EXPECT_EQ(drained, 3);
}

TEST_F(LimitsTest, ALoweredLimitStopsTheSurplusAndARaisedOneStartsIt) {
  ASSERT_TRUE(Queue(kAnn, {Item(KindOf(1)), Item(KindOf(2)), Item(KindOf(3))}).ok());
  Connect();
  ASSERT_EQ(network_->gets.size(), 3u);
  ASSERT_TRUE(SetLimits({{FindLimit("requests"), 1}}, {}, false).ok());
  EXPECT_EQ(network_->stops.size(), 2u);
  EXPECT_EQ(Limit("requests").value, 1u);
  EXPECT_EQ(Limit("requests").configured, 50u);
  EXPECT_FALSE(Limit("requests").is_kept);
  for (const TransferId id : std::vector(network_->stops))
    network_->EndGet(id, Outcome::kStopped, "");
  loop_.Settle();
  EXPECT_EQ(network_->gets.size(), 1u);
  ASSERT_TRUE(SetLimits({}, {FindLimit("requests")}, false).ok());
  EXPECT_EQ(network_->gets.size(), 3u);
  EXPECT_EQ(Limit("requests").value, 50u);
}

TEST_F(LimitsTest, OnlyWhatIsKeptOutlivesARestart) {
  ASSERT_TRUE(SetLimits({{FindLimit("connections"), 3}}, {}, true).ok());
  ASSERT_TRUE(
      SetLimits({{FindLimit("requests"), 2}, {FindLimit("connections"), 9}}, {}, false).ok());
  EXPECT_EQ(Limit("connections").value, 9u);
  EXPECT_EQ(Limit("connections").kept, 3u);
  Restart();
  EXPECT_EQ(Limit("connections").value, 3u);
  EXPECT_TRUE(Limit("connections").is_kept);
  EXPECT_EQ(Limit("requests").value, 50u);
  ASSERT_TRUE(SetLimits({}, {FindLimit("connections")}, false).ok());
  Restart();
  EXPECT_EQ(Limit("connections").value, 25u);
  EXPECT_FALSE(Limit("connections").is_kept);
}

// An earlier version may have allowed it.
TEST_F(LimitsTest, AKeptRateThatIsTooLowIsTheLowestAndNotNone) {
  ASSERT_TRUE(SetLimits({{FindLimit("upload_rate"), 20'000}}, {}, true).ok());
  ASSERT_EQ(registry_.settings.size(), 1u);
  registry_.settings.begin()->second = 8'000;
  Restart();
  EXPECT_EQ(rates_.second, FindLimit("upload_rate")->smallest);
  EXPECT_TRUE(Limit("upload_rate").is_kept);
}

TEST_F(LimitsTest, AReadConfigurationChangesWhatItChangedAndIsNotKept) {
  ASSERT_TRUE(SetLimits({{FindLimit("connections"), 3}}, {}, true).ok());
  ASSERT_TRUE(SetLimits({{FindLimit("requests"), 2}}, {}, false).ok());
  LiveLimits configured;
  for (const LimitField& field : LimitFields()) field.set(configured, Limit(field.name).configured);
  configured.schedule.connections = 11;
  configured.schedule.dials_per_hash = 7;
  engine_->Reconfigure(configured, seconds(1));
  loop_.Settle();
  EXPECT_EQ(Limit("connections").value, 3u);  // it was set to stay
  EXPECT_EQ(Limit("connections").configured, 11u);
  EXPECT_EQ(Limit("dials_per_hash").value, 7u);
  EXPECT_EQ(Limit("requests").value, 2u);  // the configuration says of it what it said before
  ASSERT_TRUE(SetLimits({}, {FindLimit("connections")}, false).ok());
  EXPECT_EQ(Limit("connections").value, 11u);
}

TEST_F(LimitsTest, RatesAreSetRemovedAndKept) {
  EXPECT_EQ(rates_.first, std::nullopt);
  ASSERT_TRUE(SetLimits({{FindLimit("download_rate"), 5'000'000'000}}, {}, true).ok());
  ASSERT_TRUE(SetLimits({{FindLimit("upload_rate"), 20'480}}, {}, false).ok());
  EXPECT_EQ(rates_.first, 5'000'000'000u);
  EXPECT_EQ(rates_.second, 20'480u);
  EXPECT_EQ(Limit("download_rate").source, "set to stay");
  EXPECT_EQ(Limit("upload_rate").source, "set");
  rates_ = {};
  Restart();
  EXPECT_EQ(rates_.first, 5'000'000'000u);
  EXPECT_EQ(rates_.second, std::nullopt);
  // That there is no limit can be kept, too.
  LiveLimits configured;
  configured.download_rate = 70'000;
  configured.upload_rate = 80'000;
  engine_->Reconfigure(configured, seconds(1));
  ASSERT_TRUE(SetLimits({{FindLimit("upload_rate"), LimitField::kNone}}, {}, true).ok());
  Restart();
  engine_->Reconfigure(configured, seconds(1));
  EXPECT_EQ(rates_.second, std::nullopt);
  EXPECT_TRUE(Limit("upload_rate").is_kept);
  ASSERT_TRUE(SetLimits({}, {FindLimit("upload_rate")}, false).ok());
  EXPECT_EQ(rates_.second, 80'000u);
  EXPECT_THAT(Message(CheckLimit(*FindLimit("upload_rate"), 0)), HasSubstr("or pause"));
  EXPECT_FALSE(SetLimits({{FindLimit("upload_rate"), 16'383}}, {}, false).ok());
}

// Who gets something waits ten seconds for the next byte (transfers.md, "stalled").
TEST_F(LimitsTest, AtTheLeastRateNobodyWaitsForASecondGroupForTooLong) {
  constexpr uint64_t kStreams = 8;
  constexpr uint64_t kGroup = 16 * 1024;
  schedule::RateLimiter limiter;
  Instant now;
  ASSERT_TRUE(limiter.SetRate(now, FindLimit("upload_rate")->smallest).ok());
  std::map<schedule::AskId, uint64_t> streams;
  std::map<uint64_t, Instant> heard;
  for (uint64_t stream = 0; stream < kStreams; ++stream) streams[limiter.Ask(1, kGroup)] = stream;
  for (int i = 0; i < 100; ++i) {
    now = *limiter.NextDeadline();
    std::vector<schedule::Grant> grants;
    limiter.Step(now, grants);
    for (const schedule::Grant& grant : grants) {
      const uint64_t stream = streams.at(grant.ask);
      EXPECT_LT(now - heard[stream], seconds(10));
      heard[stream] = now;
      if (grant.complete) streams[limiter.Ask(1, kGroup)] = stream;
    }
  }
  EXPECT_EQ(heard.size(), kStreams);
}

TEST_F(LimitsTest, TheSchedulesRateHoldsUntilAnotherIsSet) {
  LiveLimits configured;
  configured.download_rate = 70'000;
  configured.download_rule = "08:00-18:00";
  configured.rules_until = WallTime{123};
  engine_->Reconfigure(configured, seconds(1));
  EXPECT_EQ(rates_.first, 70'000u);
  EXPECT_EQ(Limit("download_rate").source, "schedule 08:00-18:00");
  EXPECT_EQ(Limit("download_rate").until.unix_ms, 123);
  EXPECT_EQ(Limit("requests").until.unix_ms, 0);
  EXPECT_EQ(Limit("requests").source, "configuration");
  ASSERT_TRUE(SetLimits({{FindLimit("download_rate"), 90'000}}, {}, false).ok());
  engine_->Reconfigure(configured, seconds(1));
  EXPECT_EQ(rates_.first, 90'000u) << "the schedule says what it said before";
  configured.download_rate = std::nullopt;
  configured.download_rule = "";
  engine_->Reconfigure(configured, seconds(1));
  EXPECT_EQ(rates_.first, std::nullopt) << "it is evening";
}

TEST_F(LimitsTest, BadValuesAndFailedWritesChangeNothing) {
  const Status status =
      SetLimits({{FindLimit("requests"), 7}, {FindLimit("connections"), 0}}, {}, true);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr("connections: 0 is not between 1 and 1000000"));
  registry_.commit_status = ResourceExhausted("disk full");
  EXPECT_EQ(SetLimits({{FindLimit("requests"), 7}}, {}, true).code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(Limit("requests").value, 50u);
  EXPECT_TRUE(registry_.settings.empty());
}

TEST_F(LimitsTest, SettingsThatCannotBeUsedAreLeftAlone) {
  registry_.settings = {
      {"limits.requests", 0}, {"limits.unheard_of", 1}, {"limits.connections", 4}};
  Restart();
  EXPECT_EQ(Limit("requests").value, 50u);
  EXPECT_EQ(Limit("connections").value, 4u);
  EXPECT_EQ(registry_.settings.size(), 3u);
}

TEST_F(LimitsTest, TheQuotaOfIntentsIsOneOfThem) {
  ASSERT_TRUE(SetLimits({{FindLimit("intents_per_uid"), 1}}, {}, false).ok());
  EXPECT_TRUE(Queue(kAnn, {Item()}).ok());
  EXPECT_EQ(Queue(kAnn, {Item()}).status().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(Queue(kRoot, {Item()}).ok());
}

TEST_F(WhyTest, SaysWhatItWaitsForUntilWhenAndWhatWentWrong) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  auto why = engine_->WhyOfIntent(id);
  ASSERT_TRUE(why);
  ASSERT_EQ(why->waits.size(), 1u);
  EXPECT_EQ(why->waits[0].fact, WaitFact::kDial);
  EXPECT_EQ(why->sentence, "waits for 1 running dial");
  ASSERT_EQ(why->providers.size(), 1u);
  EXPECT_EQ(why->providers[0].sentence, "is being dialled");
  EXPECT_EQ(why->intents, std::vector<IntentId>{id});

  network_->sink->OnDialFailed(kNode, false, "no route");
  loop_.Settle();
  why = engine_->WhyOfIntent(id);
  EXPECT_EQ(why->state, IntentState::kParked);
  EXPECT_EQ(why->waits[0].fact, WaitFact::kRetry);
  const Duration until = why->waits[0].until - loop_.WallNow();
  EXPECT_GT(until, Duration::zero());
  EXPECT_LE(until, milliseconds(550));
  EXPECT_EQ(why->providers[0].standing, ProviderStanding::kFailed);
  EXPECT_EQ(why->providers[0].failures, 1u);
  EXPECT_EQ(why->providers[0].last_error, "no route");
  EXPECT_THAT(why->providers[0].sentence, HasSubstr("failed 1 time in a row, tried again in "));
  EXPECT_EQ(engine_->WhyOfHash(kHash).size(), 1u);
  ASSERT_TRUE(Queue(kAnn, {Item({kHash, BlobFormat::kHashSeq})}).ok());
  EXPECT_EQ(engine_->WhyOfHash(kHash).size(), 2u);
  EXPECT_FALSE(engine_->WhyOfIntent(IntentId{99}));
  EXPECT_TRUE(engine_->WhyOfHash({{99}}).empty());
}

TEST_F(ControlTest, StandingProvidersAreAskedWhenNobodyWasNamed) {
  standing_ = {{kNode, {*SocketAddress::Parse("192.0.2.1:1")}, "config"}};
  Restart();
  QueueItem item = Item();
  item.providers.clear();
  const IntentId id = Queue(kAnn, {item})->front().intent;
  ASSERT_EQ(network_->dials.size(), 1u);
  EXPECT_EQ(network_->dials[0].second.front().ToString(), "192.0.2.1:1");
  EXPECT_EQ(registry_.addresses.at(0).source, "config");
  EXPECT_TRUE(registry_.providers.empty()) << "they are configuration, nothing to remember";
  Connect();
  network_->EndGet(OnlyGet(), Outcome::kNotHere, "no such blob");
  loop_.Settle();
  EXPECT_EQ(Get(id)->state, IntentState::kWaiting);
}

TEST_F(WhyTest, SaysWhenItGivesUpForWantOfAProvider) {
  QueueItem item = Item();
  item.providers.clear();
  item.patience = hours(2);
  const IntentId id = Queue(kAnn, {item})->front().intent;
  loop_.Advance(hours(1));
  EXPECT_EQ(engine_->WhyOfIntent(id)->sentence,
            "waits for a provider: none is known; it gives up in 1 h 0 min at the earliest, unless "
            "somebody has it by then");
  ASSERT_TRUE(Pause(kAnn, {id}).ok());
  EXPECT_THAT(engine_->WhyOfIntent(id)->sentence, testing::Not(HasSubstr("gives up")));
  const IntentId other = Queue(kAnn, {Item()})->front().intent;
  EXPECT_THAT(engine_->WhyOfIntent(other)->sentence, testing::Not(HasSubstr("gives up")));
}

TEST_F(WhyTest, ABannedProviderIsSaidToBeBanned) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  Connect();
  network_->EndGet(OnlyGet(), Outcome::kDropProvider, "chunk group 3 does not match");
  loop_.Settle();
  const auto why = engine_->WhyOfIntent(id);
  ASSERT_EQ(why->providers.size(), 1u);
  EXPECT_EQ(why->providers[0].standing, ProviderStanding::kBanned);
  EXPECT_EQ(why->providers[0].until, loop_.WallNow() + hours(1));
  EXPECT_EQ(why->providers[0].sentence, "banned, for 1 h 0 min");
  EXPECT_THAT(why->providers[0].last_error, HasSubstr("chunk group 3 does not match"));
  EXPECT_EQ(why->waits[0].fact, WaitFact::kProvider);
}

TEST_F(WhyTest, ALongWaitIsSaidOnceAndAgainAfterAnHour) {
  const auto lines = [&] {
    return std::count_if(log_.lines.begin(), log_.lines.end(), [](const std::string& line) {
      return line.find("nothing has moved for ") != std::string::npos;
    });
  };
  QueueItem item = Item();
  item.providers.clear();
  ASSERT_TRUE(Queue(kAnn, {item}).ok());
  ASSERT_TRUE(Queue(kJoe, {item}).ok());
  loop_.Advance(minutes(9));
  EXPECT_EQ(lines(), 0);
  loop_.Advance(minutes(3));
  EXPECT_EQ(lines(), 1) << "once for the request, not for each of its intents";
  loop_.Advance(minutes(50));
  EXPECT_EQ(lines(), 1);
  loop_.Advance(minutes(15));
  EXPECT_EQ(lines(), 2);
}

TEST_F(WhyTest, LinesAboutLongWaitsAreFew) {
  std::vector<QueueItem> items;
  for (uint8_t n = 1; n <= 30; ++n) {
    items.push_back(Item(KindOf(n)));
    items.back().providers.clear();
  }
  ASSERT_TRUE(Queue(kRoot, std::move(items)).ok());
  log_.lines.clear();
  loop_.Advance(minutes(15));
  EXPECT_EQ(log_.lines.size(), 11u);
  EXPECT_THAT(log_.lines.back(), HasSubstr("20 more requests wait as long"));
}

TEST_F(WhyTest, APauseIsNoLongWait) {
  const IntentId id = Queue(kAnn, {Item()})->front().intent;
  ASSERT_TRUE(Pause(kAnn, {id}).ok());
  log_.lines.clear();
  loop_.Advance(minutes(30));
  for (const std::string& line : log_.lines) EXPECT_THAT(line, testing::Not(HasSubstr("moved")));
}

}  // namespace
}  // namespace blobd::engine
