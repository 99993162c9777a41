// What is being added, until its lease is durable.
#include <gtest/gtest.h>

#include "engine/keeper.h"
#include "engine/keeper_for_test.h"

namespace blobd::engine {
namespace {

Kind Raw(const Hash& hash) { return {hash, BlobFormat::kRaw}; }

class AddingTest : public KeeperTest {};

TEST_F(AddingTest, WhatIsBeingAddedIsKept) {
  Put(1);
  Put(2);
  const Keeper::AddId id = keeper_->BeginAdd({H(1)});
  store_.PutComplete(H(3), 100);
  store_.blobs[H(3)].last_use = loop_.WallNow();  // taken in by this add
  ASSERT_TRUE(Collect().ok());
  EXPECT_EQ(store_.removed, (std::vector<Hash>{H(2)}));
  keeper_->EndAdd(id);
  ASSERT_TRUE(Collect().ok());
  EXPECT_TRUE(Left().empty());
}

TEST_F(AddingTest, WhatWasRemovedInTheMomentItWasAddedIsNotAnsweredFor) {
  EXPECT_EQ(Keep(kAnn, Raw(H(1))).code(), StatusCode::kAborted);
  Put(1);
  EXPECT_TRUE(Keep(kAnn, Raw(H(1))).ok());
  registry_.commit_status = ResourceExhausted("disk full");
  EXPECT_EQ(Keep(kAnn, Raw(H(1))).code(), StatusCode::kResourceExhausted);
  registry_.commit_status = DataLoss("damaged");
  EXPECT_TRUE(Keep(kAnn, Raw(H(1))).ok()) << "nothing is collected while it is damaged";
}

TEST_F(AddingTest, WhatIsAddedTogetherIsKeptInOneCommitOrNotAtAll) {
  Put(1);
  Put(2);
  const auto keep = [&](const std::vector<Kind>& kinds) {
    std::vector<Status> answers;
    const Keeper::AddId id = keeper_->BeginAdd({});
    keeper_->KeepAdded(id, kAnn, kinds, [&](const Status& status) { answers.push_back(status); });
    loop_.Settle();
    EXPECT_EQ(answers.size(), 1u);
    if (!answers.at(0).ok()) keeper_->EndAdd(id);
    return answers.at(0);
  };
  EXPECT_EQ(keep({Raw(H(1)), Raw(H(3)), Raw(H(2))}).code(), StatusCode::kAborted);
  const auto commits = registry_.commits;
  EXPECT_TRUE(keep({Raw(H(1)), Raw(H(2)), Raw(H(1))}).ok());
  EXPECT_EQ(registry_.commits, commits + 1);
  ASSERT_TRUE(Collect().ok());
  EXPECT_EQ(Left().size(), 2u);
}

}  // namespace
}  // namespace blobd::engine
