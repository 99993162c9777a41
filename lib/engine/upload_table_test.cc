#include "engine/upload_table.h"

#include <gtest/gtest.h>

#include <memory>

#include "engine/fakes_for_test.h"

namespace blobd::engine {
namespace {

const NodeId kAnn = {{1}};
const NodeId kJoe = {{2}};

class UploadTableTest : public testing::Test {
 protected:
  UploadsView List() {
    UploadsView answer;
    bool answered = false;
    table_.List([&](UploadsView view) {
      answer = std::move(view);
      answered = true;
    });
    EXPECT_FALSE(answered) << "answered during the call";
    loop_.Settle();
    EXPECT_TRUE(answered);
    return answer;
  }
  static transfer::UploadInfo Upload(const NodeId& node, uint64_t sent, int64_t since) {
    transfer::UploadInfo info;
    info.node = node;
    info.sent_bytes = sent;
    info.since = WallTime{since};
    return info;
  }

  FakeLoop loop_;
  UploadTable::Snapshot served_;
  int asked_ = 0;
  UploadTable table_{loop_, [this](UniqueFunction<void(UploadTable::Snapshot)> done) {
                       ++asked_;
                       loop_.Post([done = std::move(done), answer = served_]() mutable {
                         done(std::move(answer));
                       });
                     }};
};

TEST_F(UploadTableTest, MeasuresEachNodeAndAllTogether) {
  served_.nodes = {Upload(kAnn, 0, 1), Upload(kJoe, 500, 1)};
  table_.Wake();
  loop_.Advance(seconds(2));
  for (int i = 0; i < 40; ++i) {
    served_.nodes[0].sent_bytes += 1000;
    served_.totals.sent_bytes += 1000;
    loop_.Advance(milliseconds(125));
  }
  const UploadsView view = List();
  ASSERT_EQ(view.nodes.size(), 2u);
  EXPECT_NEAR(view.nodes[0].rate, 8000, 100);
  EXPECT_EQ(view.nodes[1].rate, 0);
  EXPECT_EQ(view.nodes[1].info.sent_bytes, 500u);
  EXPECT_NEAR(view.rate, 8000, 100);
  EXPECT_EQ(view.totals.sent_bytes, 40'000u);
  served_.nodes.clear();
  EXPECT_TRUE(List().nodes.empty());
  EXPECT_GT(List().rate, 0);
}

TEST_F(UploadTableTest, ANodeThatComesBackCountsFromZero) {
  served_.nodes = {Upload(kAnn, 1'000'000, 1)};
  table_.Wake();
  loop_.Advance(seconds(2));
  served_.nodes = {Upload(kAnn, 10, 2)};
  EXPECT_EQ(List().nodes.at(0).rate, 0);
  loop_.Advance(seconds(1));
  served_.nodes[0].sent_bytes = 5;  // back without the time saying so
  EXPECT_EQ(List().nodes.at(0).rate, 0);
}

TEST_F(UploadTableTest, AsksNothingWhileNobodyIsServed) {
  loop_.Advance(seconds(1000));
  EXPECT_EQ(asked_, 0);
  served_.nodes = {Upload(kAnn, 0, 1)};
  table_.Wake();
  loop_.Advance(seconds(10));
  EXPECT_EQ(asked_, 81);  // at once, and 8 times a second
  table_.Wake();          // another came and all had gone meanwhile: it asks already
  loop_.Advance(seconds(10));
  EXPECT_EQ(asked_, 161);
}

TEST_F(UploadTableTest, WhenAllHaveGoneItAsksUntilTheirRateIsNothing) {
  served_.nodes = {Upload(kAnn, 0, 1)};
  table_.Wake();
  for (int i = 0; i < 20; ++i) {
    served_.totals.sent_bytes += 1000;
    loop_.Advance(milliseconds(125));
  }
  served_.nodes.clear();
  loop_.Advance(seconds(60));
  const int asked = asked_;
  loop_.Advance(seconds(3600));
  EXPECT_EQ(asked_, asked);
  EXPECT_EQ(List().rate, 0);  // and not the mean of an hour

  served_.nodes = {Upload(kJoe, 0, 2)};
  table_.Wake();
  loop_.Advance(Duration::zero());
  for (int i = 0; i < 10; ++i) {
    served_.totals.sent_bytes += 1000;
    loop_.Advance(milliseconds(125));
  }
  EXPECT_NEAR(List().rate, 8000, 100);  // at once, not when what was sampled before has gone
}

}  // namespace
}  // namespace blobd::engine
