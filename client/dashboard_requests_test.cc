#include "client/dashboard_requests.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "client/refusing_client.h"

namespace blobd::client {
namespace {

// Has requests that run and wait, and counts what it is asked.
class FakeDaemon final : public RefusingClient {
 public:
  StatusOr<v1::ListRequestsResponse> ListRequests(const v1::ListRequestsRequest& request) override {
    ++asked["requests"];
    v1::ListRequestsResponse page;
    const bool runs = request.states(0) == v1::INTENT_STATE_RUNNING;
    // A filtered page may be empty and yet not be the last.
    if (runs && request.page_token().empty() && running > 0) {
      page.set_next_page_token("next");
      return page;
    }
    const int count = std::min(runs ? running : waiting, static_cast<int>(request.page_size()));
    for (int i = 0; i < count; ++i) {
      v1::Request& found = *page.add_requests();
      found.add_intent_ids(static_cast<uint64_t>(runs ? first + i : 1001 + i));
      if (runs) found.mutable_kind()->set_hash("hash " + std::to_string(i));
    }
    if (count < (runs ? running : waiting)) page.set_next_page_token("more");
    return page;
  }
  StatusOr<v1::Intent> GetIntent(uint64_t id) override {
    ++asked["intent"];
    if (id == ended) return refusal;
    v1::Intent intent;
    intent.set_label("label " + std::to_string(id));
    intent.set_created_unix_ms(static_cast<int64_t>(id) * 1000);
    return intent;
  }
  StatusOr<v1::WhyResponse> Why(const v1::WhyRequest& request) override {
    ++asked["why"];
    if (request.intent_id() == ended) return refusal;
    v1::WhyResponse why;
    why.add_requests()->set_sentence("waits");
    return why;
  }

  int running = 0;
  int waiting = 0;
  int first = 1;       // intent of those that run
  uint64_t ended = 0;  // the intent for which there is only the refusal
  Status refusal = NotFound("there was no such intent");
  std::map<std::string, int> asked;

 protected:
  Status Refusal() const override { return Internal("nobody asks that"); }
};

TEST(DashboardRequests, ShowsTheFirstAndNoMore) {
  FakeDaemon daemon;
  daemon.running = daemon.waiting = 200;
  DashboardRequests requests(daemon);
  ASSERT_TRUE(requests.Ask().ok());
  const KnownRequests known = requests.Latest();
  EXPECT_EQ(known.running.size(), DashboardRequests::kMostShown);
  EXPECT_EQ(known.waiting.size(), DashboardRequests::kMostShown);
  EXPECT_TRUE(known.running_more);
  EXPECT_TRUE(known.waiting_more);
  EXPECT_EQ(known.whys.size(), DashboardRequests::kMostExplained);
  EXPECT_EQ(known.intents.at(1).label, "label 1");
  EXPECT_EQ(known.whys.at(1001).sentence(), "waits");
}

TEST(DashboardRequests, AsksForALabelOnce) {
  FakeDaemon daemon;
  daemon.running = 2;
  daemon.waiting = 3;
  DashboardRequests requests(daemon);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(requests.Ask().ok());
  EXPECT_FALSE(requests.Latest().running_more);
  EXPECT_FALSE(requests.Latest().waiting_more);
  EXPECT_EQ(daemon.asked["intent"], 5);
  EXPECT_EQ(daemon.asked["why"], 15);
}

TEST(DashboardRequests, WhatEndsMeanwhileIsNoError) {
  FakeDaemon daemon;
  daemon.waiting = 2;
  daemon.ended = 1001;
  DashboardRequests requests(daemon);
  ASSERT_TRUE(requests.Ask().ok());
  EXPECT_FALSE(requests.Latest().whys.contains(1001));
  EXPECT_TRUE(requests.Latest().whys.contains(1002));
  daemon.refusal = PermissionDenied("it is somebody else's");
  EXPECT_TRUE(requests.Ask().ok());
  // Of what was refused nobody asks again.
  EXPECT_EQ(daemon.asked["intent"], 2);
}

TEST(DashboardRequests, KnowsSinceWhenContentIsWanted) {
  FakeDaemon daemon;
  daemon.running = 1;
  DashboardRequests requests(daemon);
  ASSERT_TRUE(requests.Ask().ok());
  EXPECT_EQ(requests.Latest().intents.at(1).created_unix_ms, 1000);
  // Intent 1 is cancelled; intent 5 wants the same.
  daemon.first = 5;
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(requests.Ask().ok());
  EXPECT_EQ(requests.Latest().intents.at(5).label, "label 5");
  EXPECT_EQ(requests.Latest().intents.at(5).created_unix_ms, 1000);
  // When it is not wanted any more that is forgotten.
  daemon.running = 0;
  ASSERT_TRUE(requests.Ask().ok());
  daemon.running = 1;
  ASSERT_TRUE(requests.Ask().ok());
  EXPECT_EQ(requests.Latest().intents.at(5).created_unix_ms, 5000);
}

TEST(DashboardRequests, ADaemonThatGoesAwayIsOne) {
  FakeDaemon daemon;
  daemon.waiting = 2;
  DashboardRequests requests(daemon);
  ASSERT_TRUE(requests.Ask().ok());
  daemon.ended = 1001;
  daemon.refusal = Unavailable("blobd went away");
  EXPECT_EQ(requests.Ask().code(), StatusCode::kUnavailable);
  // What was known stays.
  EXPECT_TRUE(requests.Latest().whys.contains(1001));
}

}  // namespace
}  // namespace blobd::client
