// Pausing, limits, bans, waits and draining, as owners, others and root ask for them.
#include "rpc/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rpc/server_for_test.h"

namespace blobd::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(ServerTest, AnIntentIsPausedAndResumed) {
  const auto stub = v1::Downloads::NewStub(Channel());
  const uint64_t id = Queue(*stub, 'a');
  v1::PauseRequest pause;
  v1::PauseResponse paused;
  pause.add_intent_ids(id);
  ASSERT_TRUE(Call(*stub, &v1::Downloads::Stub::Pause, pause, &paused).ok());
  EXPECT_THAT(paused.paused(), ElementsAre(id));
  v1::GetIntentRequest get;
  v1::Intent intent;
  get.set_intent_id(id);
  ASSERT_TRUE(Call(*stub, &v1::Downloads::Stub::GetIntent, get, &intent).ok());
  EXPECT_EQ(intent.state(), v1::INTENT_STATE_PAUSED);
  EXPECT_TRUE(intent.paused());
  v1::ResumeRequest resume;
  v1::ResumeResponse resumed;
  resume.add_intent_ids(id);
  ASSERT_TRUE(Call(*stub, &v1::Downloads::Stub::Resume, resume, &resumed).ok());
  EXPECT_THAT(resumed.resumed(), ElementsAre(id));
  EXPECT_EQ(Settled(*stub, id).state(), v1::INTENT_STATE_WAITING);

  pause.add_intent_ids(id + 1000);
  EXPECT_EQ(Call(*stub, &v1::Downloads::Stub::Pause, pause, &paused).error_code(), grpc::NOT_FOUND);
  pause.set_everything(true);
  EXPECT_EQ(Call(*stub, &v1::Downloads::Stub::Pause, pause, &paused).error_code(),
            grpc::INVALID_ARGUMENT);
  pause.clear_intent_ids();
  pause.set_everything(false);
  EXPECT_EQ(Call(*stub, &v1::Downloads::Stub::Pause, pause, &paused).error_code(),
            grpc::INVALID_ARGUMENT);
}

TEST_F(ServerTest, WhyTellsOfIntentsAndHashes) {
  const auto stub = v1::Downloads::NewStub(Channel());
  const uint64_t id = Queue(*stub, 'a');
  v1::WhyRequest request;
  v1::WhyResponse why;
  request.set_intent_id(id);
  Settled(*stub, id);
  ASSERT_TRUE(Call(*stub, &v1::Downloads::Stub::Why, request, &why).ok());
  EXPECT_EQ(why.intent().intent_id(), id);
  ASSERT_EQ(why.requests_size(), 1);
  EXPECT_TRUE(
      why.requests(0).sentence().starts_with("waits for a provider: none is known; it "
                                             "gives up in "))
      << why.requests(0).sentence();
  ASSERT_EQ(why.requests(0).waits_size(), 1);
  EXPECT_EQ(why.requests(0).waits(0).fact(), v1::WAIT_FACT_PROVIDER);
  EXPECT_THAT(why.requests(0).intent_ids(), ElementsAre(id));
  request.set_hash(std::string(64, 'a'));
  ASSERT_TRUE(Call(*stub, &v1::Downloads::Stub::Why, request, &why).ok());
  EXPECT_EQ(why.requests_size(), 1);
  ASSERT_EQ(why.keepings_size(), 1);
  EXPECT_EQ(why.keepings(0).because(), v1::KEPT_BECAUSE_WANTED);
  EXPECT_EQ(why.blob().state(), v1::BLOB_STATE_ABSENT);

  v1::CancelRequest cancel;
  v1::CancelResponse cancelled;
  cancel.add_intent_ids(id);
  ASSERT_TRUE(Call(*stub, &v1::Downloads::Stub::Cancel, cancel, &cancelled).ok());
  request.set_intent_id(id);
  ASSERT_TRUE(Call(*stub, &v1::Downloads::Stub::Why, request, &why).ok());
  EXPECT_EQ(why.requests_size(), 0);
  EXPECT_EQ(why.intent().state(), v1::INTENT_STATE_CANCELLED);
  request.set_intent_id(id + 1000);
  EXPECT_EQ(Call(*stub, &v1::Downloads::Stub::Why, request, &why).error_code(), grpc::NOT_FOUND);
  request.set_hash("nonsense");
  EXPECT_EQ(Call(*stub, &v1::Downloads::Stub::Why, request, &why).error_code(),
            grpc::INVALID_ARGUMENT);
  request.Clear();
  EXPECT_EQ(Call(*stub, &v1::Downloads::Stub::Why, request, &why).error_code(),
            grpc::INVALID_ARGUMENT);
}

