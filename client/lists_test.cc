// What commands ask the daemon for, and what they make of its answer.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/context.h"
#include "client/refusing_client.h"

namespace blobd::client {

// The program's own prints it.
int Fail(const Status& status) { return ExitCodeOf(status); }

namespace {

// Answers with what a test puts here, and remembers what it was asked.
class FakeDaemon final : public RefusingClient {
 public:
  StatusOr<v1::ListRequestsResponse> ListRequests(const v1::ListRequestsRequest& request) override {
    asked.push_back(request.ShortDebugString());
    return requests;
  }
  StatusOr<v1::ListTransfersResponse> ListTransfers(
      const v1::ListTransfersRequest& request) override {
    asked.push_back(request.ShortDebugString());
    return v1::ListTransfersResponse();
  }
  StatusOr<v1::ListIntentsResponse> ListIntents(const v1::ListIntentsRequest& request) override {
    asked.push_back(request.ShortDebugString());
    return v1::ListIntentsResponse();
  }
  StatusOr<v1::ListRemotesResponse> ListRemotes(const v1::ListRemotesRequest& request) override {
    asked.push_back(request.ShortDebugString());
    return v1::ListRemotesResponse();
  }
  StatusOr<v1::CancelResponse> Cancel(const v1::CancelRequest& request) override {
    v1::CancelResponse response;
    *response.mutable_cancelled() = request.intent_ids();
    return response;
  }
  StatusOr<v1::Intent> GetIntent(uint64_t) override {
    v1::Intent intent;
    *intent.mutable_kind() = requests.requests(0).kind();
    return intent;
  }
  StatusOr<v1::ListBlobsResponse> ListBlobs(const v1::ListBlobsRequest& request) override {
    asked.push_back(request.ShortDebugString());
    return blobs;
  }
  StatusOr<v1::WhyResponse> Why(const v1::WhyRequest&) override { return why; }
  StatusOr<v1::ListBansResponse> ListBans(const v1::ListBansRequest&) override { return bans; }
  StatusOr<v1::Transfer> GetTransfer(uint64_t id) override {
    if (id != transfer.transfer_id()) return NotFound("there was no transfer {}", id);
    return transfer;
  }
  StatusOr<v1::CancelTransferResponse> CancelTransfer(uint64_t id) override {
    asked.push_back(std::to_string(id));
    v1::CancelTransferResponse response;
    response.set_cancelled(id % 2 == 1);
    return response;
  }
  Status WatchTransfers(
      const v1::WatchTransfersRequest& request,
      const std::function<void(const v1::WatchTransfersResponse&)>& on_change) override {
    asked.push_back(request.ShortDebugString());
    for (const v1::WatchTransfersResponse& change : changes) on_change(change);
    return Unavailable("gone");
  }

  std::vector<std::string> asked;
  v1::ListRequestsResponse requests;
  v1::ListBlobsResponse blobs;
  v1::WhyResponse why;
  v1::ListBansResponse bans;
  v1::Transfer transfer;
  std::vector<v1::WatchTransfersResponse> changes;

 protected:
  Status Refusal() const override { return Internal("no command of this test asks that"); }
};

class Lists : public testing::Test {
 protected:
  Lists() {
    auto daemon = std::make_unique<FakeDaemon>();
    daemon_ = daemon.get();
    context_.daemon = std::move(daemon);
  }
  // What `run` prints.
  template <typename Run>
  std::string Printed(const Run& run, int code = kExitDone) {
    testing::internal::CaptureStdout();
    EXPECT_EQ(run(), code);
    FlushOutput();
    return testing::internal::GetCapturedStdout();
  }

