#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rpc/convert.h"

namespace blobd::rpc {
namespace {

using testing::HasSubstr;

TEST(LimitChanges, AreCheckedByNameAndRange) {
  v1::SetLimitsRequest request;
  EXPECT_EQ(ToLimitChanges(request).status().code(), StatusCode::kInvalidArgument);
  auto* change = request.add_changes();
  change->set_name("requests");
  change->set_value(7);
  request.add_reset("connections");
  const auto changes = ToLimitChanges(request);
  ASSERT_TRUE(changes.ok()) << changes.status();
  EXPECT_EQ(changes->changes[0].field->name, "requests");
  EXPECT_EQ(changes->changes[0].value, 7u);
  EXPECT_EQ(changes->reset[0]->name, "connections");
  for (const uint64_t bad : {uint64_t{0}, uint64_t{1'000'001}, UINT64_MAX}) {
    change->set_value(bad);
    EXPECT_THAT(Message(ToLimitChanges(request).status()), HasSubstr("between 1 and 1000000"));
  }
  change->set_value(1);
  *request.add_changes() = *change;
  EXPECT_THAT(Message(ToLimitChanges(request).status()), HasSubstr("requests is changed twice"));
  request.mutable_changes()->RemoveLast();
  change->set_name("request\x1b");
  EXPECT_THAT(
      Message(ToLimitChanges(request).status()),
      HasSubstr("changes[0].name: there is no limit \"request\\x1b\"; there are requests,"));
  request.clear_changes();
  request.set_reset(0, "nothing");
  EXPECT_EQ(ToLimitChanges(request).status().code(), StatusCode::kInvalidArgument);
  request.set_reset(0, "all");
  EXPECT_EQ(ToLimitChanges(request)->reset.size(), engine::LimitFields().size());
}

TEST(LimitChanges, RatesAreLargeAndCanBeRemoved) {
  v1::SetLimitsRequest request;
  auto* change = request.add_changes();
  change->set_name("download_rate");
  change->set_value(10'000'000'000);
  EXPECT_EQ(ToLimitChanges(request)->changes[0].value, 10'000'000'000u);
  change->set_value(0);
  EXPECT_THAT(Message(ToLimitChanges(request).status()), HasSubstr("a limit of 0 is refused"));
  change->set_value(1'000'000'000'001);
  EXPECT_THAT(Message(ToLimitChanges(request).status()), HasSubstr("between 16384 and"));
  change->set_unlimited(true);
  EXPECT_THAT(Message(ToLimitChanges(request).status()), HasSubstr("only a rate"));
  change->set_value(0);
  EXPECT_EQ(ToLimitChanges(request)->changes[0].value, engine::LimitField::kNone);
  change->set_name("requests");
  EXPECT_THAT(Message(ToLimitChanges(request).status()), HasSubstr("changes[0].unlimited"));
}

TEST(ProviderIds, AreNodesOrUrls) {
  const std::string hex(64, '1');
  EXPECT_TRUE(std::holds_alternative<NodeId>(*ToProviderId(hex, "provider")));
  EXPECT_EQ(ToString(*ToProviderId("https://mirror/x", "provider")), "https://mirror/x");
  EXPECT_EQ(ShownProvider(*ToProviderId("https://mirror/x", "provider")), "https://mirror/x");
  EXPECT_EQ(ShownProvider(*ToProviderId("https://mirror/x?key=1?2", "provider")),
            "https://mirror/x?...");
  EXPECT_EQ(OriginOnly(*ToProviderId("https://mirror:8/x?key=1", "provider")), "https://mirror:8");
  for (const std::string& bad : {std::string(), std::string("ftp://x"), hex + "1",
                                 "http://" + std::string(3000, 'x'), std::string("http://\xff")}) {
    EXPECT_EQ(ToProviderId(bad, "provider").status().code(), StatusCode::kInvalidArgument) << bad;
  }
}

TEST(Waits, EveryFactAndStandingHasAWord) {
  engine::WhyView view;
  for (int fact = 0; fact <= static_cast<int>(schedule::WaitFact::kNextStart); ++fact)
    view.waits.push_back({static_cast<schedule::WaitFact>(fact), 2, WallTime{5}});
  for (int standing = 0; standing <= static_cast<int>(schedule::ProviderStanding::kSetAside);
       ++standing) {
    view.providers.push_back({NodeId{{1}}, static_cast<schedule::ProviderStanding>(standing),
                              WallTime{6}, 3, "bad", "sentence"});
  }
  view.state = engine::IntentState::kParked;
  v1::RequestWhy why;
  Fill(view, &why);
  EXPECT_EQ(why.state(), v1::INTENT_STATE_PARKED);
  ASSERT_EQ(why.waits_size(), v1::WaitFact_ARRAYSIZE - 1);
  for (int i = 0; i < why.waits_size(); ++i)
    EXPECT_EQ(static_cast<int>(why.waits(i).fact()), i + 1);
  EXPECT_EQ(why.waits(0).until_unix_ms(), 5);
  ASSERT_EQ(why.providers_size(), v1::ProviderStanding_ARRAYSIZE - 1);
  for (int i = 0; i < why.providers_size(); ++i)
    EXPECT_EQ(static_cast<int>(why.providers(i).standing()), i + 1);
  EXPECT_EQ(why.providers(0).last_error(), "bad");
  EXPECT_EQ(why.providers(0).failures(), 3u);
}

}  // namespace
}  // namespace blobd::rpc
