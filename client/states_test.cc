#include "client/states.h"

#include <gtest/gtest.h>

namespace blobd::client {
namespace {

TEST(States, EveryWordNamesItsState) {
  for (const std::string& word : IntentStateWords()) {
    EXPECT_NE(IntentStateOf(word), v1::INTENT_STATE_UNSPECIFIED) << word;
    EXPECT_EQ(word.find(' '), std::string::npos) << word;
    EXPECT_NE(word, "unknown");
  }
  for (const std::string& word : TransferStateWords()) {
    EXPECT_NE(TransferStateOf(word), v1::TRANSFER_STATE_UNSPECIFIED) << word;
    EXPECT_NE(word, "unknown");
  }
  for (const std::string& word : RemoteStateWords()) {
    EXPECT_NE(RemoteStateOf(word), v1::REMOTE_STATE_UNSPECIFIED) << word;
    EXPECT_NE(word, "unknown");
  }
  EXPECT_EQ(IntentStateOf("no-providers"), v1::INTENT_STATE_NO_PROVIDERS);
  EXPECT_EQ(TransferStateOf("receiving"), v1::TRANSFER_STATE_RECEIVING);
  EXPECT_EQ(RemoteStateOf("connected"), v1::REMOTE_STATE_CONNECTED);
  EXPECT_EQ(IntentStateOf("receiving"), v1::INTENT_STATE_UNSPECIFIED);
  EXPECT_EQ(IntentStateOf(""), v1::INTENT_STATE_UNSPECIFIED);
}

TEST(States, OnesThatAreNewerThanWeAreHaveAName) {
  EXPECT_EQ(StateName(static_cast<v1::IntentState>(99)), "unknown");
  EXPECT_EQ(StateName(static_cast<v1::TransferState>(99)), "unknown");
  EXPECT_EQ(StateName(static_cast<v1::RemoteState>(99)), "unknown");
}

TEST(States, AreTheEndOfASentence) {
  EXPECT_EQ(StandsSo(v1::INTENT_STATE_WAITING), "is waiting");
  EXPECT_EQ(StandsSo(v1::INTENT_STATE_NO_PROVIDERS), "has no provider");
  EXPECT_EQ(StandsSo(v1::INTENT_STATE_FAILED), "has failed");
}

}  // namespace
}  // namespace blobd::client
