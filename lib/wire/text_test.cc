#include "wire/text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "wire/base32.h"
#include "wire/vectors_for_test.h"

namespace blobd::wire {
namespace {

std::string Upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

TEST(Text, HashesOfTheVectorsInBothForms) {
  for (const auto& blob : vectors::LoadIndex()["blobs"]) {
    const std::string hex = blob["blake3"];
    const std::string base32 = blob["base32"];
    SCOPED_TRACE(hex);
    const Hash hash = vectors::HashOf(blob["blake3"]);
    for (const std::string& text : {hex, Upper(hex), base32, Upper(base32)}) {
      EXPECT_EQ(ParseHash(text), hash);
    }
    EXPECT_EQ(FormatHash(hash), hex);
    EXPECT_EQ(ToBase32(hash.view()), base32);
    EXPECT_EQ(ParseKind(hex), (Kind{hash, BlobFormat::kRaw}));
    EXPECT_EQ(ParseKind("s" + hex), (Kind{hash, BlobFormat::kHashSeq}));
    EXPECT_EQ(ParseKind("s" + Upper(hex)), (Kind{hash, BlobFormat::kHashSeq}));
  }
}

TEST(Text, NodeIds) {
  const std::string hex = vectors::LoadJson("tickets-iroh-1.0.2.json")["id"];
  const auto id = ParseNodeId(hex);
  ASSERT_TRUE(id);
  EXPECT_EQ(FormatNodeId(*id), hex);
  EXPECT_EQ(ParseNodeId(ToBase32(id->view())), id);
  EXPECT_EQ(ParseNodeId(Upper(hex)), id);
}

TEST(Text, KindsComeBack) {
  Kind kind;
  kind.hash.bytes.fill(0xab);
  EXPECT_EQ(FormatKind(kind), kind.hash.ToHex());
  EXPECT_EQ(ParseKind(FormatKind(kind)), kind);
  kind.format = BlobFormat::kHashSeq;
  EXPECT_EQ(FormatKind(kind), "s" + kind.hash.ToHex());
  EXPECT_EQ(ParseKind(FormatKind(kind)), kind);
}

TEST(Text, EverythingElseIsRefused) {
  const std::string hex(64, 'a');
  const std::string base32 = std::string(51, 'a') + "a";
  ASSERT_TRUE(ParseHash(hex) && ParseHash(base32));
  const std::vector<std::string> cases = {"",
                                          "a",
                                          hex + "a",
                                          hex.substr(1),
                                          std::string(63, 'a') + "g",
                                          " " + hex,
                                          hex + " ",
                                          hex + "\n",
                                          base32 + "a",
                                          base32.substr(1),
                                          std::string(51, 'a') + "b",  // unused bits set
                                          std::string(51, 'a') + "1",
                                          std::string(64, '\0')};
  for (const std::string& text : cases) {
    SCOPED_TRACE(text);
    EXPECT_EQ(ParseHash(text), std::nullopt);
    EXPECT_EQ(ParseNodeId(text), std::nullopt);
    EXPECT_EQ(ParseKind(text), std::nullopt);
    EXPECT_EQ(ParseKind("s" + text), std::nullopt);
  }
  EXPECT_EQ(ParseKind("S" + hex), std::nullopt);
  EXPECT_EQ(ParseKind("ss" + hex), std::nullopt);
  EXPECT_EQ(ParseKind(base32), std::nullopt);
}

}  // namespace
}  // namespace blobd::wire
