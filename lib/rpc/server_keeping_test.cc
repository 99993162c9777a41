// Calls of the API that concern what is kept: tags, leases, garbage collection, removal,
// verification; and who may call them.
#include <gtest/gtest.h>

#include <fstream>

#include "rpc/server_for_test.h"

namespace blobd::rpc {
namespace {

class KeepingServerTest : public ServerTest {
 protected:
  KeepingServerTest()
      : root_(Channel()),
        blobs_(v1::Blobs::NewStub(root_)),
        tags_(v1::Tags::NewStub(root_)),
        member_(ChannelOfAMember()) {
    if (member_ == nullptr) return;
    member_blobs_ = v1::Blobs::NewStub(member_);
    member_tags_ = v1::Tags::NewStub(member_);
  }

  static grpc::StatusCode Set(v1::Tags::Stub& stub, const std::string& name,
                              const std::string& hash, bool is_private = false) {
    v1::SetTagRequest request;
    v1::SetTagResponse response;
    request.set_name(name);
    request.mutable_kind()->set_hash(hash);
    request.set_is_private(is_private);
    return Call(stub, &v1::Tags::Stub::Set, request, &response).error_code();
  }
  static grpc::StatusCode Delete(v1::Tags::Stub& stub, const std::string& name) {
    v1::DeleteTagRequest request;
    v1::DeleteTagResponse response;
    request.set_name(name);
    return Call(stub, &v1::Tags::Stub::Delete, request, &response).error_code();
  }
  static v1::ListTagsResponse List(v1::Tags::Stub& stub, const v1::ListTagsRequest& request) {
    v1::ListTagsResponse response;
    const grpc::Status status = Call(stub, &v1::Tags::Stub::List, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  static v1::KeptBecause Why(v1::Blobs::Stub& stub, const std::string& hash) {
    v1::WhyKeptRequest request;
    v1::WhyKeptResponse response;
    request.set_hash(hash);
    EXPECT_TRUE(Call(stub, &v1::Blobs::Stub::WhyKept, request, &response).ok());
    return response.keepings().empty() ? v1::KEPT_BECAUSE_UNSPECIFIED
                                       : response.keepings(0).because();
  }
  static grpc::StatusCode Remove(v1::Blobs::Stub& stub, const std::string& hash,
                                 bool force = false) {
    v1::RemoveRequest request;
    v1::RemoveResponse response;
    request.add_hashes(hash);
    request.set_force(force);
    return Call(stub, &v1::Blobs::Stub::Remove, request, &response).error_code();
  }
  static uint64_t QueueHash(v1::Downloads::Stub& stub, const std::string& hash) {
    v1::QueueRequest request;
    v1::QueueResponse response;
    request.add_items()->mutable_kind()->set_hash(hash);
    const grpc::Status status = Call(stub, &v1::Downloads::Stub::Queue, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.intents_size() == 1 ? response.intents(0).intent_id() : 0;
  }
  static v1::ListIntentsResponse Intents(v1::Downloads::Stub& stub, const std::string& hash) {
    v1::ListIntentsRequest request;
    request.set_hash(hash);
    v1::ListIntentsResponse response;
    EXPECT_TRUE(Call(stub, &v1::Downloads::Stub::ListIntents, request, &response).ok());
    return response;
  }
  // A member is told everything about the intent but its hash, root that too.
  static void ExpectIntentHidden(v1::Downloads::Stub& root, v1::Downloads::Stub& member,
                                 uint64_t id, const std::string& hash) {
    for (v1::Downloads::Stub* stub : {&root, &member}) {
      const bool is_member = stub == &member;
      const std::string shown = is_member ? "" : hash;
      v1::GetIntentRequest request;
      request.set_intent_id(id);
      v1::Intent intent;
      ASSERT_TRUE(Call(*stub, &v1::Downloads::Stub::GetIntent, request, &intent).ok());
      EXPECT_EQ(intent.kind().hash(), shown);
      EXPECT_EQ(intent.intent_id(), id);
      const v1::ListIntentsResponse all = Intents(*stub, "");
      EXPECT_GT(all.intents_size(), 0);
      for (const v1::Intent& each : all.intents()) EXPECT_EQ(each.kind().hash(), shown);
      EXPECT_EQ(Intents(*stub, hash).intents().empty(), is_member);
      grpc::ClientContext context;
      v1::WatchIntentRequest watch;
      watch.set_intent_id(id);
      const auto stream = stub->WatchIntent(&context, watch);
      v1::WatchIntentResponse message;
      ASSERT_TRUE(stream->Read(&message));
      EXPECT_EQ(message.intent().kind().hash(), shown);
      context.TryCancel();
    }
  }
  void Damage(const std::string& hash, std::streamoff at) const {
    const std::string path =
        directory_.path() + "/blobs/" + hash.substr(0, 2) + "/" + hash + ".data";
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(at);
    file.put('x');
    ASSERT_TRUE(file.good()) << path;
  }
  // Of all blobs.
  static std::vector<v1::VerifyFinding> Verify(v1::Blobs::Stub& stub) {
    grpc::ClientContext context;
    const auto stream = stub.Verify(&context, v1::VerifyRequest());
    v1::VerifyResponse message;
    std::vector<v1::VerifyFinding> findings;
    while (stream->Read(&message))
      findings.insert(findings.end(), message.findings().begin(), message.findings().end());
    EXPECT_TRUE(stream->Finish().ok());
    return findings;
  }
  // The last counts, with all lists.
  static grpc::Status Collect(v1::Blobs::Stub& stub, bool dry_run,
                              v1::CollectGarbageResponse* all) {
    grpc::ClientContext context;
    v1::CollectGarbageRequest request;
    request.set_dry_run(dry_run);
    request.set_max_listed(10'000);
    const auto stream = stub.CollectGarbage(&context, request);
    v1::CollectGarbageResponse message;
    while (stream->Read(&message)) {
      if (message.finished()) *all = message;
      all->mutable_removed()->MergeFrom(message.removed());
      all->mutable_kept()->MergeFrom(message.kept());
    }
    return stream->Finish();
  }

  const std::shared_ptr<grpc::Channel> root_;
  const std::unique_ptr<v1::Blobs::Stub> blobs_;
  const std::unique_ptr<v1::Tags::Stub> tags_;
  const std::shared_ptr<grpc::Channel> member_;  // null if we cannot be one
  std::unique_ptr<v1::Blobs::Stub> member_blobs_;
  std::unique_ptr<v1::Tags::Stub> member_tags_;
};

TEST_F(KeepingServerTest, TagNamesAreChecked) {
  const std::string hash(64, 'a');
  for (const std::string& name :
       {std::string(), std::string(256, 'x'), std::string("a\nb"), std::string("a\x7f"),
        std::string("a\xc2\x85"), std::string("a\xff"), std::string("a\u202eb"),
        std::string("a\u200b"), std::string("\u2066a"), std::string(64, 'b'),
        "s" + std::string(64, 'b')}) {
    EXPECT_NE(Set(*tags_, name, hash), grpc::OK) << name;
  }
  EXPECT_EQ(Set(*tags_, std::string(255, 'x'), hash), grpc::OK);
  EXPECT_EQ(Set(*tags_, "a", "nonsense"), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(Delete(*tags_, "unknown"), grpc::NOT_FOUND);
}

TEST_F(KeepingServerTest, TagsAreListedByNamePageByPage) {
  for (const char* name : {"b/2", "a", "b/1", "c", "b/3"})
    ASSERT_EQ(Set(*tags_, name, std::string(64, 'a')), grpc::OK);
  v1::ListTagsRequest request;
  request.set_page_size(2);
  std::string names;
  do {
    const v1::ListTagsResponse page = List(*tags_, request);
    for (const v1::Tag& tag : page.tags()) names += tag.name() + " ";
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(names, "a b/1 b/2 b/3 c ");
  request.set_page_size(0);
  request.set_prefix("b/");
  EXPECT_EQ(List(*tags_, request).tags_size(), 3);
  request.set_name("c");
  EXPECT_EQ(List(*tags_, request).tags(0).name(), "c");
  request.set_name("d");
  EXPECT_EQ(List(*tags_, request).tags_size(), 0);
}

TEST_F(KeepingServerTest, WhoMayChangeAndSeeTags) {
  if (member_ == nullptr) GTEST_SKIP() << "cannot be another user";
  const std::string hash = Add(*blobs_, "content");
  ASSERT_EQ(Set(*tags_, "root's", hash), grpc::OK);
  ASSERT_EQ(Set(*member_tags_, "member's", hash), grpc::OK);
  EXPECT_EQ(Set(*member_tags_, "root's", hash), grpc::PERMISSION_DENIED);
  EXPECT_EQ(Delete(*member_tags_, "root's"), grpc::PERMISSION_DENIED);
  EXPECT_EQ(Delete(*tags_, "member's"), grpc::OK);
  const std::string secret = Add(*blobs_, "secret");
  ASSERT_EQ(Set(*tags_, "root's", secret, true), grpc::OK);
  EXPECT_FALSE(List(*member_tags_, {}).tags(0).has_kind());
  EXPECT_TRUE(List(*member_tags_, {}).tags(0).is_private());
  EXPECT_EQ(List(*tags_, {}).tags(0).kind().hash(), secret);
  // What others hide is not in the list of blobs either; what nobody tagged is.
  const std::string own = Add(*blobs_, "private, and nobody's", true);
  v1::ListBlobsResponse all;
  v1::ListBlobsResponse shown;
  ASSERT_TRUE(Call(*blobs_, &v1::Blobs::Stub::List, {}, &all).ok());
  ASSERT_TRUE(Call(*member_blobs_, &v1::Blobs::Stub::List, {}, &shown).ok());
  EXPECT_EQ(all.blobs_size(), 3);
  EXPECT_EQ(shown.blobs_size(), 2);
  for (const v1::Blob& blob : shown.blobs()) EXPECT_NE(blob.hash(), secret);
}

TEST_F(KeepingServerTest, WhatWasAddedIsLeased) {
  const std::string hash = Add(*blobs_, "content");
  EXPECT_EQ(Why(*blobs_, hash), v1::KEPT_BECAUSE_LEASED);
  EXPECT_EQ(Why(*blobs_, std::string(64, 'a')), v1::KEPT_BECAUSE_UNSPECIFIED);
  v1::CreateCollectionRequest collection;
  v1::CreateCollectionResponse made;
  v1::CollectionEntry* entry = collection.add_entries();
  entry->set_name("a");
  entry->set_hash(hash);
  ASSERT_TRUE(Call(*blobs_, &v1::Blobs::Stub::CreateCollection, collection, &made).ok());
  EXPECT_EQ(Why(*blobs_, made.hash()), v1::KEPT_BECAUSE_LEASED);
  if (member_ == nullptr) GTEST_SKIP() << "cannot be another user";
  EXPECT_EQ(Remove(*member_blobs_, hash), grpc::FAILED_PRECONDITION) << "root added it";
  EXPECT_EQ(Remove(*member_blobs_, hash, true), grpc::PERMISSION_DENIED);
  const std::string own = Add(*member_blobs_, "own");
  EXPECT_EQ(Remove(*blobs_, own), grpc::FAILED_PRECONDITION);
  EXPECT_EQ(Remove(*member_blobs_, own), grpc::OK);
  EXPECT_EQ(Remove(*blobs_, hash), grpc::OK);
  EXPECT_EQ(Remove(*blobs_, "nonsense"), grpc::INVALID_ARGUMENT);
}

TEST_F(KeepingServerTest, CollectingIsRoots) {
  const std::string hash = Add(*blobs_, "content");
  v1::CollectGarbageResponse dry;
  const grpc::Status status = Collect(*blobs_, true, &dry);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(dry.kept_blobs(), 1u);
  ASSERT_EQ(dry.kept_size(), 1);
  EXPECT_EQ(dry.kept(0).hash(), hash);
  EXPECT_EQ(dry.kept(0).because(), v1::KEPT_BECAUSE_LEASED);
  v1::CollectGarbageResponse real;
  ASSERT_TRUE(Collect(*blobs_, false, &real).ok());
  EXPECT_EQ(real.removed_blobs(), 0u);
  if (member_ == nullptr) GTEST_SKIP() << "cannot be another user";
  EXPECT_EQ(Collect(*member_blobs_, false, &real).error_code(), grpc::PERMISSION_DENIED);
  // What a private tag of somebody else names is not listed.
  ASSERT_EQ(Set(*tags_, "secret", hash, true), grpc::OK);
  v1::CollectGarbageResponse theirs;
  ASSERT_TRUE(Collect(*member_blobs_, true, &theirs).ok());
  EXPECT_EQ(theirs.kept_blobs(), 1u);
  EXPECT_EQ(theirs.kept_size(), 0);
}

TEST_F(KeepingServerTest, VerificationTellsWhatIsNotWell) {
  const std::string well = Add(*blobs_, std::string(300'000, 'w'));
  const std::string rotten = Add(*blobs_, std::string(300'000, 'r'));
  Damage(rotten, 100'000);
  grpc::ClientContext context;
  const auto stream = blobs_->Verify(&context, v1::VerifyRequest());
  v1::VerifyResponse message;
  std::vector<v1::VerifyFinding> findings;
  while (stream->Read(&message))
    findings.insert(findings.end(), message.findings().begin(), message.findings().end());
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_TRUE(message.finished());
  EXPECT_EQ(message.blobs(), 2u);
  EXPECT_EQ(message.failed_blobs(), 1u);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].hash(), rotten);
  EXPECT_EQ(findings[0].result(), v1::VERIFY_RESULT_ROTTEN);
  EXPECT_EQ(findings[0].rotten_groups(), 1u);
  EXPECT_NE(findings[0].intent_id(), 0u);
  EXPECT_EQ(Why(*blobs_, rotten), v1::KEPT_BECAUSE_WANTED);
  EXPECT_EQ(Remove(*blobs_, rotten), grpc::FAILED_PRECONDITION);
}

TEST_F(KeepingServerTest, HashesOfPrivateTagsOfOthersAreNotTold) {
  if (member_ == nullptr) GTEST_SKIP() << "cannot be another user";
  const auto downloads = v1::Downloads::NewStub(root_);
  const auto member = v1::Downloads::NewStub(member_);
  const std::string secret = Add(*blobs_, std::string(300'000, 's'));
  const uint64_t id = QueueHash(*downloads, secret);
  ASSERT_EQ(Set(*tags_, "plans", secret, true), grpc::OK);
  ExpectIntentHidden(*downloads, *member, id, secret);

  v1::WhyKeptRequest why;
  why.set_hash(secret);
  v1::WhyKeptResponse reasons;
  ASSERT_TRUE(Call(*member_blobs_, &v1::Blobs::Stub::WhyKept, why, &reasons).ok());
  ASSERT_GT(reasons.keepings_size(), 0);
  for (const v1::Keeping& keeping : reasons.keepings()) {
    EXPECT_EQ(keeping.tag(), "");
    EXPECT_EQ(keeping.because(), v1::KEPT_BECAUSE_TAGGED) << "not that it was added";
  }
  ASSERT_TRUE(Call(*blobs_, &v1::Blobs::Stub::WhyKept, why, &reasons).ok());
  EXPECT_EQ(reasons.keepings(0).tag(), "plans");

  // What is repaired is wanted, but still a secret.
  Damage(secret, 100'000);
  std::vector<v1::VerifyFinding> findings = Verify(*blobs_);
  ASSERT_EQ(findings.size(), 1u);
  ASSERT_NE(findings[0].intent_id(), 0u);
  ExpectIntentHidden(*downloads, *member, findings[0].intent_id(), secret);
  v1::NodesHaveRequest have;
  v1::NodesHaveResponse had;
  have.set_hash(secret);
  have.add_providers()->mutable_node()->set_node_id(kServed.ToHex());
  ASSERT_TRUE(Call(*member, &v1::Downloads::Stub::NodesHave, have, &had).ok());
  EXPECT_FALSE(had.wanted());
  ASSERT_TRUE(Call(*downloads, &v1::Downloads::Stub::NodesHave, have, &had).ok());
  EXPECT_TRUE(had.wanted());
  EXPECT_EQ(had.added(), 1u) << "nothing was taken of the member's";
  v1::CollectGarbageResponse theirs;
  ASSERT_TRUE(Collect(*member_blobs_, true, &theirs).ok());
  EXPECT_EQ(theirs.kept_blobs(), 1u);
  EXPECT_EQ(theirs.kept_size(), 0);
  Damage(secret, 200'000);
  findings = Verify(*member_blobs_);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].hash(), "");
  EXPECT_EQ(findings[0].intent_id(), 0u);
  // Whoever wants it as well knows it.
  const uint64_t own = QueueHash(*member, secret);
  v1::GetIntentRequest request;
  request.set_intent_id(own);
  v1::Intent intent;
  ASSERT_TRUE(Call(*member, &v1::Downloads::Stub::GetIntent, request, &intent).ok());
  EXPECT_EQ(intent.kind().hash(), secret);
}

TEST_F(KeepingServerTest, CallsThatAreLeftEndTheirWork) {
  for (int i = 0; i < 20; ++i) (void)Add(*blobs_, "content " + std::to_string(i));
  for (int round = 0; round < 20; ++round) {
    grpc::ClientContext context;
    const auto stream = blobs_->Verify(&context, v1::VerifyRequest());
    v1::VerifyResponse message;
    if (round % 2 == 0) (void)stream->Read(&message);
    context.TryCancel();
    EXPECT_NE(stream->Finish().error_code(), grpc::INTERNAL);
  }
  // The last of them may take a moment to hear of it.
  for (;;) {
    grpc::ClientContext context;
    const auto stream = blobs_->Verify(&context, v1::VerifyRequest());
    v1::VerifyResponse message;
    while (stream->Read(&message)) {
    }
    const grpc::Status status = stream->Finish();
    if (status.ok()) break;
    ASSERT_EQ(status.error_code(), grpc::RESOURCE_EXHAUSTED) << status.error_message();
  }
}

}  // namespace
}  // namespace blobd::rpc
