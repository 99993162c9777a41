#include "transfer/mirror_fetches.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>

#include "base/units.h"
#include "transfer/upload_for_test.h"

namespace blobd::transfer {
namespace {

// Notes what it is asked.
class FakeClient final : public http::Client {
 public:
  struct Fetch {
    http::Ask ask;
    std::optional<uint64_t> remaining;
    bool hurried = false;
  };

  http::FetchId Start(const http::Url&, const http::Ask& ask, const http::FetchOptions& options,
                      http::FetchReceiver*) override {
    const http::FetchId id{++last_};
    started[id] = {ask, options.remaining};
    return id;
  }
  void Consumed(http::FetchId, uint64_t) override {}
  std::optional<uint64_t> LowerEnd(http::FetchId id, uint64_t end) override {
    const auto it = started.find(id);
    if (it == started.end()) return std::nullopt;
    it->second.ask.end = end;
    return end;
  }
  void Hurry(http::FetchId id) override {
    if (const auto it = started.find(id); it != started.end()) it->second.hurried = true;
  }
  void Stop(http::FetchId id) override { started.erase(id); }
  Status SetOrigins(http::OriginConfigs) override { return OkStatus(); }
  void SetReceiveWindow(uint64_t) override {}
  http::OriginView ViewOf(const http::Origin&) override { return {}; }
  size_t fetches() const override { return started.size(); }

  std::map<http::FetchId, Fetch> started;

 private:
  uint64_t last_ = 0;
};

class InPlace final : public Executor {
 public:
  void Post(Task task) override { task(); }
};

class MirrorFetchesTest : public testing::Test {
 protected:
  void Open(uint64_t number) {
    http::Ask ask;
    ask.end = 8 * kMiB;
    fetches_.Open(number, ask, 16 * kMiB);
  }
  void Pass(Duration duration) {
    const Instant end = time_.Now() + duration;
    while (time_.Step(end)) {
    }
  }

  VirtualTime time_;
  Throttle throttle_{time_};
  FakeClient client_;
  const std::unique_ptr<loop::Loop> loop_ = std::move(*loop::Loop::Create());
  MirrorFetches fetches_{client_,
                         *loop_,
                         std::make_shared<InPlace>(),
                         nullptr,
                         *http::Url::Parse("http://mirror/file"),
                         {&throttle_, 1}};
};

TEST_F(MirrorFetchesTest, WithoutALimitItBeginsAtOnce) {
  Open(1);
  fetches_.LowerEnd(1, 2 * kMiB);
  fetches_.Hurry(1);
  ASSERT_EQ(client_.started.size(), 1u);
  const FakeClient::Fetch& fetch = client_.started.begin()->second;
  EXPECT_EQ(fetch.remaining, 16 * kMiB);
  EXPECT_EQ(fetch.ask.end, 2 * kMiB);
  EXPECT_TRUE(fetch.hurried);
}

TEST_F(MirrorFetchesTest, WhatIsWishedWhileItWaitsForTheBandwidthHoldsWhenItBegins) {
  throttle_.SetRate(kMiB);
  throttle_.Ask(7, 4 * kMiB, [](uint64_t) {});  // before it in the line
  for (uint64_t number = 1; number <= 3; ++number) Open(number);
  EXPECT_TRUE(client_.started.empty());
  fetches_.LowerEnd(1, 2 * kMiB);
  fetches_.LowerEnd(1, 3 * kMiB);  // an end is never raised
  fetches_.Hurry(2);
  fetches_.Stop(3);
  Pass(seconds(60));
  ASSERT_EQ(client_.started.size(), 2u);
  const FakeClient::Fetch& first = client_.started.begin()->second;
  EXPECT_EQ(first.ask.end, 2 * kMiB);
  EXPECT_EQ(first.remaining, 16 * kMiB);
  const FakeClient::Fetch& second = client_.started.rbegin()->second;
  EXPECT_EQ(second.ask.end, 8 * kMiB);
  EXPECT_EQ(second.remaining, std::nullopt);
}

}  // namespace
}  // namespace blobd::transfer