  Interrupt interrupt_;
  Context context_{"", {}, interrupt_, nullptr};
  FakeDaemon* daemon_;
};

TEST_F(Lists, AskForWhatIsChosen) {
  constexpr const char* kIntents =
      "page_size: 1000 states: INTENT_STATE_CANCELLED states: INTENT_STATE_FAILED "
      "newest_first: true";
  constexpr const char* kTransfers =
      "page_size: 1000 provider: \"https://mirror.example/\" states: "
      "TRANSFER_STATE_CANCELLED states: TRANSFER_STATE_FAILED newest_first: true";
  constexpr const char* kRemotes =
      "page_size: 1000 states: REMOTE_STATE_CONNECTED states: REMOTE_STATE_DIALLING "
      "banned_only: true";
  ListOptions options;
  options.states = {"cancelled", "failed"};
  options.newest_first = true;
  Printed([&] { return RunIntents(context_, options); });
  options.provider = "https://mirror.example/";
  Printed([&] { return RunTransfers(context_, options); });
  options.states = {"paused"};
  Printed([&] { return RunRequests(context_, options); });
  options.states = {"connected", "dialling"};
  options.banned = true;
  Printed([&] { return RunRemotes(context_, options); });
  Printed([&] { return RunIntents(context_, {}); });
  Printed([&] { return RunTransfers(context_, {}); });
  EXPECT_EQ(daemon_->asked, (std::vector<std::string>{
                                kIntents, kTransfers, "page_size: 1000 states: INTENT_STATE_PAUSED",
                                kRemotes, "page_size: 1000 scope: INTENT_SCOPE_UNFINISHED",
                                "page_size: 1000 running_only: true"}));
}

TEST_F(Lists, BlobsAreSortedBySizeOrHash) {
  for (const auto& [hash, size] : {std::pair("aa", 1u), {"bb", 3u}, {"cc", 2u}, {"dd", 3u}}) {
    v1::Blob& blob = *daemon_->blobs.add_blobs();
    blob.set_hash(hash);
    blob.set_size(size);
  }
  context_.style.quiet = true;
  ListOptions options;
  const auto listed = [&] { return Printed([&] { return RunBlobs(context_, options); }); };
  EXPECT_EQ(listed(), "aa\nbb\ncc\ndd\n");
  options.sort = "size";
  EXPECT_EQ(listed(), "bb\ndd\ncc\naa\n") << "the largest first";
  options.newest_first = true;
  EXPECT_EQ(listed(), "aa\ncc\ndd\nbb\n");
  options.limit = 2;
  EXPECT_EQ(listed(), "aa\ncc\n") << "of all, and not of the first page";
  EXPECT_EQ(daemon_->asked.back(), "page_size: 1000");
  options.sort = "";
  EXPECT_EQ(listed(), "dd\ncc\n");
}

TEST_F(Lists, WhoElseWantsWhatIsCancelledIsSaid) {
  v1::Request& request = *daemon_->requests.add_requests();
  request.mutable_kind()->set_hash(std::string(64, 'a'));
  for (const uint64_t id : {7u, 8u, 9u}) request.add_intent_ids(id);
  EXPECT_EQ(Printed([&] {
              return RunCancel(context_, {7, 8});
            }),
            "intent 7 cancelled; others still want it, and it goes on for them: 9\n"
            "intent 8 cancelled; others still want it, and it goes on for them: 9\n");
  EXPECT_EQ(Printed([&] {
              return RunCancel(context_, {7, 8, 9});
            }),
            "intent 7 cancelled\nintent 8 cancelled\nintent 9 cancelled\n");
}

TEST_F(Lists, WhyHasTheDeadlineAndWhatEndsABan) {
  daemon_->why.mutable_intent()->set_intent_id(7);
  daemon_->why.mutable_intent()->set_deadline_unix_ms(1);
  v1::RequestWhy& request = *daemon_->why.add_requests();
  request.set_state(v1::INTENT_STATE_WAITING);
  request.set_sentence("waits for a provider: none is known");
  request.add_waits()->set_fact(v1::WAIT_FACT_PROVIDER);
  const auto said = [&] { return Printed([&] { return RunWhy(context_, "7"); }); };
  EXPECT_NE(said().find("its deadline is in 0 ms"), std::string::npos);
  EXPECT_EQ(said().find("banned"), std::string::npos);
  daemon_->bans.add_bans()->set_provider("https://a.example/x");
  EXPECT_NE(said().find("\"blobctl bans\" says who is"), std::string::npos);
  v1::ProviderWhy& provider = *request.add_providers();
  provider.set_provider("https://a.example/x");
  provider.set_standing(v1::PROVIDER_STANDING_BANNED);
  EXPECT_NE(said().find("\"blobctl unban https://a.example/x\", for root, ends that"),
            std::string::npos);
  EXPECT_EQ(said().find("\"blobctl bans\""), std::string::npos);
  provider.set_provider("https://a.example/x?...");
  EXPECT_NE(said().find("\"blobctl unban PROVIDER\""), std::string::npos);
}

TEST_F(Lists, RequestsSayHowTheyStand) {
  v1::Request& running = *daemon_->requests.add_requests();
  running.mutable_kind()->set_hash(std::string(64, 'a'));
  running.set_state(v1::INTENT_STATE_RUNNING);
  running.set_total_bytes(2000);
  running.set_verified_bytes(500);
  running.set_unproven_bytes(500);
  running.add_transfer_ids(4);
  running.set_intents(3);
  v1::Request& waiting = *daemon_->requests.add_requests();
  waiting.mutable_kind()->set_hash(std::string(64, 'b'));
  waiting.mutable_kind()->set_format(v1::BLOB_FORMAT_HASH_SEQ);
  waiting.set_state(v1::INTENT_STATE_WAITING);
  waiting.set_waits_for("waits for \x1b[2Ja provider");
  waiting.set_intents(1);
  EXPECT_EQ(
      Printed([&] { return RunRequests(context_, {}); }),
      "HASH        FORMAT    STATE    PROGRESS  SIZE      RATE  TRANSFERS  INTENTS  WAITS FOR\n"
      "aaaaaaaaaa  raw       running  50 %      1.95 KiB  -     1          3        -\n"
      "bbbbbbbbbb  hash_seq  waiting  -         -         -     0          1        "
      "waits for \\x1b[2Ja provider\n");
  context_.style.quiet = true;
  EXPECT_EQ(Printed([&] { return RunRequests(context_, {}); }),
            std::string(64, 'a') + "\n" + std::string(64, 'b') + "\n");
}

TEST_F(Lists, OneTransfer) {
  daemon_->transfer.set_transfer_id(7);
  daemon_->transfer.set_state(v1::TRANSFER_STATE_FAILED);
  daemon_->transfer.set_reason("drop provider: wrong \x1b[31mbytes");
  daemon_->transfer.set_provider("https://mirror.example/");
  daemon_->transfer.set_finished_unix_ms(1);
  daemon_->transfer.add_intent_ids(3);
  daemon_->transfer.set_intents(1500);
  const std::string text = Printed([&] { return RunTransfer(context_, 7); });
  for (const char* line :
       {"Transfer   7\n", "State      failed: drop provider: wrong \\x1b[31mbytes\n",
        "Provider   https://mirror.example/\n", "Intents    3 and 1499 more\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << text;
  }
  EXPECT_EQ(Printed([&] { return RunTransfer(context_, 8); }, kExitNotFound), "");
  EXPECT_EQ(Printed([&] {
              return RunCancelTransfers(context_, {7, 8});
            }),
            "transfer 7 stopped; its part goes to another provider, or here again later\n"
            "transfer 8 had ended already; nothing to stop\n");
}

TEST_F(Lists, WatchedTransfers) {
  daemon_->changes.resize(2);
  daemon_->changes[0].add_transfers()->set_transfer_id(1);
  daemon_->changes[1].add_transfers()->set_transfer_id(2);
  daemon_->changes[1].add_gone_transfer_ids(1);
  context_.style.quiet = true;
  EXPECT_EQ(Printed([&] { return RunWatchTransfers(context_, {}); }, kExitUnreachable), "1\n2\n");
  context_.style.quiet = false;
  ListOptions all;
  all.all = true;
  const std::string text =
      Printed([&] { return RunWatchTransfers(context_, all); }, kExitUnreachable);
  EXPECT_EQ(text.find("TRANSFER"), text.rfind("TRANSFER")) << "the head comes once";
  EXPECT_NE(text.find("1  forgotten\n"), std::string::npos);
  EXPECT_EQ(daemon_->asked, (std::vector<std::string>{"running_only: true", ""}));
}

}  // namespace
}  // namespace blobd::client
