#include "lookup/lookup.h"

#include <gtest/gtest.h>

#include "lookup/dns_lookup.h"
#include "lookup/known_nodes.h"
#include "lookup/lookup_for_test.h"

namespace blobd::lookup {
namespace {

const NodeId kNode = {{1}};

NodeRecord With(const char* address) {
  NodeRecord record;
  record.AddAddress(At(address));
  return record;
}

// Answers when the test says so.
class Scripted final : public Service {
 public:
  explicit Scripted(std::string_view name) : name_(name) {}
  std::string_view name() const override { return name_; }
  void Resolve(QueryId query, const NodeId& node, ServiceSink* to) override {
    static_cast<void>(node);
    open.push_back(query);
    sink = to;
  }
  void Stop(QueryId query) override { stopped.push_back(query); }

  std::vector<QueryId> open, stopped;
  ServiceSink* sink = nullptr;

 private:
  const std::string_view name_;
};

class LookupAsks : public LookupTest {
 protected:
  Scripted* AddScripted(std::string_view name) {
    auto service = std::make_unique<Scripted>(name);
    Scripted* const added = service.get();
    lookup_.Add(std::move(service));
    return added;
  }
  Lookup lookup_{*loop_, this, milliseconds(300)};
};

TEST_F(LookupAsks, AllServicesAtOnceAndPassesOnWhatComes) {
  Scripted* const a = AddScripted("a");
  Scripted* const b = AddScripted("b");
  lookup_.Start(7, kNode);
  ASSERT_EQ(a->open.size(), 1);
  ASSERT_EQ(b->open.size(), 1);
  b->sink->OnFound(b->open[0], With("192.0.2.2:1"));
  b->sink->OnEnded(b->open[0], OkStatus());
  ASSERT_EQ(found_.size(), 1);
  EXPECT_EQ(found_[0].service, "b");
  EXPECT_TRUE(ended_.empty());
  a->sink->OnFound(a->open[0], With("192.0.2.1:1"));
  a->sink->OnEnded(a->open[0], OkStatus());
  EXPECT_EQ(ended_.at(7), "");
  EXPECT_EQ(lookup_.running(), 0);
}

TEST_F(LookupAsks, OneThatHangsDelaysNothingAndIsStopped) {
  Scripted* const hangs = AddScripted("hangs");
  Scripted* const works = AddScripted("works");
  lookup_.Start(1, kNode);
  works->sink->OnFound(works->open[0], With("192.0.2.1:1"));
  works->sink->OnEnded(works->open[0], OkStatus());
  EXPECT_EQ(found_.size(), 1);  // at once
  EXPECT_TRUE(RunUntil([&] { return ended_.count(1) != 0; }));
  EXPECT_EQ(ended_[1], "hangs: no answer within 300 ms");
  EXPECT_EQ(hangs->stopped, hangs->open);
  const auto stats = lookup_.stats();
  EXPECT_EQ(stats[0].timed_out, 1);
  EXPECT_EQ(stats[1].found, 1);
  EXPECT_EQ(stats[1].addresses, 1);
  // What comes after all is not passed on.
  hangs->sink->OnFound(hangs->open[0], With("192.0.2.3:1"));
  hangs->sink->OnEnded(hangs->open[0], OkStatus());
  EXPECT_EQ(found_.size(), 1);
}

TEST_F(LookupAsks, EveryServicesReasonIsSaid) {
  Scripted* const a = AddScripted("a");
  Scripted* const b = AddScripted("b");
  lookup_.Start(1, kNode);
  a->sink->OnEnded(a->open[0], NotFound("no such name"));
  b->sink->OnEnded(b->open[0], Unavailable("the relay is \x1b away"));
  EXPECT_EQ(ended_.at(1), "a: no such name; b: the relay is \x1b away");
  const auto stats = lookup_.stats();
  EXPECT_EQ(stats[0].empty, 1);
  EXPECT_EQ(stats[0].failed, 0);
  EXPECT_EQ(stats[1].failed, 1);
  EXPECT_EQ(stats[1].last_error, "the relay is \x1b away");
}

TEST_F(LookupAsks, AServiceIsBoundedInWhatItSays) {
  Scripted* const a = AddScripted("a");
  lookup_.Start(1, kNode);
  for (int i = 1; i <= 50; ++i) {
    NodeRecord record;
    for (uint16_t port = 1; port <= 32; ++port) {
      record.AddAddress(SocketAddress::V4({192, 0, 2, static_cast<uint8_t>(i)}, port));
    }
    a->sink->OnFound(a->open[0], record);
  }
  size_t passed = 0;
  for (const FoundOne& each : found_) passed += each.record.addresses.size();
  EXPECT_EQ(passed, NodeRecord::kMaxAddresses);
}

TEST_F(LookupAsks, StoppedOnesAreHeardOfNoMore) {
  Scripted* const a = AddScripted("a");
  lookup_.Start(1, kNode);
  lookup_.Stop(1);
  lookup_.Stop(1);
  EXPECT_EQ(a->stopped, a->open);
  a->sink->OnEnded(a->open[0], OkStatus());
  RunFor(milliseconds(400));
  EXPECT_TRUE(ended_.empty());
}

TEST_F(LookupAsks, ManyWaitTheirTurn) {
  Scripted* const a = AddScripted("a");
  for (LookupKey key = 1; key <= Lookup::kMaxRunning + 2; ++key) lookup_.Start(key, kNode);
  EXPECT_EQ(a->open.size(), Lookup::kMaxRunning);
  lookup_.Stop(Lookup::kMaxRunning + 1);  // one that waits
  a->sink->OnEnded(a->open[0], NotFound("x"));
  EXPECT_EQ(a->open.size(), Lookup::kMaxRunning + 1);
  a->sink->OnEnded(a->open.back(), NotFound("x"));
  EXPECT_EQ(ended_.count(Lookup::kMaxRunning + 2), 1);
}

TEST_F(LookupAsks, TooManyEndAtOnce) {
  AddScripted("a");
  const size_t all = Lookup::kMaxRunning + Lookup::kMaxWaiting;
  for (LookupKey key = 1; key <= all + 1; ++key) lookup_.Start(key, kNode);
  EXPECT_TRUE(ended_.empty());
  EXPECT_TRUE(RunUntil([&] { return ended_.count(all + 1) != 0; }));
  EXPECT_EQ(ended_[all + 1], "10000 lookups are waiting already");
}

TEST_F(LookupAsks, WithoutServicesItEndsAtOnce) {
  lookup_.Start(1, kNode);
  EXPECT_TRUE(RunUntil([&] { return ended_.count(1) != 0; }));
  EXPECT_EQ(ended_[1], "every lookup service is switched off");
}

class KnownNodes : public LookupTest {};

TEST_F(KnownNodes, StaticSaysWhatItWasTold) {
  StaticLookup known(*loop_);
  EXPECT_EQ(Ask(known, kNode).code(), StatusCode::kNotFound);
  EXPECT_TRUE(known.Set(kNode, With("192.0.2.1:1")));
  EXPECT_TRUE(Ask(known, kNode).ok());
  EXPECT_EQ(found_.at(0).record, With("192.0.2.1:1"));
  EXPECT_TRUE(known.Set(kNode, {}));
  EXPECT_EQ(Ask(known, kNode).code(), StatusCode::kNotFound);
  known.Resolve(QueryId{99}, kNode, this);
  known.Stop(QueryId{99});
  RunFor(milliseconds(10));
  EXPECT_EQ(statuses_.count(99), 0);
}

class LateSource final : public AddressSource {
 public:
  void AddressesOf(const NodeId&,
                   UniqueFunction<void(StatusOr<std::vector<SocketAddress>>)> done) override {
    answers.push_back(std::move(done));
  }
  std::vector<UniqueFunction<void(StatusOr<std::vector<SocketAddress>>)>> answers;
};

TEST_F(KnownNodes, RegistryPassesOnWhatItHas) {
  LateSource source;
  {
    RegistryLookup known(source);
    for (uint64_t query = 1; query <= 5; ++query) known.Resolve(QueryId{query}, kNode, this);
    source.answers[0](std::vector{At("192.0.2.1:1"), At("0.0.0.0:1")});
    source.answers[1](std::vector<SocketAddress>());
    source.answers[2](Unavailable("no registry"));
    known.Stop(QueryId{4});
    source.answers[3](std::vector{At("192.0.2.1:1")});
  }
  source.answers[4](std::vector{At("192.0.2.1:1")});  // nobody is there any more
  ASSERT_EQ(found_.size(), 1);
  EXPECT_EQ(found_[0].record, With("192.0.2.1:1"));
  EXPECT_TRUE(statuses_[1].ok());
  EXPECT_EQ(statuses_[2].code(), StatusCode::kNotFound);
  EXPECT_EQ(statuses_[3].code(), StatusCode::kUnavailable);
  EXPECT_EQ(statuses_.size(), 3);
}

}  // namespace
}  // namespace blobd::lookup
