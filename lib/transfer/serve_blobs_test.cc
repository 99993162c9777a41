// What is answered, and how answers end.
#include "transfer/serve_blobs.h"

#include <gtest/gtest.h>

#include "bao/naive_for_test.h"
#include "transfer/upload_for_test.h"

namespace blobd::transfer {
namespace {

using Stream = FakeEndpoint::Stream;
using wire::ChunkRanges;
using wire::RangeSpecSeq;

void ExpectFin(const Stream& stream, const Bytes& bytes) {
  EXPECT_TRUE(stream.fin);
  EXPECT_FALSE(stream.reset.has_value());
  EXPECT_TRUE(stream.received == bytes) << stream.received.size() << " bytes, not " << bytes.size();
}

Bytes Join(const std::vector<Bytes>& parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Bytes First(Bytes bytes, size_t count) {
  bytes.resize(count);
  return bytes;
}

Bytes GetMany(const std::vector<Hash>& hashes, RangeSpecSeq ranges) {
  return *wire::EncodeRequest(wire::GetManyRequest{hashes, std::move(ranges)});
}

TEST(ServeBlobsTest, SmallBlobsSharePieces) {
  World world;
  std::vector<Hash> children;
  std::vector<Bytes> parts;
  for (size_t i = 0; i < 200; ++i) {
    const Bytes content = RandomContent(i * 3, i);
    children.push_back(world.store.Add(content));
    parts.push_back(SmallAnswer(content));
  }
  const Hash root = world.store.AddSequence(children);
  parts.insert(parts.begin(), SmallAnswer(world.store.Content(root)));
  ExpectFin(world.Ask(GetSequence(root)), Join(parts));
  EXPECT_LE(world.endpoint->sends.size(), 4u) << "a place among the readers is given up at times";
  world.ExpectAtRest();
}

// More hashes than one group of the root holds.
TEST(ServeBlobsTest, ChildrenAreFoundAnywhereInALongRoot) {
  World world;
  const Bytes content = RandomContent(100, 1);
  const Hash child = world.store.Add(content);
  std::vector<Hash> children(2000, Hash{});
  const std::vector<size_t> places = {0, 511, 512, 1300, 1999};
  RangeSpecSeq ranges;
  for (const size_t place : places) {
    children[place] = child;
    ranges.Append(place + 1, ChunkRanges::All());
    ranges.Append(place + 2, {});
  }
  const Hash root = world.store.AddSequence(children);
  const Bytes one = SmallAnswer(content);
  ExpectFin(world.Ask(GetOf(root, ranges)), Join(std::vector<Bytes>(places.size(), one)));
}

TEST(ServeBlobsTest, RandomSelectionsOfSequencesAndLists) {
  Rng rng(5);
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    World world(World::Anyone(), rng.Next());
    std::vector<bao::NaiveBlob> blobs;
    std::vector<Hash> hashes;
    for (uint64_t i = rng.Below(12); i > 0; --i) {
      blobs.emplace_back(RandomContent(bao::RandomSize(rng), rng.Next()));
      hashes.push_back(world.store.Add(blobs.back().content()));
    }
    const bool is_list = rng.Chance(0.5);
    Hash root;
    if (!is_list) {
      root = world.store.AddSequence(hashes);
      blobs.insert(blobs.begin(), bao::NaiveBlob(world.store.Content(root)));
    }
    std::vector<ChunkRanges> wanted;
    Bytes expected;
    for (const bao::NaiveBlob& blob : blobs) {
      wanted.push_back(rng.Chance(0.3) ? ChunkRanges()
                                       : bao::RandomSelection(blob.chunk_count(), rng));
      const Bytes part = blob.Response(wanted.back());
      expected.insert(expected.end(), part.begin(), part.end());
    }
    // Behind the end there is nothing, asked for or not.
    const RangeSpecSeq ranges = RangeSpecSeq::OfBlobs(wanted, rng.Chance(0.5));
    ExpectFin(world.Ask(is_list ? GetMany(hashes, ranges) : GetOf(root, ranges)), expected);
    world.ExpectAtRest();
  }
}

TEST(ServeBlobsTest, WhatIsNotHeldEndsTheAnswer) {
  World world;
  const Bytes a = RandomContent(5000, 1);
  const Bytes b = RandomContent(6000, 2);
  const Hash hash_a = world.store.Add(a);
  const Hash hash_b = world.store.Add(b);
  const Hash absent = Hash{{1, 2, 3}};
  const Hash root = world.store.AddSequence({hash_a, absent, hash_b});
  const Bytes root_answer = SmallAnswer(world.store.Content(root));
  ExpectFin(world.Ask(GetBlob(absent)), {});
  ExpectFin(world.Ask(GetSequence(absent)), {});
  ExpectFin(world.Ask(GetSequence(root)), Join({root_answer, SmallAnswer(a)}));
  ExpectFin(world.Ask(GetMany({hash_a, absent, hash_b}, RangeSpecSeq::OfHashSeq())),
            SmallAnswer(a));
  ExpectFin(world.Ask(GetMany({hash_b, hash_a}, RangeSpecSeq::OfHashSeq())),
            Join({SmallAnswer(b), SmallAnswer(a)}));
  ExpectFin(world.Ask(GetMany({}, RangeSpecSeq::OfHashSeq())), {});
}

TEST(ServeBlobsTest, RootThatIsNoSequence) {
  World world;
  const Bytes odd = RandomContent(1000, 1);
  const Hash hash = world.store.Add(odd);
  ExpectFin(world.Ask(GetSequence(hash)), {});
  RangeSpecSeq children;
  children.Append(1, ChunkRanges::All());
  ExpectFin(world.Ask(GetOf(hash, children)), {});
  // An empty root is a sequence without children.
  const Hash empty = world.store.Add({});
  ExpectFin(world.Ask(GetSequence(empty)), Bytes(8));
}

TEST(ServeBlobsTest, RootMustBeCompleteForItsChildren) {
  World world;
  const Bytes content = RandomContent(100, 1);
  const Hash child = world.store.Add(content);
  const Hash root = world.store.AddSequence(std::vector<Hash>(1000, child));
  const bao::NaiveBlob naive(world.store.Content(root));
  world.store.Hold(root, RangeSet(Range{0, 1}));
  RangeSpecSeq first_child;
  first_child.Append(1, ChunkRanges::All());
  first_child.Append(2, {});
  ExpectFin(world.Ask(GetOf(root, first_child)), {});
  const Bytes whole = naive.Response(ChunkRanges::All());
  ExpectFin(world.Ask(GetSequence(root)), First(whole, 8 + 64 + 16384));
}

TEST(ServeBlobsTest, PartlyHeldBlobs) {
  World world;
  const bao::NaiveBlob naive(RandomContent(100'000, 1));
  const Hash hash = world.store.Add(naive.content());
  const auto forget_size = [&](uint64_t claimed) {
    world.store.Change(hash, [&](MemoryStore::Blob& blob) {
      blob.info.size_proven = false;
      blob.info.size = claimed;
    });
    world.store.Hold(hash, RangeSet(Range{0, 2}));
  };
  const Bytes whole = naive.Response(ChunkRanges::All());
  // Three pairs are above the first group, none is between it and the second.
  const Bytes held = First(whole, 8 + 3 * 64 + 2 * 16384);
  world.store.Hold(hash, RangeSet(Range{0, 2}));
  ExpectFin(world.Ask(GetBlob(hash)), held);
  forget_size(100'000);
  ExpectFin(world.Ask(GetBlob(hash)), held);
  // The claim shapes the tree. Where it is wrong nothing fits, and that is nobody's rot.
  forget_size(99'999);
  ExpectFin(world.Ask(GetBlob(hash)), [&] {
    Bytes answer = held;
    answer[0] -= 1;
    return answer;
  }());
  forget_size(5'000'000);
  EXPECT_EQ(world.Ask(GetBlob(hash)).received.size(), 8u + 3 * 64) << "the pairs that still fit";
  for (const uint64_t absurd : {uint64_t{0}, UINT64_MAX, (uint64_t{1} << 63) + 1}) {
    forget_size(absurd);
    ExpectFin(world.Ask(GetBlob(hash)), {});
  }
  world.store.Hold(hash, {});
  ExpectFin(world.Ask(GetBlob(hash)), {});
  EXPECT_TRUE(world.store.withdrawn().empty());
  EXPECT_TRUE(world.rotten.empty());
}

TEST(ServeBlobsTest, PrivateBlobsLookUnknown) {
  World world;
  const Bytes content = RandomContent(5000, 1);
  const Hash hash = world.store.Add(content);
  const Hash root = world.store.AddSequence({hash});
  const Bytes root_answer = SmallAnswer(world.store.Content(root));
  world.store.SetPrivate(hash, true);
  const int opened = world.store.opened();
  ExpectFin(world.Ask(GetBlob(hash)), {});
  ExpectFin(world.Ask(GetMany({hash}, RangeSpecSeq::OfHashSeq())), {});
  EXPECT_EQ(world.store.opened(), opened) << "which would count as use, and take its time";
  ExpectFin(world.Ask(GetSequence(root)), root_answer);
  world.store.SetPrivate(root, true);
  ExpectFin(world.Ask(GetSequence(root)), {});
  world.store.SetPrivate(root, false);
  world.store.SetPrivate(hash, false);
  ExpectFin(world.Ask(GetSequence(root)), Join({root_answer, SmallAnswer(content)}));
}

TEST(ServeBlobsTest, RottenDataIsNotSentButWithdrawn) {
  World world;
  const bao::NaiveBlob naive(RandomContent(100'000, 1));
  const Hash hash = world.store.Add(naive.content());
  const Bytes whole = naive.Response(ChunkRanges::All());
  world.store.FlipData(hash, 20'000);
  ExpectFin(world.Ask(GetBlob(hash)), First(whole, 8 + 3 * 64 + 16384));
  const std::pair<Hash, RangeSet> second(hash, RangeSet(Range{1, 2}));
  EXPECT_EQ(world.store.withdrawn(), (std::vector{second}));
  EXPECT_EQ(world.rotten, (std::vector{second}));
  // A part of the group is checked as the whole.
  ExpectFin(world.Ask(GetOf(hash, RangeSpecSeq::OfRawBlob(RangeSet(Range{17, 18})))),
            First(naive.Response(ChunkRanges(RangeSet(Range{17, 18}))), 8 + 3 * 64));
  EXPECT_EQ(world.rotten.back(), second);
}

TEST(ServeBlobsTest, RottenPairsTakeWhatIsBeneathThem) {
  World world;
  const bao::NaiveBlob naive(RandomContent(100'000, 1));  // seven groups: 4 and 3
  const Hash hash = world.store.Add(naive.content());
  const Bytes whole = naive.Response(ChunkRanges::All());
  struct Case {
    uint64_t pair;
    Range groups;
    size_t sent;
  };
  for (const Case& c :
       {Case{0, {0, 7}, 8}, Case{1, {0, 4}, 8 + 64}, Case{2, {0, 2}, 8 + 2 * 64},
        Case{3, {2, 4}, 8 + 3 * 64 + 2 * 16384}, Case{4, {4, 7}, 8 + 4 * 64 + 4 * 16384},
        Case{5, {4, 6}, 8 + 5 * 64 + 4 * 16384}}) {
    SCOPED_TRACE(c.pair);
    world.store.FlipOutboard(hash, c.pair * 64 + 5);
    ExpectFin(world.Ask(GetBlob(hash)), First(whole, c.sent));
    EXPECT_EQ(world.rotten.back(), std::pair(hash, RangeSet(c.groups)));
    world.store.FlipOutboard(hash, c.pair * 64 + 5);
  }
  EXPECT_EQ(world.rotten.size(), 6u);
  ExpectFin(world.Ask(GetBlob(hash)), whole);
}

TEST(ServeBlobsTest, RottenHashesOfChildren) {
  World world;
  const Bytes content = RandomContent(100, 1);
  const Hash child = world.store.Add(content);
  const Hash root = world.store.AddSequence(std::vector<Hash>(600, child));
  world.store.FlipData(root, 16384);
  RangeSpecSeq ranges;
  ranges.Append(512, ChunkRanges::All());
  ExpectFin(world.Ask(GetOf(root, ranges)), SmallAnswer(content));
  EXPECT_EQ(world.rotten, (std::vector{std::pair(root, RangeSet(Range{1, 2}))}));
}

TEST(ServeBlobsTest, DiskErrorsEndWithAReset) {
  World world;
  const Hash hash = world.store.Add(RandomContent(100'000, 1));
  world.store.Change(hash, [](MemoryStore::Blob& blob) { blob.read_status = Internal("EIO"); });
  EXPECT_EQ(world.Ask(GetBlob(hash)).reset, 3u);
  world.store.Change(hash, [](MemoryStore::Blob& blob) {
    blob.read_status = OkStatus();
    blob.open_status = Unavailable("too many open files");
  });
  EXPECT_EQ(world.Ask(GetBlob(hash)).reset, 3u);
  EXPECT_EQ(world.Take().totals.failed, 2u);
  EXPECT_TRUE(world.rotten.empty());
  // A file that is not there any more is rot of all of it.
  world.store.Change(hash, [](MemoryStore::Blob& blob) { blob.open_status = DataLoss("no file"); });
  ExpectFin(world.Ask(GetBlob(hash)), {});
  EXPECT_EQ(world.rotten, (std::vector{std::pair(hash, RangeSet(Range{0, 7}))}));
  world.ExpectAtRest();
}

TEST(ServeBlobsTest, Push) {
  World world;
  const Hash hash = world.store.Add(RandomContent(100, 1));
  const Bytes push =
      *wire::EncodeRequest(wire::PushRequest{hash, RangeSpecSeq::OfRawBlob(ChunkRanges::All())});
  const auto connection = world.Connect();
  // Refused before more than its first byte came.
  const auto key = world.endpoint->Open(connection);
  world.endpoint->Data(key, ByteView(push).first(1));
  EXPECT_EQ(world.endpoint->stream(key).reset, 1u);
  // The same kind, written in two bytes.
  Bytes padded = push;
  padded[0] |= 0x80;
  padded.insert(padded.begin() + 1, 0);
  EXPECT_EQ(world.Ask(padded).reset, 1u);
  EXPECT_EQ(world.Take().totals.refused, 2u);
  world.ExpectAtRest();
}

}  // namespace
}  // namespace blobd::transfer
