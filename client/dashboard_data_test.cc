// The document of the status page, and the history in it.
#include "client/dashboard_data.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace blobd::client {
namespace {

using nlohmann::json;

const std::string kHash(64, 'a');
const std::string kNode(64, 'b');
const std::string kMirror = "https://mirror.example/films/the%20film.mkv?x=1";
constexpr int64_t kNow = 1'700'000'000'000;

v1::Transfer TransferOf(uint64_t id, const std::string& provider, uint64_t verified, double rate) {
  v1::Transfer transfer;
  transfer.set_transfer_id(id);
  transfer.set_provider(provider);
  transfer.mutable_kind()->set_hash(kHash);
  transfer.mutable_kind()->set_format(v1::BLOB_FORMAT_RAW);
  transfer.set_state(v1::TRANSFER_STATE_RECEIVING);
  transfer.set_received_bytes(verified);
  transfer.set_verified_bytes(verified);
  transfer.set_rate(rate);
  transfer.set_started_unix_ms(kNow - 10'000);
  return transfer;
}

// One download from a node and a mirror, which has had two transfers; and one that waits.
DashboardState Busy() {
  DashboardState state;
  state.has_answered = true;
  state.top.status.set_state("running");
  state.top.status.set_download_rate(3000);
  state.top.transfers.push_back(TransferOf(1, kNode, 600, 2000));
  state.top.transfers.push_back(TransferOf(3, kMirror, 100, 1000));
  state.top.transfers.back().set_unproven_bytes(100);
  state.top.transfers.back().set_received_bytes(200);
  v1::Transfer ended = TransferOf(2, kMirror, 200, 0);
  ended.set_state(v1::TRANSFER_STATE_DONE);
  ended.set_finished_unix_ms(kNow - 5000);
  state.top.ended.push_back(ended);

  v1::Request& request = state.requests.running.emplace_back();
  request.mutable_kind()->set_hash(kHash);
  request.mutable_kind()->set_format(v1::BLOB_FORMAT_RAW);
  request.set_state(v1::INTENT_STATE_RUNNING);
  request.set_verified_bytes(1000);
  request.set_unproven_bytes(100);
  request.set_total_bytes(2000);
  request.set_rate(3000);
  request.add_intent_ids(7);
  request.set_intents(1);
  request.add_transfer_ids(1);
  request.add_transfer_ids(3);
  state.requests.intents[7] = {"", kNow - 20'000};

  v1::Request& waiting = state.requests.waiting.emplace_back();
  waiting.mutable_kind()->set_hash(std::string(64, 'c'));
  waiting.set_state(v1::INTENT_STATE_WAITING);
  waiting.set_waits_for("waits for a provider: none is known");
  waiting.add_intent_ids(8);
  v1::ProviderWhy& provider = *state.requests.whys[8].add_providers();
  provider.set_provider(kNode);
  provider.set_sentence("is tried again in 3 s");
  provider.set_last_error("connection refused");
  return state;
}

json DocumentOf(const DashboardState& state, const DashboardHistory& history = {}) {
  return json::parse(DashboardJson(state, history, kNow));
}

TEST(DashboardData, HasEachProvidersShare) {
  const json document = DocumentOf(Busy());
  ASSERT_EQ(document["downloads"].size(), 1u);
  const json& download = document["downloads"][0];
  EXPECT_EQ(download["file"], "the%20film.mkv");
  EXPECT_EQ(download["intent"], 7);
  EXPECT_EQ(download["total"], 2000);
  ASSERT_EQ(download["shares"].size(), 2u);
  EXPECT_EQ(download["shares"][0]["provider"], kNode);
  EXPECT_EQ(download["shares"][0]["bytes"], 600);
  EXPECT_DOUBLE_EQ(download["shares"][0]["share"].get<double>(), 0.6);
  EXPECT_EQ(download["shares"][0]["mirror"], false);
  EXPECT_EQ(download["shares"][1]["provider"], kMirror);
  EXPECT_EQ(download["shares"][1]["bytes"], 400);
  EXPECT_EQ(download["shares"][1]["running"], 1);
  EXPECT_EQ(download["shares"][1]["state"], "receiving");
  EXPECT_EQ(download["shares"][1]["mirror"], true);
}

// Each tells what is not proven of the blob, whoever sent it.
TEST(DashboardData, MirrorsOfOneBlobShareWhatIsNotProven) {
  constexpr uint64_t kMb = 1'000'000;
  DashboardState state = Busy();
  state.top.transfers.clear();
  state.top.ended.clear();
  const auto add = [](uint64_t id, const std::string& url, uint64_t received) {
    v1::Transfer transfer = TransferOf(id, url, 0, 0);
    transfer.set_received_bytes(received);
    transfer.set_unproven_bytes(1000 * kMb);
    return transfer;
  };
  state.top.transfers.push_back(add(1, "http://a.example/x", 900 * kMb));
  state.top.transfers.push_back(add(3, "http://b.example/x", 100 * kMb));
  // It was ended before any of what it sent was proven: none of that is known to be of use.
  v1::Transfer ended = add(2, "http://c.example/x", 50 * kMb);
  ended.set_unproven_bytes(0);
  ended.set_finished_unix_ms(kNow);
  state.top.ended.push_back(ended);
  const json shares = DocumentOf(state)["downloads"][0]["shares"];
  ASSERT_EQ(shares.size(), 3u);
  EXPECT_EQ(shares[0]["bytes"], 900 * kMb);
  EXPECT_DOUBLE_EQ(shares[0]["share"].get<double>(), 0.9);
  EXPECT_EQ(shares[1]["bytes"], 0);
  EXPECT_EQ(shares[2]["bytes"], 100 * kMb);
}

TEST(DashboardData, LeavesOutWhatEarlierDownloadsOfTheSameBrought) {
  DashboardState state = Busy();
  state.top.ended[0].set_started_unix_ms(kNow - 30'000);
  EXPECT_EQ(DocumentOf(state)["downloads"][0]["shares"][1]["bytes"], 200);
  // What nobody may know the hash of is not mixed with other such content.
  state = Busy();
  state.requests.running[0].mutable_kind()->clear_hash();
  state.top.ended[0].mutable_kind()->clear_hash();
  EXPECT_EQ(DocumentOf(state)["downloads"][0]["shares"][1]["bytes"], 200);
}

TEST(DashboardData, SaysWhatWasHereBefore) {
  DashboardState state = Busy();
  // 100 more than all transfers brought: it came between two answers.
  EXPECT_EQ(DocumentOf(state)["downloads"][0]["here_before"], 0);
  state.requests.running[0].set_verified_bytes(900 + (64 << 20));
  EXPECT_EQ(DocumentOf(state)["downloads"][0]["here_before"], 64 << 20);
}

TEST(DashboardData, SaysWhyThingsWait) {
  const json waiting = DocumentOf(Busy())["waiting"][0];
  EXPECT_EQ(waiting["state"], "waiting");
  EXPECT_EQ(waiting["sentence"], "waits for a provider: none is known");
  EXPECT_EQ(waiting["providers"][0]["sentence"], "is tried again in 3 s");
  EXPECT_EQ(waiting["providers"][0]["last_error"], "connection refused");
}

TEST(DashboardData, ListsWhoIsAtWorkFirst) {
  DashboardState state = Busy();
  v1::Remote& remote = state.top.remotes.emplace_back();
  remote.set_node_id(kNode);
  remote.set_state(v1::REMOTE_STATE_CONNECTED);
  remote.set_connected_address("192.0.2.1:11205");
  remote.set_download_rate(2000);
  remote.add_paths()->set_rtt_us(7500);
  remote.add_transfer_ids(1);
  v1::Remote& idle = state.top.remotes.emplace_back();
  idle.set_node_id(std::string(64, '0'));
  idle.set_state(v1::REMOTE_STATE_DIALLING);
  idle.set_last_failure_unix_ms(kNow);
  idle.set_last_failure("the handshake took too long");
  const json providers = DocumentOf(state)["providers"];
  ASSERT_EQ(providers.size(), 3u);
  EXPECT_EQ(providers[0]["provider"], kNode);
  EXPECT_EQ(providers[0]["address"], "192.0.2.1:11205");
  EXPECT_EQ(providers[0]["rtt_us"], 7500);
  EXPECT_EQ(providers[1]["provider"], kMirror);
  EXPECT_EQ(providers[1]["transfers"], 1);
  EXPECT_EQ(providers[2]["state"], "dialling");
  EXPECT_EQ(providers[2]["trouble"], "the handshake took too long");
}

TEST(DashboardData, IsBounded) {
  DashboardState state = Busy();
  for (int i = 0; i < 1000; ++i)
    state.top.transfers.push_back(
        TransferOf(100 + static_cast<uint64_t>(i), "http://m/" + std::to_string(i), 1, 1));
  for (int i = 0; i < 150; ++i) {
    state.requests.running.front().add_transfer_ids(100 + static_cast<uint64_t>(i));
    state.requests.whys[8].add_providers()->set_provider("http://m/" + std::to_string(i));
  }
  const json document = DocumentOf(state);
  EXPECT_EQ(document["providers"].size(), 100u);
  EXPECT_EQ(document["providers_more"], 901);
  EXPECT_EQ(document["downloads"][0]["shares"].size(), 100u);
  EXPECT_EQ(document["downloads"][0]["shares_more"], 52);
  EXPECT_EQ(document["waiting"][0]["providers"].size(), 100u);
  EXPECT_EQ(document["waiting"][0]["providers_more"], 51);
}

TEST(DashboardData, TextOfOthersIsKeptAndIsAlwaysJson) {
  DashboardState state = Busy();
  const std::string hostile = "</script><script>alert(1)</script>\x01\"\\\xe2\x80\xae";
  state.requests.intents[7].label = hostile;
  EXPECT_EQ(DocumentOf(state)["downloads"][0]["label"], hostile);
  state.requests.intents[7].label = "\xff";
  EXPECT_EQ(DocumentOf(state)["downloads"][0]["label"], "\xef\xbf\xbd");
}

TEST(DashboardData, WithoutAnAnswerThereIsOnlyTheTrouble) {
  DashboardState state;
  state.top.trouble = "blobd is not running";
  const json document = DocumentOf(state);
  EXPECT_EQ(document["answered"], false);
  EXPECT_EQ(document["trouble"], "blobd is not running");
  EXPECT_FALSE(document.contains("status"));
}

TEST(DashboardHistory, KeepsFiveMinutes) {
  DashboardHistory history;
  for (int second = 0; second < 1000; ++second) history.Add({kNow + second * 1000, 1, 2, {}});
  EXPECT_EQ(history.samples().size(), 301u);
  EXPECT_EQ(history.samples().back().unix_ms, kNow + 999'000);
}

TEST(DashboardHistory, AClockThatIsSetBackLeavesNoTimesToCome) {
  DashboardHistory history;
  for (int second = 0; second < 100; ++second) history.Add({kNow + second * 1000, 1, 2, {}});
  history.Add({kNow + 9'500, 3, 3, {}});
  EXPECT_EQ(history.samples().size(), 11u);
  EXPECT_EQ(history.samples().back().unix_ms, kNow + 9'500);
}

TEST(DashboardHistory, ThePlotHasTheForemostProviders) {
  DashboardHistory history;
  DashboardHistory::Sample sample = SampleOf(Busy().top, kNow);
  EXPECT_EQ(sample.down, 3000);
  for (int i = 0; i < 100; ++i) sample.providers["slow" + std::to_string(i)] = 1;
  history.Add(sample);
  EXPECT_EQ(history.samples().back().providers.size(), 32u);
  EXPECT_EQ(history.Foremost(2), (std::vector<std::string>{kNode, kMirror}));
  const json plotted = DocumentOf(Busy(), history)["history"];
  EXPECT_EQ(plotted["ms"].size(), 1u);
  EXPECT_EQ(plotted["down"][0], 3000);
  ASSERT_EQ(plotted["providers"].size(), 6u);
  EXPECT_EQ(plotted["providers"][0]["provider"], kNode);
  EXPECT_EQ(plotted["providers"][0]["down"][0], 2000);
}

}  // namespace
}  // namespace blobd::client
