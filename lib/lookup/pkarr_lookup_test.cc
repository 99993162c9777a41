#include "lookup/pkarr_lookup.h"

#include <gtest/gtest.h>

#include "lookup/lookup_for_test.h"
#include "wire/base32.h"

namespace blobd::lookup {
namespace {

const Bytes kSeed(32, 7);

class PkarrTest : public LookupTest {
 protected:
  PkarrTest() : exchange_(HttpExchange::Create(*loop_)) {
    own_.Read("addr=192.0.2.1:11205");
    own_.Read("relay=https://relay.example/");
  }
  std::string PathOf(const NodeId& node) const { return "/pkarr/" + wire::ToZBase32(node.view()); }
  void Keep(const SignedPacket& packet) {
    relay_.packets[PathOf(packet.node())] = packet.Payload();
  }
  PkarrPublisher::Options Fast() const {
    return {relay_.base(), milliseconds(100), milliseconds(20), milliseconds(10)};
  }

  const NodeId node_ = SignedPacket::Make(kSeed, {}, 1).node();
  NodeRecord own_;
  TinyRelay relay_{*loop_};
  std::unique_ptr<HttpExchange> exchange_;
  PkarrLookup lookup_{*exchange_, relay_.base()};
};

TEST_F(PkarrTest, WhatIsPublishedIsFound) {
  PkarrPublisher publisher(SystemClock(), *loop_, *exchange_, kSeed, Fast());
  publisher.Publish(own_);
  ASSERT_TRUE(RunUntil([&] { return publisher.stats().published == 1; }));
  EXPECT_EQ(relay_.last_head.rfind("PUT " + PathOf(node_) + " HTTP/1.1", 0), 0) << relay_.last_head;
  EXPECT_TRUE(Ask(lookup_, node_).ok());
  ASSERT_EQ(found_.size(), 1);
  EXPECT_EQ(found_[0].record, own_);
}

TEST_F(PkarrTest, PublishesAgainAndWhatChanges) {
  PkarrPublisher publisher(SystemClock(), *loop_, *exchange_, kSeed, Fast());
  publisher.Publish(own_);
  ASSERT_TRUE(RunUntil([&] { return publisher.stats().published >= 2; }));
  const auto kept = SignedPacket::FromPayload(node_, relay_.packets[PathOf(node_)]);
  ASSERT_TRUE(kept.ok());
  own_.AddAddress(At("192.0.2.9:1"));
  publisher.Publish(own_);
  ASSERT_TRUE(RunUntil([&] {
    const auto now = SignedPacket::FromPayload(node_, relay_.packets[PathOf(node_)]);
    return now.ok() && now->record() == own_ && now->IsNewerThan(*kept);
  }));
  // Nothing is said any more.
  publisher.Publish({});
  RunFor(milliseconds(50));
  const int puts = relay_.puts;
  RunFor(milliseconds(300));
  EXPECT_EQ(relay_.puts, puts);
}

TEST_F(PkarrTest, TriesAgainWhenTheRelayRefuses) {
  relay_.refuse_with = 429;
  PkarrPublisher publisher(SystemClock(), *loop_, *exchange_, kSeed, Fast());
  publisher.Publish(own_);
  ASSERT_TRUE(RunUntil([&] { return publisher.stats().failed >= 2; }));
  EXPECT_EQ(publisher.stats().last_error, "the relay answers with 429");
  relay_.refuse_with = 0;
  ASSERT_TRUE(RunUntil([&] { return publisher.stats().published >= 1; }));
  EXPECT_TRUE(publisher.stats().last_error.empty());
}

TEST_F(PkarrTest, SaysWhyNothingWasFound) {
  EXPECT_EQ(Ask(lookup_, node_), NotFound("the relay has no packet of the node"));
  relay_.refuse_with = 503;
  EXPECT_EQ(Ask(lookup_, node_), Unavailable("the relay answers with 503"));
  relay_.refuse_with = 0;
  Keep(SignedPacket::Make(kSeed, {}, 5));
  EXPECT_EQ(Ask(lookup_, node_), NotFound("the node's packet holds no address"));
  PkarrLookup nobody(*exchange_, "http://127.0.0.1:1/pkarr");
  EXPECT_EQ(Ask(nobody, node_).code(), StatusCode::kUnavailable);
  PkarrLookup no_url(*exchange_, "ftp://127.0.0.1/");
  EXPECT_EQ(Ask(no_url, node_).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(found_.empty());
}

TEST_F(PkarrTest, BelievesOnlyWhatTheNodeSigned) {
  const SignedPacket of_another = SignedPacket::Make(Bytes(32, 8), own_, 5);
  relay_.packets[PathOf(node_)] = of_another.Payload();
  EXPECT_EQ(Ask(lookup_, node_), InvalidArgument("a signed packet is not signed by the node"));
  relay_.packets[PathOf(node_)] = Bytes(10'000, 'x');
  EXPECT_EQ(Ask(lookup_, node_), DataLoss("the answer is too long"));
  relay_.packets[PathOf(node_)] = {};
  EXPECT_EQ(Ask(lookup_, node_).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(found_.empty());
}

TEST_F(PkarrTest, DoesNotGoBackToAnOlderPacket) {
  Keep(SignedPacket::Make(kSeed, own_, 1000));
  EXPECT_TRUE(Ask(lookup_, node_).ok());
  EXPECT_TRUE(Ask(lookup_, node_).ok());  // the same again
  Keep(SignedPacket::Make(kSeed, own_, 999));
  EXPECT_EQ(Ask(lookup_, node_), DataLoss("the relay gives an older packet than before"));
}

TEST_F(PkarrTest, AHangingRelayIsNoReasonToStay) {
  relay_.silent = true;
  lookup_.Resolve(QueryId{100}, node_, this);
  RunFor(milliseconds(50));
  lookup_.Stop(QueryId{100});
  {
    PkarrLookup other(*exchange_, relay_.base());
    other.Resolve(QueryId{101}, node_, this);
    PkarrPublisher publisher(SystemClock(), *loop_, *exchange_, kSeed, Fast());
    publisher.Publish(own_);
    RunFor(milliseconds(50));
  }
  lookup_.Resolve(QueryId{102}, node_, this);
  RunFor(milliseconds(50));
  EXPECT_TRUE(statuses_.empty());
}

TEST_F(PkarrTest, ExchangesAreBounded) {
  relay_.silent = true;
  std::vector<Status> refused;
  HttpExchange::Request request;
  request.url = relay_.base();
  for (size_t i = 0; i < HttpExchange::kMaxExchanges + 2; ++i) {
    exchange_->Start(request, [&](const StatusOr<HttpExchange::Answer>& answer) {
      refused.push_back(answer.status());
    });
  }
  EXPECT_TRUE(RunUntil([&] { return refused.size() == 2; }));
  EXPECT_EQ(refused[0].code(), StatusCode::kResourceExhausted);
}

TEST_F(PkarrTest, AsManyAsLookupRunsAreAllAnswered) {
  for (uint64_t i = 0; i < Lookup::kMaxRunning; ++i)
    lookup_.Resolve(QueryId{1000 + i}, node_, this);
  ASSERT_TRUE(RunUntil([&] { return statuses_.size() == Lookup::kMaxRunning; }));
  for (const auto& [query, status] : statuses_) {
    EXPECT_EQ(status.code(), StatusCode::kNotFound) << status;
  }
}

TEST_F(PkarrTest, AnExchangeEndsInTime) {
  relay_.silent = true;
  HttpExchange::Request request;
  request.url = relay_.base();
  request.timeout = milliseconds(100);
  std::optional<Status> ended;
  exchange_->Start(request,
                   [&](const StatusOr<HttpExchange::Answer>& answer) { ended = answer.status(); });
  EXPECT_TRUE(RunUntil([&] { return ended.has_value(); }));
  EXPECT_EQ(ended->code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace blobd::lookup
