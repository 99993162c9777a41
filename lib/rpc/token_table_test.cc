#include "rpc/token_table.h"

#include <gtest/gtest.h>

#include <set>

namespace blobd::rpc {
namespace {

constexpr uint32_t kAnn = 1000;
constexpr uint32_t kJoe = 1001;
const Instant kStart{seconds(100)};

Grant OpenOf(uint8_t first_byte) { return OpenGrant{{{first_byte}}}; }

TEST(TokenTable, ATokenBuysItsGrantOnce) {
  TokenTable tokens(TokenOptions{});
  const auto open = tokens.Issue(kStart, {kAnn}, OpenOf(7));
  const auto import = tokens.Issue(kStart, {kAnn}, ImportGrant{true});
  ASSERT_TRUE(open.ok() && import.ok());
  EXPECT_EQ(open->size(), TokenTable::kTokenBytes);
  const auto opened = tokens.Redeem(kStart, kAnn, *open);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(std::get<OpenGrant>(*opened).hash.bytes[0], 7);
  EXPECT_TRUE(std::get<ImportGrant>(*tokens.Redeem(kStart, kAnn, *import)).is_private);
  for (const auto& token : {open, import}) {
    EXPECT_EQ(tokens.Redeem(kStart, kAnn, *token).status().code(), StatusCode::kPermissionDenied);
  }
  EXPECT_EQ(tokens.size(), 0u);
}

TEST(TokenTable, ATokenIsOneUidsAndAnotherCannotSpoilIt) {
  TokenTable tokens(TokenOptions{});
  const auto token = tokens.Issue(kStart, {kAnn}, OpenOf(7));
  EXPECT_EQ(tokens.Redeem(kStart, kJoe, *token).status().code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(tokens.Redeem(kStart, 0, *token).status().code(), StatusCode::kPermissionDenied);
  EXPECT_TRUE(tokens.Redeem(kStart, kAnn, *token).ok());
}

TEST(TokenTable, WhatIsNoTokenBuysNothing) {
  TokenTable tokens(TokenOptions{});
  const std::string token = *tokens.Issue(kStart, {kAnn}, OpenOf(7));
  for (const std::string& wrong : {std::string(), std::string(16, '\0'), token.substr(1),
                                   token + "x", std::string(1 << 20, 'x')}) {
    EXPECT_EQ(tokens.Redeem(kStart, kAnn, wrong).status().code(), StatusCode::kPermissionDenied);
  }
}

TEST(TokenTable, TokensGrowOld) {
  TokenTable tokens({{10, 10, 0}, seconds(30)});
  const auto first = tokens.Issue(kStart, {kAnn}, OpenOf(1));
  const auto second = tokens.Issue(kStart + seconds(20), {kAnn}, OpenOf(2));
  EXPECT_FALSE(tokens.Redeem(kStart + seconds(30), kAnn, *first).ok());
  EXPECT_EQ(tokens.size(), 1u);
  EXPECT_TRUE(tokens.Redeem(kStart + seconds(50) - Duration(1), kAnn, *second).ok());
}

TEST(TokenTable, BoundsUnusedTokensPerUidAndInAll) {
  TokenTable tokens({{2, 4, 1}, seconds(30)});
  std::set<std::string> seen;
  for (const uint32_t uid : {kAnn, kAnn, kJoe})
    seen.insert(*tokens.Issue(kStart, {uid}, OpenOf(1)));
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_EQ(tokens.Issue(kStart, {kAnn}, OpenOf(1)).status().code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(tokens.Issue(kStart, {kJoe}, OpenOf(1)).status().code(), StatusCode::kResourceExhausted)
      << "the last is kept for administrators";
  EXPECT_TRUE(tokens.Issue(kStart, {0}, OpenOf(1)).ok());
  EXPECT_FALSE(tokens.Issue(kStart, {0}, OpenOf(1)).ok());
  // Using one, or letting it grow old, makes room.
  EXPECT_TRUE(tokens.Issue(kStart + seconds(30), {kAnn}, OpenOf(1)).ok());
  EXPECT_EQ(tokens.size(), 1u);
}

}  // namespace
}  // namespace blobd::rpc
