// How many blobs are open, and what becomes of answers whose blobs are closed between their pieces.
// That a World never has more open than it may is checked after every task (World::CheckBounds).
#include "transfer/serve_readers.h"

#include <gtest/gtest.h>

#include "bao/naive_for_test.h"
#include "transfer/upload_for_test.h"

namespace blobd::transfer {
namespace {

using wire::ChunkRanges;
using wire::RangeSpecSeq;

ServeOptions WithReaders(size_t open_readers, size_t reads_at_once = 2) {
  ServeOptions options = World::Anyone();
  options.open_readers = open_readers;
  options.reads_at_once = reads_at_once;
  return options;
}

// `stream` brought the beginning of `whole`, up to `size`, and FIN.
void ExpectEndsEarly(const FakeEndpoint::Stream& stream, const Bytes& whole, size_t size) {
  EXPECT_TRUE(stream.fin);
  EXPECT_FALSE(stream.reset.has_value());
  EXPECT_EQ(stream.received.size(), size);
  ASSERT_LT(stream.received.size(), whole.size());
  EXPECT_TRUE(std::equal(stream.received.begin(), stream.received.end(), whole.begin()));
}

TEST(ServeReadersTest, CountsWhatIsKept) {
  MemoryStore store;
  const Hash hash = store.Add(RandomContent(10, 1));
  ServeReaders readers(1);
  Turns turns(1);
  std::vector<std::shared_ptr<store::BlobReader>> kept;
  const auto executor = turns.Make();
  for (int i = 0; i < 2; ++i) {
    store.OpenReader(hash, *executor,
                     [&](auto reader) { kept.push_back(readers.Count(*std::move(reader))); });
  }
  EXPECT_TRUE(turns.RunOne());
  EXPECT_FALSE(readers.is_over_limit());
  EXPECT_TRUE(turns.RunOne());
  EXPECT_TRUE(readers.is_over_limit());
  EXPECT_EQ(kept.front()->info().hash, hash);
  const auto again = kept.front();
  kept.erase(kept.begin());
  EXPECT_TRUE(readers.is_over_limit()) << "somebody keeps it still";
  kept.clear();
  EXPECT_FALSE(readers.is_over_limit());
  EXPECT_EQ(store.open_readers(), 1);
}

TEST(ServeReadersTest, AnswersAreRightUnderAnyLimit) {
  for (const size_t limit : {0u, 1u, 3u}) {
    for (const size_t reads_at_once : {1u, 2u, 8u}) {
      for (uint64_t seed = 1; seed <= 2; ++seed) {
        SCOPED_TRACE(testing::Message()
                     << limit << " open, " << reads_at_once << " reads, seed " << seed);
        World world(WithReaders(limit, reads_at_once), seed);
        Rng rng(seed);
        std::vector<bao::NaiveBlob> blobs;
        std::vector<Hash> hashes;
        for (size_t i = 0; i < 6; ++i) {
          blobs.emplace_back(RandomContent(i % 2 == 0 ? 700'000 + i : 500 * i, rng.Next()));
          hashes.push_back(world.store.Add(blobs.back().content()));
        }
        // Long enough that hashes are read from two groups of it, small blobs between large ones.
        std::vector<size_t> order(520);
        std::vector<Hash> children;
        for (size_t i = 0; i < order.size(); ++i) {
          order[i] = i % 100 == 0 ? 2 * rng.Below(3) : 2 * rng.Below(3) + 1;
          children.push_back(hashes[order[i]]);
        }
        const Hash root = world.store.AddSequence(children);
        Bytes sequence = bao::NaiveBlob(world.store.Content(root)).Response(ChunkRanges::All());
        for (const size_t child : order) {
          const Bytes part = blobs[child].Response(ChunkRanges::All());
          sequence.insert(sequence.end(), part.begin(), part.end());
        }

        std::vector<std::pair<FakeEndpoint::StreamKey, Bytes>> asked;
        for (uint8_t node = 0; node < 2; ++node) {
          const auto connection = world.Connect(node);
          for (int i = 0; i < 10; ++i) {
            const size_t blob = rng.Below(blobs.size());
            const ChunkRanges wanted = bao::RandomSelection(blobs[blob].chunk_count(), rng);
            asked.emplace_back(
                world.endpoint->Request(connection,
                                        GetOf(hashes[blob], RangeSpecSeq::OfRawBlob(wanted))),
                blobs[blob].Response(wanted));
          }
          asked.emplace_back(world.endpoint->Request(connection, GetSequence(root)), sequence);
        }
        world.RunAcknowledging();
        for (const auto& [key, expected] : asked) {
          const FakeEndpoint::Stream& stream = world.endpoint->stream(key);
          EXPECT_TRUE(stream.fin);
          EXPECT_TRUE(stream.received == expected) << stream.received.size() << " bytes";
        }
        world.ExpectAtRest();
      }
    }
  }
}

TEST(ServeReadersTest, PeersThatDoNotReadHoldNoMoreThanTheLimit) {
  World world(WithReaders(3));
  const Hash hash = world.store.Add(RandomContent(1'000'000, 1));
  std::vector<FakeEndpoint::StreamKey> keys;
  for (uint8_t node = 0; node < 25; ++node) {
    const auto connection = world.Connect(node);
    for (int i = 0; i < 4; ++i) keys.push_back(world.endpoint->Request(connection, GetBlob(hash)));
  }
  world.Run();
  EXPECT_EQ(world.store.open_readers(), 3) << "which are put to use";
  world.RunAcknowledging();
  for (const auto& key : keys)
    EXPECT_EQ(world.endpoint->stream(key).received.size(), bao::WholeResponseSize(1'000'000));
  world.ExpectAtRest();
}

TEST(ServeReadersTest, BelowTheLimitABlobIsOpenedOnce) {
  World world(WithReaders(3));
  const Hash hash = world.store.Add(RandomContent(3'000'000, 1));
  for (int i = 0; i < 3; ++i) world.endpoint->Request(world.Connect(), GetBlob(hash));
  world.RunAcknowledging();
  EXPECT_EQ(world.store.opened(), 3);
  EXPECT_EQ(world.store.lookups(), 3);
  world.ExpectAtRest();
}

TEST(ServeReadersTest, ABlobThatChangesBetweenPiecesEndsTheAnswer) {
  const bao::NaiveBlob naive(RandomContent(1'000'000, 1));  // 62 groups
  const Bytes whole = naive.Response(ChunkRanges::All());
  const uint64_t count = bao::GroupCount(1'000'000);
  struct Case {
    std::string name;
    std::function<void(MemoryStore&, const Hash&)> change;
    std::optional<uint64_t> groups;  // that are still sent; nullopt: nothing more is
  };
  const Case cases[] = {
      {"private", [](MemoryStore& store, const Hash& hash) { store.SetPrivate(hash, true); }, {}},
      {"gone", [](MemoryStore& store, const Hash& hash) { store.Hold(hash, {}); }, {}},
      {"of another size",
       [](MemoryStore& store, const Hash& hash) {
         store.Change(hash, [](MemoryStore::Blob& blob) {
           blob.info.size_proven = false;
           blob.info.size = 900'000;
         });
       },
       {}},
      {"its files are gone",
       [](MemoryStore& store, const Hash& hash) {
         store.Change(hash, [](MemoryStore::Blob& b) { b.open_status = DataLoss("no file"); });
       },
       {}},
      {"a part withdrawn",
       [](MemoryStore& store, const Hash& hash) {
         store.Hold(hash, RangeSet(Range{0, 40}));
       },
       40},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    World world(WithReaders(0));
    const Hash hash = world.store.Add(naive.content());
    const auto key = world.endpoint->Request(world.Connect(), GetBlob(hash));
    world.Run();
    const FakeEndpoint::Stream& stream = world.endpoint->stream(key);
    const size_t before = stream.received.size();
    ASSERT_GT(before, 0u);
    EXPECT_EQ(world.store.open_readers(), 0);
    c.change(world.store, hash);
    world.RunAcknowledging();
    size_t size = before;
    if (c.groups) {
      const ChunkRanges held(RangeSet(Range{0, *c.groups * bao::kGroupChunks}));
      size = naive.Response(held).size();
      EXPECT_LT(before, size);
    }
    ExpectEndsEarly(stream, whole, size);
    std::vector<std::pair<Hash, RangeSet>> rotten;
    if (c.name == "its files are gone") rotten.emplace_back(hash, RangeSet(Range{0, count}));
    EXPECT_EQ(world.rotten, rotten);
    world.ExpectAtRest();
  }
}

TEST(ServeReadersTest, ADiskThatFailsWhenABlobIsOpenedAgain) {
  World world(WithReaders(0));
  const Hash hash = world.store.Add(RandomContent(1'000'000, 1));
  const auto key = world.endpoint->Request(world.Connect(), GetBlob(hash));
  world.Run();
  world.store.Change(
      hash, [](MemoryStore::Blob& blob) { blob.open_status = Unavailable("too many open files"); });
  world.RunAcknowledging();
  EXPECT_EQ(world.endpoint->stream(key).reset, 3u);
  world.ExpectAtRest();
}

// The hashes of one group of a root are known when it is read; the root itself is needed again for
// the next ones.
TEST(ServeReadersTest, ARootThatChangesBetweenPiecesEndsTheAnswerAtItsNextHashes) {
  const Bytes content = RandomContent(2000, 1);
  for (const bool is_private : {false, true}) {
    SCOPED_TRACE(is_private);
    World world(WithReaders(0));
    const Hash child = world.store.Add(content);
    const Hash root = world.store.AddSequence(std::vector<Hash>(600, child));
    Bytes whole = bao::NaiveBlob(world.store.Content(root)).Response(ChunkRanges::All());
    const size_t root_size = whole.size();
    const Bytes part = SmallAnswer(content);
    for (int i = 0; i < 600; ++i) whole.insert(whole.end(), part.begin(), part.end());
    const auto key = world.endpoint->Request(world.Connect(), GetSequence(root));
    world.Run();
    const FakeEndpoint::Stream& stream = world.endpoint->stream(key);
    ASSERT_GT(stream.received.size(), root_size);
    ASSERT_LT(stream.received.size(), root_size + 512 * part.size());
    if (is_private) {
      world.store.SetPrivate(root, true);
    } else {
      world.store.Hold(root, RangeSet(Range{0, 1}));
    }
    world.RunAcknowledging();
    ExpectEndsEarly(stream, whole, root_size + 512 * part.size());
    world.ExpectAtRest();
  }
}

// Peers go away while their blobs are being opened again.
TEST(ServeReadersTest, StreamsEndAtAnyMoment) {
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    SCOPED_TRACE(seed);
    World world(WithReaders(seed % 3), seed);
    Rng rng(seed);
    const Hash hash = world.store.Add(RandomContent(1'000'000, 1));
    const Hash root = world.store.AddSequence(std::vector<Hash>(20, hash));
    for (uint8_t node = 0; node < 8; ++node) {
      const auto connection = world.Connect(node);
      for (int i = 0; i < 4; ++i)
        world.endpoint->Request(connection, i % 2 == 0 ? GetBlob(hash) : GetSequence(root));
      for (uint64_t rounds = rng.Below(4); rounds > 0; --rounds) {
        world.Run();
        world.endpoint->AcknowledgeAll();
      }
      world.RunSome(rng.Below(60));
      world.endpoint->Lose(connection);
    }
    world.Run();
    world.ExpectAtRest();
  }
}

}  // namespace
}  // namespace blobd::transfer
