#include "rpc/admission.h"

#include <gtest/gtest.h>

#include <vector>

namespace blobd::rpc {
namespace {

constexpr uint32_t kAnn = 1000;
constexpr uint32_t kJoe = 1001;
constexpr uint32_t kEve = 1002;

class AdmissionTest : public testing::Test {
 protected:
  bool Admit(uint32_t uid, uint64_t weight) {
    auto ticket = admission_.Admit({uid}, weight);
    if (!ticket.ok()) {
      EXPECT_EQ(ticket.status().code(), StatusCode::kResourceExhausted);
      return false;
    }
    tickets_.push_back(*std::move(ticket));
    return true;
  }

  Admission admission_{{.units = {10, 30, 10}, .heaviest = {1, 2, 1}}};
  std::vector<Admission::Ticket> tickets_;
};

TEST_F(AdmissionTest, OneUidDoesNotKeepAnotherOut) {
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Admit(kAnn, 2));
  EXPECT_FALSE(Admit(kAnn, 1));
  EXPECT_TRUE(Admit(kJoe, 9));
  EXPECT_FALSE(Admit(kJoe, 2));
  EXPECT_TRUE(Admit(kJoe, 1));
  // All that members may have together.
  EXPECT_FALSE(Admit(kEve, 1));
  EXPECT_TRUE(Admit(0, 10));
  tickets_.erase(tickets_.begin());
  EXPECT_TRUE(Admit(kAnn, 2));
}

// Their uid is no other than a member's.
TEST_F(AdmissionTest, WhatIsKeptForRootIsKeptForEveryAdministrator) {
  const engine::Caller admin{kEve, false, true};
  EXPECT_TRUE(Admit(kAnn, 10));
  EXPECT_TRUE(Admit(kJoe, 10));
  auto ticket = admission_.Admit(admin, 10);
  EXPECT_TRUE(ticket.ok()) << ticket.status();
  tickets_.clear();
  EXPECT_TRUE(Admit(kAnn, 10));
  EXPECT_TRUE(Admit(kJoe, 10)) << "what an administrator has is not members'";
}

TEST_F(AdmissionTest, AnswersThatNobodyTakesCount) {
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(Admit(kAnn, 10));
    tickets_.back().Answered();
  }
  EXPECT_FALSE(Admit(kAnn, 1)) << "twice what may run is waiting to be taken";
  EXPECT_TRUE(Admit(kJoe, 10));
  tickets_.erase(tickets_.begin());
  EXPECT_TRUE(Admit(kAnn, 10));
  tickets_.clear();
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(Admit(kAnn, 10));
    tickets_.clear();
  }
}

TEST_F(AdmissionTest, TheHeaviestRunOneAtATime) {
  EXPECT_TRUE(Admit(kAnn, 1'000'000));
  EXPECT_FALSE(Admit(kAnn, 1)) << "it has all of its units";
  EXPECT_FALSE(Admit(kJoe, 1'000'000));
  EXPECT_TRUE(Admit(kJoe, 10)) << "what was refused took nothing";
  EXPECT_TRUE(Admit(0, 1'000'000));
  tickets_.clear();
  EXPECT_TRUE(Admit(kJoe, 11));
}

TEST_F(AdmissionTest, ATicketThatMovesIsOne) {
  auto ticket = admission_.Admit({kAnn}, 10);
  ASSERT_TRUE(ticket.ok());
  Admission::Ticket moved = *std::move(ticket);
  EXPECT_FALSE(Admit(kAnn, 1));
  moved = Admission::Ticket();
  EXPECT_TRUE(Admit(kAnn, 10));
}

}  // namespace
}  // namespace blobd::rpc
