#include "transfer/claims.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace blobd::transfer {
namespace {

Hash Named(uint8_t number) {
  Hash hash;
  hash.bytes[0] = number;
  return hash;
}

const Hash kBlob = Named(1);
const Hash kOther = Named(2);
const Kind kRaw{kBlob, BlobFormat::kRaw};
const Kind kList{Named(9), BlobFormat::kHashSeq};

class ClaimsTest : public testing::Test {
 protected:
  std::unique_ptr<Claims::User> Join(const Kind& kind, const std::string& name) {
    Claims::Callbacks callbacks;
    callbacks.freed = [this, name] { heard_ += name + " freed;"; };
    callbacks.hurried = [this, name](const Hash& hash) {
      heard_ += fmt::format("{} hurried {};", name, hash.bytes[0]);
    };
    return claims_->Join(kind, std::move(callbacks));
  }
  static void Take(Claims::User& user, const Hash& hash, Range groups) {
    Claims::Turn(user).Take(hash, RangeSet(groups));
  }
  static RangeSet Others(Claims::User& user, const Hash& hash) {
    return Claims::Turn(user).Others(hash);
  }
  static bool WaitFor(Claims::User& user, const Hash& hash) {
    return Claims::Turn(user).WaitFor(hash);
  }
  std::string Heard() { return std::exchange(heard_, {}); }

  const std::shared_ptr<Claims> claims_ = std::make_shared<Claims>();
  std::string heard_;
};

TEST_F(ClaimsTest, OthersSeeWhatHasNotCome) {
  const auto raw = Join(kRaw, "raw");
  const auto list = Join(kList, "list");
  Take(*raw, kBlob, {0, 10});
  EXPECT_EQ(Others(*list, kBlob), RangeSet({0, 10}));
  EXPECT_TRUE(Others(*list, kOther).empty());
  EXPECT_TRUE(Others(*raw, kBlob).empty());
  raw->Got(kBlob, RangeSet({0, 4}));
  EXPECT_EQ(Others(*list, kBlob), RangeSet({4, 10}));
  raw->Release(kBlob, RangeSet({8, 10}));
  EXPECT_EQ(Others(*list, kBlob), RangeSet({4, 8}));
}

TEST_F(ClaimsTest, TransfersOfOneRequestDoNotSeeEachOther) {
  const auto first = Join(kRaw, "first");
  const auto second = Join(kRaw, "second");
  Take(*first, kBlob, {0, 10});
  EXPECT_TRUE(Others(*second, kBlob).empty());
  first->Got(kBlob, RangeSet({0, 10}));
  EXPECT_EQ(second->News(), 0u);
}

TEST_F(ClaimsTest, WhatOthersGotIsNews) {
  const auto raw = Join(kRaw, "raw");
  const auto list = Join(kList, "list");
  Take(*raw, kBlob, {0, 10});
  EXPECT_EQ(list->News(), 0u);
  raw->Release(kBlob, RangeSet({0, 5}));
  EXPECT_EQ(list->News(), 0u);
  raw->Got(kBlob, RangeSet({5, 6}));
  EXPECT_EQ(list->News(), 1u);
  EXPECT_EQ(raw->News(), 0u);
  raw->Got(kBlob, RangeSet({5, 6}));  // told already
  EXPECT_EQ(list->News(), 1u);
}

TEST_F(ClaimsTest, WhoWaitsIsWokenOnceWhenAllHasCome) {
  const auto raw = Join(kRaw, "raw");
  const auto list = Join(kList, "list");
  Take(*raw, kBlob, {0, 10});
  EXPECT_TRUE(WaitFor(*list, kBlob));
  EXPECT_TRUE(WaitFor(*list, kBlob));
  raw->Got(kBlob, RangeSet({0, 9}));
  EXPECT_EQ(Heard(), "");
  raw->Got(kBlob, RangeSet({9, 10}));
  EXPECT_EQ(Heard(), "list freed;");
  EXPECT_FALSE(WaitFor(*list, kBlob));
}

TEST_F(ClaimsTest, WhoWaitsIsWokenByWhatWillNotCome) {
  const auto raw = Join(kRaw, "raw");
  const auto list = Join(kList, "list");
  Take(*raw, kBlob, {0, 10});
  Take(*raw, kOther, {0, 1});
  EXPECT_TRUE(WaitFor(*list, kOther));
  EXPECT_TRUE(WaitFor(*list, kBlob));  // the latest counts
  raw->Release(kOther, RangeSet({0, 1}));
  EXPECT_EQ(Heard(), "");
  raw->Release(kBlob, RangeSet({9, 10}));
  EXPECT_EQ(Heard(), "list freed;");
}

TEST_F(ClaimsTest, WhoEndsLeavesEverything) {
  auto raw = Join(kRaw, "raw");
  const auto list = Join(kList, "list");
  Take(*raw, kBlob, {0, 10});
  Take(*raw, kOther, {0, 10});
  EXPECT_TRUE(WaitFor(*list, kOther));
  raw.reset();
  EXPECT_EQ(Heard(), "list freed;");
  EXPECT_TRUE(Others(*list, kBlob).empty());
}

TEST_F(ClaimsTest, WhoEndsWhileItWaitsHearsNothing) {
  const auto raw = Join(kRaw, "raw");
  auto list = Join(kList, "list");
  Take(*raw, kBlob, {0, 10});
  EXPECT_TRUE(WaitFor(*list, kBlob));
  list.reset();
  raw->Got(kBlob, RangeSet({0, 10}));
  EXPECT_EQ(Heard(), "");
}

TEST_F(ClaimsTest, WhatIsLeftOpenMayBeTakenByOneMore) {
  const auto raw = Join(kRaw, "raw");
  const auto list = Join(kList, "list");
  const auto third = Join({Named(8), BlobFormat::kHashSeq}, "third");
  Take(*raw, kBlob, {0, 10});
  EXPECT_TRUE(WaitFor(*list, kBlob));
  list->Hurry(kBlob);
  EXPECT_EQ(Heard(), "raw hurried 1;");
  raw->LeaveOpen(kBlob);
  EXPECT_EQ(Heard(), "list freed;");
  EXPECT_TRUE(Others(*list, kBlob).empty());
  Take(*list, kBlob, {0, 10});
  EXPECT_EQ(Others(*third, kBlob), RangeSet({0, 10}));
}

}  // namespace
}  // namespace blobd::transfer
