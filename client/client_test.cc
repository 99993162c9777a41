#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "base/error_reason.h"
#include "base/time.h"
#include "client/client.h"
#include "client/context.h"
#include "client/descriptor.h"
#include "client/exit_code.h"
#include "client/field_names.h"
#include "client/pages.h"
#include "client/progress_line.h"
#include "client/reason.h"
#include "client/wait_notes.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace blobd::client {
namespace {

TEST(Naming, ProvidersOnTheCommandLine) {
  const auto bare = ProviderOf("abc");
  EXPECT_EQ(bare->node().node_id(), "abc");
  EXPECT_EQ(bare->node().addresses_size(), 0);
  const auto with = ProviderOf("abc@192.0.2.1:1,[::1]:2");
  ASSERT_EQ(with->node().addresses_size(), 2);
  EXPECT_EQ(with->node().addresses(1), "[::1]:2");
  EXPECT_EQ(ProviderOf("https://h/x")->mirror_url(), "https://h/x");
  for (const char* text : {"abc@", "abc@1.2.3.4:5,", "abc@,1.2.3.4:5"})
    EXPECT_FALSE(ProviderOf(text).ok());
}

TEST(Naming, WantedThings) {
  const std::string hash(64, 'a');
  EXPECT_EQ(ItemOf(hash, {})->kind().format(), v1::BLOB_FORMAT_RAW);
  EXPECT_EQ(ItemOf("s" + hash, {})->kind().format(), v1::BLOB_FORMAT_HASH_SEQ);
  EXPECT_EQ(ItemOf("blobabc", {})->ticket(), "blobabc");
  QueueOptions options;
  options.deadline_ms = 60'000;
  EXPECT_GT(ItemOf(hash, options)->deadline_unix_ms(), SystemClock().WallNow().unix_ms + 50'000);
  EXPECT_FALSE(ItemOf(hash, options)->has_patience_ms());
}

TEST(Naming, KindsOfBlobsAndCollections) {
  const std::string hash(64, 'a');
  EXPECT_EQ(KindOf(hash).hash(), hash);
  EXPECT_EQ(KindOf(hash).format(), v1::BLOB_FORMAT_RAW);
  EXPECT_EQ(KindOf("s" + hash).hash(), hash);
  EXPECT_EQ(KindOf("s" + hash).format(), v1::BLOB_FORMAT_HASH_SEQ);
  EXPECT_EQ(KindOf("nonsense").hash(), "nonsense") << "the daemon says what is wrong with it";
}

TEST(Naming, WhatIsWrittenAsAHashIsNoTag) {
  const std::string hex(64, 'a');
  for (const std::string& text : {hex, "s" + hex, std::string(64, '7'), std::string(52, 'b')})
    EXPECT_TRUE(IsHashSyntax(text)) << text;
  for (const std::string& text :
       {std::string(), std::string("a"), std::string(63, 'a'), std::string(64, 'g'), "t" + hex,
        "s" + std::string(63, 'a') + "/", std::string(52, '/')})
    EXPECT_FALSE(IsHashSyntax(text)) << text;
  EXPECT_EQ(NameOf(KindOf("s" + hex)), "s" + hex);
  EXPECT_EQ(NameOf(KindOf(hex)), hex);
}

TEST(Pages, AreCollectedUntilTheLastOrTheLimit) {
  // A list of 2,500 rows; the token says where the next page begins.
  int asked = 0;
  const auto next =
      [&](const v1::ListRemotesRequest& request) -> StatusOr<v1::ListRemotesResponse> {
    ++asked;
    v1::ListRemotesResponse page;
    int at = request.page_token().empty() ? 0 : std::stoi(request.page_token());
    for (uint32_t i = 0; i < request.page_size() && at < 2500; ++i)
      page.add_remotes()->set_node_id(std::to_string(at++));
    if (at < 2500) page.set_next_page_token(std::to_string(at));
    return page;
  };
  const auto collect = [&](uint32_t limit) {
    asked = 0;
    v1::ListRemotesResponse all;
    EXPECT_TRUE(CollectPages(
                    v1::ListRemotesRequest(), limit, next,
                    [](v1::ListRemotesResponse* r) { return r->mutable_remotes(); }, &all)
                    .ok());
    return all;
  };
  EXPECT_EQ(collect(0).remotes_size(), 2500);
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(collect(0).remotes(2499).node_id(), "2499");
  EXPECT_EQ(collect(1200).remotes_size(), 1200);
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(collect(1200).next_page_token(), "1200");
}

TEST(ExitCode, OfEndedIntents) {
  v1::Intent intent;
  const auto code = [&](v1::IntentState state) {
    intent.set_state(state);
    return ExitCodeOf(intent);
  };
  EXPECT_EQ(code(v1::INTENT_STATE_DONE), kExitDone);
  EXPECT_EQ(code(v1::INTENT_STATE_CANCELLED), kExitCancelled);
  EXPECT_EQ(code(v1::INTENT_STATE_NO_PROVIDERS), kExitNoProvider);
  EXPECT_EQ(code(v1::INTENT_STATE_DEADLINE_EXCEEDED), kExitTimeout);
  EXPECT_EQ(code(v1::INTENT_STATE_FAILED), kExitFailed);
  intent.add_failures()->set_outcome(v1::FAILURE_OUTCOME_DROP_PROVIDER);
  EXPECT_EQ(code(v1::INTENT_STATE_FAILED), kExitMismatch);
  intent.add_failures()->set_outcome(v1::FAILURE_OUTCOME_NOT_HERE);
  EXPECT_EQ(code(v1::INTENT_STATE_FAILED), kExitFailed);
  // Nobody who was named can be reached, or has it.
  intent.mutable_failures(0)->set_outcome(v1::FAILURE_OUTCOME_RETRY_LATER);
  EXPECT_EQ(code(v1::INTENT_STATE_FAILED), kExitNoProvider);
  v1::ProviderFailure& refusal = *intent.add_failures();
  refusal.set_outcome(v1::FAILURE_OUTCOME_ABORT_REQUEST);
  EXPECT_EQ(code(v1::INTENT_STATE_FAILED), kExitFailed);
  refusal.set_provider("https://mirror.example/file");
  refusal.set_reason("abort request: the server answers 403");
  EXPECT_EQ(code(v1::INTENT_STATE_FAILED), kExitFailed);
  refusal.set_reason("abort request: the server answers 404");
  EXPECT_EQ(code(v1::INTENT_STATE_FAILED), kExitNoProvider);
}

TEST(ExitCode, ReasonsGoBeforeCodes) {
  EXPECT_EQ(ExitCodeOf(ErrorFor(blobd::Reason::kDiskFull, "no")), kExitNoSpace);
  EXPECT_EQ(ExitCodeOf(ErrorFor(blobd::Reason::kDiskReadOnly, "no")), kExitNoSpace);
  EXPECT_EQ(ExitCodeOf(ErrorFor(blobd::Reason::kIntentQuota, "no")), kExitNoSpace);
  EXPECT_EQ(ExitCodeOf(ErrorFor(blobd::Reason::kAlreadyRunning, "no")), kExitFailed);
  EXPECT_EQ(ExitCodeOf(ErrorFor(blobd::Reason::kTooManyCommands, "no")), kExitFailed);
  EXPECT_EQ(ExitCodeOf(ErrorFor(blobd::Reason::kDraining, "no")), kExitUnreachable);
  EXPECT_EQ(ExitCodeOf(ErrorFor(blobd::Reason::kRegistryDamaged, "no")), kExitFailed);
  EXPECT_EQ(ExitCodeOf(ErrorFor(blobd::Reason::kBlobDamaged, "no")), kExitMismatch);
  EXPECT_EQ(ExitCodeOf(PermissionDenied("no")), kExitPermission);
}

TEST(ExitCode, ReasonsAreTakenFromWhatTheDaemonSends) {
  const auto code_of = [](const std::string& domain, const std::string& reason) {
    google::rpc::ErrorInfo info;
    info.set_domain(domain);
    info.set_reason(reason);
    google::rpc::Status details;
    details.add_details()->PackFrom(info);
    Status status = ResourceExhausted("no");
    AddReason(details.SerializeAsString(), &status);
    return ExitCodeOf(status);
  };
  EXPECT_EQ(code_of("blobd", "ALREADY_RUNNING"), kExitFailed);
  EXPECT_EQ(code_of("blobd", "OF_ANOTHER_AGE"), kExitNoSpace) << "a newer daemon's";
  EXPECT_EQ(code_of("example.org", "ALREADY_RUNNING"), kExitNoSpace) << "nobody's";
}

TEST(ExitCode, OurOwnFilesAreNoAnswerOfTheDaemon) {
  for (const int error : {ENOENT, EACCES, EMFILE, EIO, EEXIST, EISDIR})
    EXPECT_EQ(ExitCodeOf(FileError(error, "open x")), kExitFailed) << error;
  EXPECT_EQ(ExitCodeOf(FileError(ENOSPC, "write x")), kExitNoSpace);
  EXPECT_EQ(FileError(ENOENT, "open x").message(), "open x: No such file or directory");
}

TEST(FieldNames, BecomeWhatWasTyped) {
  const auto said = [](const std::string& field, const std::string& rest) {
    google::rpc::ErrorInfo info;
    info.set_domain("blobd");
    info.set_reason("MALFORMED_NODE_ID");
    auto& known = *info.add_metadata();
    known.set_key("field");
    known.set_value(field);
    google::rpc::Status details;
    details.add_details()->PackFrom(info);
    Status status = InvalidArgument("{}: {}", field, rest);
    AddReason(details.SerializeAsString(), &status);
    return InWordsOfOptions(status);
  };
  EXPECT_EQ(said("items[0].providers[1].node.node_id", "\"x\" is no node id"),
            "--from: \"x\" is no node id; write NODE_ID, NODE_ID@IP:PORT or a URL");
  EXPECT_EQ(said("items[12].ticket", "it is cut"), "WANTED: it is cut");
  EXPECT_EQ(said("items[0].label", "longer"), "--label: longer");
  EXPECT_EQ(said("changes[0].name", "there is no limit"), "NAME=VALUE: there is no limit");
  EXPECT_EQ(said("reset[0]", "there is no limit"), "--reset: there is no limit");
  EXPECT_EQ(said("connections", "0 is too little"), "connections: 0 is too little");
  EXPECT_EQ(InWordsOfOptions(InvalidArgument("items[0]: no field")), "items[0]: no field");
}

TEST(WaitReasons, AreSaidOnceAndNotBeforeTheyLast) {
  const WaitReasons::Time begin{};
  v1::Intent intent;
  intent.set_intent_id(7);
  intent.set_state(v1::INTENT_STATE_PARKED);
  intent.set_waits_for("waits for 1 provider to be tried again in 3 s");
  WaitReasons reasons;
  reasons.Look(intent, begin);
  EXPECT_EQ(reasons.Next(begin + seconds(4)), "");
  EXPECT_EQ(reasons.Next(begin + seconds(5)),
            "waiting: intent 7 waits for 1 provider to be tried again in 3 s");
  EXPECT_EQ(reasons.Next(begin + seconds(6)), "");
  intent.set_waits_for("waits for 1 provider to be tried again in 12 s");
  reasons.Look(intent, begin + seconds(7));
  EXPECT_EQ(reasons.Next(begin + seconds(9)), "") << "the same, with other numbers";
  intent.set_waits_for("waits for a running dial");
  reasons.Look(intent, begin + seconds(10));
  EXPECT_NE(reasons.Next(begin + seconds(10)), "") << "it has stood still since the beginning";
  intent.set_state(v1::INTENT_STATE_RUNNING);
  reasons.Look(intent, begin + seconds(11));
  EXPECT_EQ(reasons.Next(begin + seconds(60)), "");
  intent.set_state(v1::INTENT_STATE_WAITING);
  intent.set_waits_for("waits for its turn");
  reasons.Look(intent, begin + seconds(61));
  EXPECT_EQ(reasons.Next(begin + seconds(62)), "");
}

TEST(ProgressText, FitsTheTerminal) {
  const std::string wide = ProgressText("abcdef", 512 << 20, 1 << 30, "100 MB/s", 100);
  EXPECT_NE(wide.find("[====================>"), std::string::npos) << wide;
  EXPECT_NE(wide.find("50 %  512 MiB of 1 GiB  100 MB/s"), std::string::npos) << wide;
  const std::string narrow = ProgressText("abcdef", 512 << 20, 1 << 30, "100 MB/s", 45);
  EXPECT_EQ(narrow.find('['), std::string::npos);
  EXPECT_LE(narrow.size(), 45u);
  EXPECT_EQ(ProgressText("abcdef", 100, 0, "", 80), "abcdef  100 B");
  EXPECT_EQ(ProgressText("abcdef0123", 512 << 20, 1 << 30, "1.25 MB/s  ETA 1 min 2 s", 46),
            "abcdef0123  50 %  1.25 MB/s  ETA 1 min 2 s")
      << "what it takes yet is worth more than what is here";
  const std::string tail = "12/40 blobs  1.25 MB/s  ETA 1 min 2 s";
  EXPECT_EQ(ProgressText("abcdef0123", 512 << 20, 1 << 30, tail, 79),
            "abcdef0123  50 %  512 MiB of 1 GiB  " + tail);
  EXPECT_EQ(ProgressText("abcdef0123", 512 << 20, 1 << 30, tail, 84),
            "abcdef0123 [====>   ]  50 %  512 MiB of 1 GiB  " + tail);
  const std::string widest = ProgressText("abcdef0123", 512 << 20, 1 << 30, tail, 199);
  EXPECT_NE(widest.find("[" + std::string(30, '=') + ">" + std::string(29, ' ') + "]"),
            std::string::npos)
      << widest;
  EXPECT_NE(ProgressText("abcdef", (1 << 30) - 1, 1 << 30, "", 80).find(" 99 %"), std::string::npos)
      << "100 % is all";
}

TEST(ProgressText, CountsWhatACollectionHas) {
  EXPECT_EQ(CountText("blobs     ", 12, 40, 40), "blobs      [==>     ]  30 %  12 of 40");
  EXPECT_EQ(CountText("blobs     ", 12, 40, 26), "blobs       30 %  12 of 40");
  EXPECT_EQ(CountText("blobs     ", 12, 40, 20), "blobs       30 %");
  EXPECT_EQ(CountText("blobs     ", 40, 40, 40), "blobs      [========] 100 %  40 of 40");
}

}  // namespace
}  // namespace blobd::client
