#include "engine/privacy.h"

#include <gtest/gtest.h>

#include "engine/fakes_for_test.h"
#include "wire/collection.h"

namespace blobd::engine {
namespace {

const Hash kRoot = {{1}};
const Hash kChild = {{2}};
const Hash kMissing = {{3}};
const Kind kCollection = {kRoot, BlobFormat::kHashSeq};

class PrivacyTest : public testing::Test {
 protected:
  PrivacyTest() {
    store_.PutContent(kRoot, wire::EncodeHashSeq(std::vector<Hash>{kChild, kMissing, kChild}));
    store_.PutComplete(kChild, 5);
  }
  StatusOr<uint64_t> Set(const Kind& kind, bool is_private) {
    StatusOr<uint64_t> answer = Unavailable("no answer");
    SetPrivate(store_, std::shared_ptr<Executor>(&loop_, [](Executor*) {}), kind, is_private,
               [&](StatusOr<uint64_t> a) { answer = std::move(a); });
    loop_.Settle();
    return answer;
  }
  bool IsPrivate(const Hash& hash) { return store_.blobs.at(hash).is_private; }

  FakeLoop loop_;
  FakeStore store_;
};

TEST_F(PrivacyTest, OfOneBlob) {
  EXPECT_EQ(Set({kRoot, BlobFormat::kRaw}, true).value(), 1u);
  EXPECT_TRUE(IsPrivate(kRoot));
  EXPECT_FALSE(IsPrivate(kChild));
  EXPECT_EQ(Set({kRoot, BlobFormat::kRaw}, true).value(), 0u);
  EXPECT_EQ(Set({kRoot, BlobFormat::kRaw}, false).value(), 1u);
  EXPECT_FALSE(IsPrivate(kRoot));
}

TEST_F(PrivacyTest, OfAHashSequenceWithWhatIsHere) {
  EXPECT_EQ(Set(kCollection, true).value(), 2u);
  EXPECT_TRUE(IsPrivate(kRoot));
  EXPECT_TRUE(IsPrivate(kChild));
  EXPECT_EQ(store_.blobs.count(kMissing), 0u);
  EXPECT_EQ(Set(kCollection, false).value(), 2u);
  EXPECT_FALSE(IsPrivate(kChild));
}

TEST_F(PrivacyTest, Errors) {
  EXPECT_EQ(Set({kMissing, BlobFormat::kRaw}, true).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Set({kMissing, BlobFormat::kHashSeq}, true).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Set({kChild, BlobFormat::kHashSeq}, true).status().code(),
            StatusCode::kFailedPrecondition);
  store_.blobs[kRoot].state = store::BlobState::kPartial;
  EXPECT_EQ(Set(kCollection, true).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_FALSE(IsPrivate(kRoot)) << "half of what was asked for is not done in silence";
}

TEST_F(PrivacyTest, ManyBlobsAndAStoreThatFails) {
  std::vector<Hash> children;
  for (uint16_t i = 0; i < 1000; ++i) {
    Hash hash = {{9, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)}};
    store_.PutComplete(hash, 1);
    children.push_back(hash);
  }
  const Hash root = {{8}};
  store_.PutContent(root, wire::EncodeHashSeq(children));
  EXPECT_EQ(Set({root, BlobFormat::kHashSeq}, true).value(), 1001u);
  store_.status = ResourceExhausted("disk full");
  EXPECT_EQ(Set({root, BlobFormat::kHashSeq}, false).status().code(),
            StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace blobd::engine
