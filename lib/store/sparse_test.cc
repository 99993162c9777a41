// A blob of 1 TiB of which only a little is there takes little memory: nothing is laid out by its
// size.
#include <gtest/gtest.h>

#include "bao/tree.h"
#include "blake3/chaining_value.h"
#include "store/disk_store_for_test.h"

namespace blobd::store {
namespace {

constexpr uint64_t kTerabyte = uint64_t{1} << 40;

// Of this process, in bytes.
uint64_t Resident() {
  std::ifstream file("/proc/self/statm");
  uint64_t pages = 0;
  uint64_t resident = 0;
  file >> pages >> resident;
  return resident * 4096;
}

// The hash of a blob of 1 TiB whose first group is zeros, and what proves that; the rest of the
// tree is made up.
class HugeBlob {
 public:
  HugeBlob() {
    const Bytes group(kGroupSize, 0);
    blake3::ChainingValue value = blake3::SubtreeValue(group, 0, false);
    bao::Subtree node = bao::Subtree::Root(bao::ChunkCount(kTerabyte));
    std::vector<bao::Subtree> way;
    while (node.has_outboard_pair()) {
      way.push_back(node);
      node = node.Left();
    }
    for (size_t i = way.size(); i-- > 0;) {
      blake3::ChainingValue sibling{};
      sibling[0] = static_cast<uint8_t>(i);
      OutboardPair pair{way[i].pair_index, {}};
      std::copy(value.begin(), value.end(), pair.hashes.begin());
      std::copy(sibling.begin(), sibling.end(), pair.hashes.begin() + 32);
      path.push_back(pair);
      value = blake3::ParentValue(value, sibling, i == 0);
    }
    hash.bytes = value;
  }
  Hash hash;
  std::vector<OutboardPair> path;  // of the first group
};

TEST(SparseTest, ATerabyteOfWhichAGroupIsThere) {
  const TestDirectory directory;
  const HugeBlob blob;
  const Bytes group(kGroupSize, 0);
  StoreUnderTest store(directory.path());
  const uint64_t before = Resident();
  {
    const auto writer = store.Writer(blob.hash);
    writer->ClaimSize(kTerabyte);
    const VerifiedGroup groups[] = {{0, group}};
    ASSERT_TRUE(writer->Write(groups, blob.path).ok());
    // The last group of somebody's claim: the file is as long as the blob would be.
    const VerifiedGroup last[] = {{kTerabyte / kGroupSize - 1, group}};
    ASSERT_TRUE(writer->Write(last, {}).ok());
    writer->ProveSize(kTerabyte);
    writer->Publish();
  }
  EXPECT_EQ(store.Lookup(blob.hash).verified_bytes, 2 * kGroupSize);
  // As after kill -9, when it is looked at what is there.
  store.Reopen();
  const BlobInfo info = store.Lookup(blob.hash);
  EXPECT_EQ(info.size, kTerabyte);
  EXPECT_TRUE(info.groups.Contains(0));
  const auto reader = store.Reader(blob.hash);
  ASSERT_TRUE(reader.ok()) << reader.status();
  Bytes content(kGroupSize, 1);
  EXPECT_TRUE((*reader)->ReadAt(0, content).ok());
  EXPECT_TRUE(content == group);
  std::array<uint8_t, 64> pair{};
  EXPECT_TRUE((*reader)->ReadPair(blob.path.back().index, &pair).ok());
  EXPECT_EQ(pair, blob.path.back().hashes);
  // The group that does not fit goes, and the other one stays.
  const auto verified = store.Verify(blob.hash);
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(store.Lookup(blob.hash).groups, RangeSet(Range{0, 1}));
  const uint64_t after = Resident();  // it may also have shrunk
  EXPECT_LT(after - std::min(before, after), uint64_t{64} << 20);
}

}  // namespace
}  // namespace blobd::store
