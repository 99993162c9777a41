#include "wire/collection.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/file_names.h"
#include "base/hex.h"
#include "wire/vectors_for_test.h"

namespace blobd::wire {
namespace {

Bytes BytesOf(const std::string& text) { return Bytes(text.begin(), text.end()); }

TEST(Collection, CapturedOnesBothWays) {
  size_t with_names = 0;
  for (const auto& c : vectors::LoadIndex()["collections"]) {
    SCOPED_TRACE(c["name"].get<std::string>());
    const Bytes root = vectors::FromHexOrThrow(c["root_hex"]);
    const auto hashes = DecodeHashSeq(root);
    ASSERT_TRUE(hashes.ok()) << hashes.status();
    EXPECT_EQ(EncodeHashSeq(*hashes), root);
    std::vector<Hash> children;
    for (const auto& child : c["children"]) children.push_back(vectors::HashOf(child));
    if (!c.contains("names")) {
      EXPECT_EQ(*hashes, children);
      continue;
    }
    ++with_names;
    const Bytes metadata = vectors::FromHexOrThrow(c["meta_hex"]);
    const auto names = c["names"].get<std::vector<std::string>>();
    EXPECT_EQ(DecodeCollectionNames(metadata).value(), names);
    EXPECT_EQ(EncodeCollectionNames(names), metadata);
    Collection expected;
    expected.metadata = vectors::HashOf(c["meta_hash"]);
    for (size_t i = 0; i < names.size(); ++i) expected.files.push_back({names[i], children[i]});
    EXPECT_EQ(DecodeCollection(root, metadata).value(), expected);
    EXPECT_EQ(EncodeCollectionRoot(expected), root);
    EXPECT_TRUE(CheckFileNames(names).ok());
  }
  EXPECT_EQ(with_names, 1u);
}

TEST(Collection, EmptyOne) {
  const Bytes metadata = BytesOf(std::string("CollectionV0.\0", 14));
  EXPECT_EQ(EncodeCollectionNames({}), metadata);
  const auto collection = DecodeCollection(Bytes(32, 7), metadata);
  ASSERT_TRUE(collection.ok()) << collection.status();
  EXPECT_TRUE(collection->files.empty());
}

TEST(Collection, BadOnes) {
  const std::string magic = ToHex(AsBytes(kCollectionMagic));
  struct Case {
    std::string name;
    std::string metadata_hex;
    StatusCode code;
  };
  const std::vector<Case> cases = {
      {"nothing", "", StatusCode::kInvalidArgument},
      {"half a magic", magic.substr(0, 8), StatusCode::kInvalidArgument},
      {"other version", ToHex(AsBytes("CollectionV1.")) + "00", StatusCode::kInvalidArgument},
      {"no count", magic, StatusCode::kInvalidArgument},
      {"count is a lie", magic + "05016101", StatusCode::kInvalidArgument},
      {"2^64-1 names", magic + "ffffffffffffffffff01", StatusCode::kInvalidArgument},
      {"name too short", magic + "010561", StatusCode::kInvalidArgument},
      {"name of 2^64-1 bytes", magic + "01ffffffffffffffffff0161", StatusCode::kInvalidArgument},
      {"name is not UTF-8", magic + "0102c328", StatusCode::kInvalidArgument}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(DecodeCollectionNames(*FromHex(c.metadata_hex)).status().code(), c.code);
  }
  const Bytes one_name = *FromHex(magic + "010161");
  EXPECT_TRUE(DecodeCollection(Bytes(64), one_name).ok());
  EXPECT_FALSE(DecodeCollection(Bytes(32), one_name).ok());
  EXPECT_FALSE(DecodeCollection(Bytes(96), one_name).ok());
  EXPECT_FALSE(DecodeCollection(Bytes(), one_name).ok());
  EXPECT_FALSE(DecodeHashSeq(Bytes(33)).ok());
  EXPECT_TRUE(DecodeHashSeq(Bytes())->empty());
}

TEST(Collection, Bounds) {
  const std::vector<std::string> many(kMaxCollectionFiles + 1);
  EXPECT_EQ(DecodeCollectionNames(EncodeCollectionNames(many)).status().code(),
            StatusCode::kResourceExhausted);
  const std::vector<std::string> at_limit(kMaxCollectionFiles);
  EXPECT_EQ(DecodeCollectionNames(EncodeCollectionNames(at_limit))->size(), kMaxCollectionFiles);
  const std::vector<std::string> large = {std::string(kMaxMetadataSize, 'a')};
  EXPECT_EQ(DecodeCollectionNames(EncodeCollectionNames(large)).status().code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(DecodeHashSeq(Bytes((kMaxCollectionFiles + 2) * 32)).status().code(),
            StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace blobd::wire
