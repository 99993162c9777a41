#include "schedule/request_queue.h"

#include <gtest/gtest.h>

namespace blobd::schedule {
namespace {

Request Make(uint64_t place, Priority priority) {
  Request request;
  request.place = IntentId{place};
  request.priority = priority;
  return request;
}

TEST(RequestQueue, PriorityThenPlace) {
  Request a = Make(1, Priority::kBackground);
  Request b = Make(3, Priority::kUrgent);
  Request c = Make(2, Priority::kUrgent);
  RequestQueue queue;
  EXPECT_EQ(queue.First(), nullptr);
  EXPECT_EQ(queue.FirstByPlace(), nullptr);
  for (Request* request : {&b, &a, &c}) EXPECT_TRUE(queue.Insert(*request));
  EXPECT_FALSE(queue.Insert(a));
  EXPECT_EQ(queue.size(), 3u);
  EXPECT_EQ(queue.First(), &c);
  EXPECT_EQ(queue.FirstByPlace(), &a);
  EXPECT_EQ(queue.InOrder(), (std::vector<Request*>{&c, &b, &a}));
  EXPECT_EQ(queue.FirstWhere([&](const Request& r) { return &r != &c; }), &b);
  EXPECT_TRUE(queue.Erase(c));
  EXPECT_FALSE(queue.Erase(c));
  EXPECT_FALSE(queue.Contains(c));
  EXPECT_EQ(queue.First(), &b);
  queue.Clear();
  EXPECT_TRUE(queue.empty());
}

TEST(Request, RefusalsAndIntents) {
  Request request;
  request.Refuse(5);
  request.Refuse(3);
  request.Refuse(5);
  EXPECT_TRUE(request.Refuses(3));
  EXPECT_FALSE(request.Refuses(4));
  EXPECT_TRUE(request.Unrefuse(5));
  EXPECT_FALSE(request.Unrefuse(5));
  EXPECT_EQ(request.trouble->refused.size(), 1u);
  EXPECT_EQ(request.Find(IntentId{1}), nullptr);
}

TEST(Request, KeepsTheLastReasonOfAThousandProviders) {
  Request request;
  for (int i = 0; i < 1030; ++i) {
    NodeId node;
    node.bytes[0] = static_cast<uint8_t>(i);
    node.bytes[1] = static_cast<uint8_t>(i >> 8);
    request.Note(node, Outcome::kBusy, "first");
    request.Note(node, Outcome::kNotHere, "second");
  }
  EXPECT_EQ(request.trouble->failures.size(), 1024u);
  EXPECT_EQ(request.trouble->failures.back().outcome, Outcome::kNotHere);
  EXPECT_EQ(request.trouble->failures.back().reason, "second");
}

}  // namespace
}  // namespace blobd::schedule