TEST_F(ServerTest, LimitsAreShownAndChanged) {
  if (geteuid() != 0) GTEST_SKIP() << "only root changes limits";
  const auto stub = v1::Admin::NewStub(Channel());
  v1::SetLimitsRequest request;
  v1::SetLimitsResponse set;
  request.set_persist(true);
  auto* change = request.add_changes();
  change->set_name("requests_per_node");
  change->set_value(2);
  ASSERT_TRUE(Call(*stub, &v1::Admin::Stub::SetLimits, request, &set).ok());
  v1::GetLimitsResponse got;
  ASSERT_TRUE(Call(*stub, &v1::Admin::Stub::GetLimits, v1::GetLimitsRequest(), &got).ok());
  ASSERT_EQ(got.limits_size(), set.limits_size());
  const v1::Limit& limit = got.limits(1);
  EXPECT_EQ(limit.name(), "requests_per_node");
  EXPECT_EQ(limit.value(), 2u);
  EXPECT_EQ(limit.configured(), 4u);
  EXPECT_EQ(limit.persisted(), 2u);
  EXPECT_FALSE(got.limits(0).has_persisted());
  change->set_value(0);
  const grpc::Status refused = Call(*stub, &v1::Admin::Stub::SetLimits, request, &set);
  EXPECT_EQ(refused.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(refused.error_message(), HasSubstr("0 is not between 1 and"));
  request.clear_changes();
  request.add_reset("all");
  ASSERT_TRUE(Call(*stub, &v1::Admin::Stub::SetLimits, request, &set).ok());
  EXPECT_EQ(set.limits(1).value(), 4u);
}

TEST_F(ServerTest, TheConfigurationIsShownToEverybody) {
  const auto stub = v1::Admin::NewStub(Channel());
  v1::GetConfigRequest request;
  v1::GetConfigResponse config;
  request.set_prefix("store");
  request.set_changed_only(true);
  ASSERT_TRUE(Call(*stub, &v1::Admin::Stub::GetConfig, request, &config).ok());
  EXPECT_EQ(configuration_.asked_for(), "store changed");
  ASSERT_EQ(config.values_size(), 2);
  EXPECT_EQ(config.values(0).key(), "store.max_bytes");
  EXPECT_EQ(config.values(0).value(), "5");
  EXPECT_EQ(config.values(0).default_value(), "0");
  EXPECT_EQ(config.values(0).origin(), v1::CONFIG_ORIGIN_FILE);
  EXPECT_EQ(config.values(0).place(), "a.toml");
  EXPECT_EQ(config.values(0).line(), 7u);
  EXPECT_TRUE(config.values(0).is_live());
  EXPECT_FALSE(config.values(0).has_after_restart());
  EXPECT_EQ(config.values(1).origin(), v1::CONFIG_ORIGIN_ENVIRONMENT);
  EXPECT_EQ(config.values(1).after_restart(), "3");
  EXPECT_THAT(config.files(), ElementsAre("a.toml"));
  if (const auto member = ChannelOfAMember()) {
    const auto theirs = v1::Admin::NewStub(member);
    EXPECT_TRUE(Call(*theirs, &v1::Admin::Stub::GetConfig, request, &config).ok());
    v1::ReloadResponse report;
    EXPECT_EQ(Call(*theirs, &v1::Admin::Stub::Reload, v1::ReloadRequest(), &report).error_code(),
              grpc::PERMISSION_DENIED);
  }
}

TEST_F(ServerTest, AReloadReportsOnEachKey) {
  if (geteuid() != 0) GTEST_SKIP() << "only root reloads";
  const auto stub = v1::Admin::NewStub(Channel());
  v1::ReloadRequest request;
  v1::ReloadResponse report;
  request.set_dry_run(true);
  ASSERT_TRUE(Call(*stub, &v1::Admin::Stub::Reload, request, &report).ok());
  EXPECT_EQ(configuration_.asked_for(), "dry run");
  ASSERT_EQ(report.keys_size(), 2);
  EXPECT_EQ(report.keys(0).key(), "workers");
  EXPECT_EQ(report.keys(0).before(), "2");
  EXPECT_EQ(report.keys(0).after(), "3");
  EXPECT_EQ(report.keys(0).result(), v1::RELOAD_RESULT_NEEDS_RESTART);
  EXPECT_EQ(report.keys(1).result(), v1::RELOAD_RESULT_REFUSED);
  EXPECT_EQ(report.keys(1).reason(), "it is set");
  EXPECT_THAT(report.files(), ElementsAre("a.toml"));
  EXPECT_THAT(report.warnings(), ElementsAre("a word"));
  configuration_.Fail(FailedPrecondition("a.toml:1: unknown key x"));
  request.set_dry_run(false);
  const grpc::Status refused = Call(*stub, &v1::Admin::Stub::Reload, request, &report);
  EXPECT_EQ(refused.error_code(), grpc::FAILED_PRECONDITION);
  EXPECT_THAT(refused.error_message(), HasSubstr("a.toml:1"));
  EXPECT_EQ(configuration_.asked_for(), "reload");
}

TEST_F(ServerTest, NodesAreDisconnectedAndForgotten) {
  if (geteuid() != 0) GTEST_SKIP() << "only root disconnects";
  const auto stub = v1::Remotes::NewStub(Channel());
  v1::AddAddressesRequest add;
  v1::AddAddressesResponse added;
  add.mutable_node()->set_node_id(NodeId{{5}}.ToHex());
  add.mutable_node()->add_addresses("192.0.2.5:1");
  ASSERT_TRUE(Call(*stub, &v1::Remotes::Stub::AddAddresses, add, &added).ok());
  transfer::UploadInfo served;
  served.node = kServed;
  Serve({served}, {});
  v1::DisconnectRemoteRequest disconnect;
  v1::DisconnectRemoteResponse closed;
  disconnect.set_node_id(kServed.ToHex());
  ASSERT_TRUE(Call(*stub, &v1::Remotes::Stub::Disconnect, disconnect, &closed).ok());
  EXPECT_TRUE(closed.was_uploading());
  EXPECT_FALSE(closed.was_connected());
  EXPECT_EQ(Call(*stub, &v1::Remotes::Stub::Disconnect, disconnect, &closed).error_code(),
            grpc::NOT_FOUND);
  disconnect.set_node_id(NodeId{{5}}.ToHex());
  ASSERT_TRUE(Call(*stub, &v1::Remotes::Stub::Disconnect, disconnect, &closed).ok());
  EXPECT_FALSE(closed.was_uploading());
  v1::ForgetRemoteRequest forget;
  v1::ForgetRemoteResponse forgotten;
  forget.set_node_id(NodeId{{5}}.ToHex());
  ASSERT_TRUE(Call(*stub, &v1::Remotes::Stub::Forget, forget, &forgotten).ok());
  EXPECT_EQ(forgotten.addresses(), 1u);
  EXPECT_EQ(Call(*stub, &v1::Remotes::Stub::Forget, forget, &forgotten).error_code(),
            grpc::NOT_FOUND);
  forget.set_node_id("x");
  EXPECT_EQ(Call(*stub, &v1::Remotes::Stub::Forget, forget, &forgotten).error_code(),
            grpc::INVALID_ARGUMENT);
  const auto member = ChannelOfAMember();
  if (member == nullptr) return;
  const auto theirs = v1::Remotes::NewStub(member);
  EXPECT_EQ(Call(*theirs, &v1::Remotes::Stub::Forget, forget, &forgotten).error_code(),
            grpc::PERMISSION_DENIED);
  EXPECT_EQ(Call(*theirs, &v1::Remotes::Stub::Disconnect, disconnect, &closed).error_code(),
            grpc::PERMISSION_DENIED);
}

TEST_F(ServerTest, BansAreMadeListedAndLifted) {
  if (geteuid() != 0) GTEST_SKIP() << "only root bans";
  const auto stub = v1::Remotes::NewStub(Channel());
  v1::BanRequest request;
  v1::BanResponse banned;
  request.set_provider(NodeId{{5}}.ToHex());
  request.set_length_ms(3'600'000);
  request.set_reason("too dear");
  ASSERT_TRUE(Call(*stub, &v1::Remotes::Stub::Ban, request, &banned).ok());
  EXPECT_GT(banned.until_unix_ms(), SystemClock().WallNow().unix_ms + 3'500'000);
  request.set_provider("https://mirror.example/");
  ASSERT_TRUE(Call(*stub, &v1::Remotes::Stub::Ban, request, &banned).ok());
  v1::ListBansRequest list;
  v1::ListBansResponse page;
  list.set_page_size(1);
  ASSERT_TRUE(Call(*stub, &v1::Remotes::Stub::ListBans, list, &page).ok());
  ASSERT_EQ(page.bans_size(), 1);
  EXPECT_EQ(page.bans(0).provider(), NodeId{{5}}.ToHex());
  EXPECT_EQ(page.bans(0).reason(), "too dear");
  list.set_page_token(page.next_page_token());
  ASSERT_TRUE(Call(*stub, &v1::Remotes::Stub::ListBans, list, &page).ok());
  ASSERT_EQ(page.bans_size(), 1);
  EXPECT_EQ(page.bans(0).provider(), "https://mirror.example/");
  v1::UnbanRequest unban;
  v1::UnbanResponse lifted;
  unban.set_provider(NodeId{{5}}.ToHex());
  EXPECT_TRUE(Call(*stub, &v1::Remotes::Stub::Unban, unban, &lifted).ok());
  EXPECT_EQ(Call(*stub, &v1::Remotes::Stub::Unban, unban, &lifted).error_code(), grpc::NOT_FOUND);
  request.set_provider(kOurselves.ToHex());
  EXPECT_EQ(Call(*stub, &v1::Remotes::Stub::Ban, request, &banned).error_code(),
            grpc::INVALID_ARGUMENT);
  request.set_provider("x");
  EXPECT_EQ(Call(*stub, &v1::Remotes::Stub::Ban, request, &banned).error_code(),
            grpc::INVALID_ARGUMENT);
  request.set_provider(NodeId{{5}}.ToHex());
  request.set_length_ms(-1);
  EXPECT_EQ(Call(*stub, &v1::Remotes::Stub::Ban, request, &banned).error_code(),
            grpc::INVALID_ARGUMENT);
}

TEST_F(ServerTest, OtherMembersSeeAndDoNotControl) {
  const auto member = ChannelOfAMember();
  if (member == nullptr) GTEST_SKIP() << "cannot become another user";
  const uint64_t id = Queue(*v1::Downloads::NewStub(Channel()), 'a');
  const auto downloads = v1::Downloads::NewStub(member);
  Settled(*downloads, id);
  const auto remotes = v1::Remotes::NewStub(member);
  const auto admin = v1::Admin::NewStub(member);
  v1::PauseRequest pause;
  v1::PauseResponse paused;
  v1::ResumeRequest resume;
  v1::ResumeResponse resumed;
  pause.add_intent_ids(id);
  resume.add_intent_ids(id);
  EXPECT_EQ(Call(*downloads, &v1::Downloads::Stub::Pause, pause, &paused).error_code(),
            grpc::PERMISSION_DENIED);
  EXPECT_EQ(Call(*downloads, &v1::Downloads::Stub::Resume, resume, &resumed).error_code(),
            grpc::PERMISSION_DENIED);
  pause.clear_intent_ids();
  pause.set_everything(true);
  EXPECT_EQ(Call(*downloads, &v1::Downloads::Stub::Pause, pause, &paused).error_code(),
            grpc::PERMISSION_DENIED);
  v1::WhyRequest why;
  v1::WhyResponse said;
  why.set_intent_id(id);
  EXPECT_TRUE(Call(*downloads, &v1::Downloads::Stub::Why, why, &said).ok());
  EXPECT_EQ(said.intent().state(), v1::INTENT_STATE_WAITING) << "nothing changed";
  v1::GetLimitsResponse limits;
  EXPECT_TRUE(Call(*admin, &v1::Admin::Stub::GetLimits, v1::GetLimitsRequest(), &limits).ok());
  v1::SetLimitsRequest change;
  v1::SetLimitsResponse changed;
  change.add_reset("all");
  EXPECT_EQ(Call(*admin, &v1::Admin::Stub::SetLimits, change, &changed).error_code(),
            grpc::PERMISSION_DENIED);
  v1::DrainResponse drained;
  EXPECT_EQ(Call(*admin, &v1::Admin::Stub::Drain, v1::DrainRequest(), &drained).error_code(),
            grpc::PERMISSION_DENIED);
  v1::BanRequest ban;
  v1::BanResponse banned;
  ban.set_provider(NodeId{{5}}.ToHex());
  EXPECT_EQ(Call(*remotes, &v1::Remotes::Stub::Ban, ban, &banned).error_code(),
            grpc::PERMISSION_DENIED);
  v1::ListBansResponse bans;
  EXPECT_TRUE(Call(*remotes, &v1::Remotes::Stub::ListBans, v1::ListBansRequest(), &bans).ok());
  EXPECT_EQ(bans.bans_size(), 0);
}

TEST_F(ServerTest, ADrainedDaemonKeepsWhatItHasAndTakesNoMore) {
  if (geteuid() != 0) GTEST_SKIP() << "only root drains";
  const auto downloads = v1::Downloads::NewStub(Channel());
  const auto blobs = v1::Blobs::NewStub(Channel());
  Queue(*downloads, 'a');
  v1::ReadRequest read;
  read.set_hash(Add(*blobs, "content"));
  const auto admin = v1::Admin::NewStub(Channel());
  v1::DrainResponse drained;
  ASSERT_TRUE(Call(*admin, &v1::Admin::Stub::Drain, v1::DrainRequest(), &drained).ok());
  EXPECT_EQ(drained.unfinished_requests(), 1u);
  EXPECT_TRUE(Call(*admin, &v1::Admin::Stub::Drain, v1::DrainRequest(), &drained).ok());
  v1::StatusResponse status;
  ASSERT_TRUE(Call(*admin, &v1::Admin::Stub::Status, v1::StatusRequest(), &status).ok());
  EXPECT_EQ(status.state(), "draining");
  v1::QueueRequest queue;
  v1::QueueResponse queued;
  queue.add_items()->mutable_kind()->set_hash(std::string(64, 'b'));
  EXPECT_EQ(Call(*downloads, &v1::Downloads::Stub::Queue, queue, &queued).error_code(),
            grpc::UNAVAILABLE);
  std::string content;
  EXPECT_TRUE(Read(*blobs, read, &content).ok());
  EXPECT_EQ(content, "content");
}

}  // namespace
}  // namespace blobd::rpc
