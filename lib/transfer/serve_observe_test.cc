#include "transfer/serve_observe.h"

#include <gtest/gtest.h>

#include "transfer/upload_for_test.h"

namespace blobd::transfer {
namespace {

using wire::ObserveItem;

class ServeObserveTest : public testing::Test {
 protected:
  FakeEndpoint::StreamKey Observe(const Hash& hash) {
    const auto key = world_.endpoint->Request(
        world_.Connect(),
        *wire::EncodeRequest(wire::ObserveRequest{hash, wire::ChunkRanges::All()}));
    world_.RunAcknowledging();
    return key;
  }
  // The items that came so far.
  std::vector<ObserveItem> Items(FakeEndpoint::StreamKey key) {
    std::vector<ObserveItem> items;
    ByteView bytes = world_.endpoint->stream(key).received;
    while (!bytes.empty()) {
      const auto frame = wire::DecodeObserveFrame(bytes);
      EXPECT_TRUE(frame.ok() && frame->has_value());
      if (!frame.ok() || !frame->has_value()) break;
      items.push_back((*frame)->item);
      bytes = bytes.subspan((*frame)->size);
    }
    return items;
  }
  void WaitReading(Duration duration) {
    for (; duration > Duration::zero(); duration -= milliseconds(10)) {
      world_.Wait(milliseconds(10));
      world_.RunAcknowledging();
    }
  }
  bool IsOpen(FakeEndpoint::StreamKey key) { return !world_.endpoint->stream(key).ended(); }

  World world_;
};

RangeSet Chunks(uint64_t begin, uint64_t end) { return RangeSet(Range{begin, end}); }

TEST_F(ServeObserveTest, CompleteAndUnknownBlobs) {
  const Hash hash = world_.store.Add(RandomContent(5000, 1));
  const auto known = Observe(hash);
  EXPECT_EQ(Items(known), (std::vector<ObserveItem>{{5000, RangeSet::All()}}));
  const auto unknown = Observe(Hash{{9}});
  EXPECT_EQ(Items(unknown), (std::vector<ObserveItem>{{0, {}}}));
  EXPECT_TRUE(IsOpen(known));
  EXPECT_TRUE(IsOpen(unknown));
  // An idle observer is not stalled, however long.
  WaitReading(seconds(120));
  EXPECT_TRUE(IsOpen(known));
  world_.endpoint->StopSending(known);
  world_.endpoint->StopSending(unknown);
  world_.Run();
  world_.ExpectAtRest();
}

TEST_F(ServeObserveTest, TellsWhatIsAdded) {
  const Hash hash = world_.store.Add(RandomContent(10 * 16384 + 5, 1));
  world_.store.Change(hash, [](MemoryStore::Blob& blob) { blob.info.size_proven = false; });
  world_.store.Hold(hash, {});
  const auto key = Observe(hash);
  world_.store.Hold(hash, Chunks(2, 4));
  WaitReading(milliseconds(200));
  world_.store.Hold(hash, Chunks(2, 7));
  WaitReading(milliseconds(200));
  world_.store.Hold(hash, Chunks(2, 11));  // with the last one
  WaitReading(milliseconds(200));
  world_.store.Hold(hash, Chunks(0, 11));
  WaitReading(milliseconds(200));
  const uint64_t size = 10 * 16384 + 5;
  EXPECT_EQ(Items(key), (std::vector<ObserveItem>{{0, {}},
                                                  {size, Chunks(32, 64)},
                                                  {size, Chunks(64, 112)},
                                                  {size, Chunks(112, RangeSet::kOpenEnd)},
                                                  {size, Chunks(0, 32)}}));
}

TEST_F(ServeObserveTest, ChangesAreGathered) {
  const Hash hash = world_.store.AddWithoutContent(1000 * 16384);
  world_.store.Hold(hash, Chunks(0, 1));
  const auto key = Observe(hash);
  for (uint64_t groups = 2; groups <= 200; ++groups) {
    world_.store.Hold(hash, Chunks(0, groups));
    WaitReading(milliseconds(10));
  }
  WaitReading(milliseconds(200));
  const auto items = Items(key);
  EXPECT_LE(items.size(), 1u + 21u) << "in two seconds";
  RangeSet all;
  for (const ObserveItem& item : items) {
    EXPECT_TRUE(all.Intersection(item.chunks).empty());
    all.InsertAll(item.chunks);
  }
  EXPECT_EQ(all, Chunks(0, 200 * 16));
}

TEST_F(ServeObserveTest, ManyRangesComeInSeveralItems) {
  const Hash hash = world_.store.AddWithoutContent(9000 * 16384);
  RangeSet every_other;
  for (uint64_t group = 0; group < 9000; group += 2) every_other.Insert({group, group + 1});
  world_.store.Hold(hash, every_other);
  const auto key = Observe(hash);
  WaitReading(milliseconds(500));
  const auto items = Items(key);
  EXPECT_EQ(items.size(), 3u);
  RangeSet all;
  for (const ObserveItem& item : items) all.InsertAll(item.chunks);
  EXPECT_EQ(all.ranges().size(), 4500u);
}

TEST_F(ServeObserveTest, WithdrawnGroupsEndIt) {
  const Hash hash = world_.store.Add(RandomContent(10 * 16384, 1));
  const auto key = Observe(hash);
  world_.store.Hold(hash, Chunks(0, 5));
  WaitReading(milliseconds(200));
  EXPECT_TRUE(world_.endpoint->stream(key).fin);
  EXPECT_EQ(Items(key).size(), 1u);
  world_.ExpectAtRest();
}

TEST_F(ServeObserveTest, PrivateBlobsLookUnknown) {
  const Hash hash = world_.store.Add(RandomContent(1000, 1));
  const auto make_private = [&](bool is_private) {
    world_.store.Change(hash, [&](MemoryStore::Blob& blob) { blob.info.is_private = is_private; });
    WaitReading(milliseconds(200));
  };
  make_private(true);
  const auto key = Observe(hash);
  WaitReading(milliseconds(200));
  EXPECT_EQ(Items(key), (std::vector<ObserveItem>{{0, {}}}));
  // It appears as if it had just come, and goes as if withdrawn.
  make_private(false);
  EXPECT_EQ(Items(key).size(), 2u);
  make_private(true);
  EXPECT_TRUE(world_.endpoint->stream(key).fin);
  EXPECT_EQ(Items(key).size(), 2u);
  world_.ExpectAtRest();
}

TEST_F(ServeObserveTest, ObserversOfANodeAreLimited) {
  const Hash hash = world_.store.Add(RandomContent(1000, 1));
  std::vector<FakeEndpoint::StreamKey> keys;
  for (int i = 0; i < 65; ++i) keys.push_back(Observe(hash));
  const FakeEndpoint::StreamKey last = keys.back();
  EXPECT_EQ(world_.endpoint->stream(last).reset, 2u);
  EXPECT_TRUE(IsOpen(keys[63]));
  world_.endpoint->StopSending(keys[5]);
  const auto another = Observe(hash);
  EXPECT_TRUE(IsOpen(another));
  EXPECT_EQ(Items(another).size(), 1u);
}

TEST_F(ServeObserveTest, AnObserverThatDoesNotReadIsStalled) {
  const Hash hash = world_.store.Add(RandomContent(1000, 1));
  const auto key = world_.endpoint->Request(world_.Connect(),
                                            *wire::EncodeRequest(wire::ObserveRequest{hash, {}}));
  world_.Wait(seconds(29));
  EXPECT_TRUE(IsOpen(key));
  world_.Wait(seconds(3));
  EXPECT_EQ(world_.endpoint->stream(key).reset, 3u);
  world_.ExpectAtRest();
}

TEST_F(ServeObserveTest, DrainEndsThem) {
  const Hash hash = world_.store.Add(RandomContent(1000, 1));
  const auto key = Observe(hash);
  bool drained = false;
  world_.core().Drain(seconds(60), [&] { drained = true; });
  world_.RunAcknowledging();
  EXPECT_TRUE(world_.endpoint->stream(key).fin);
  EXPECT_TRUE(drained) << "at once, not after the grace";
}

TEST_F(ServeObserveTest, DrainEndsThoseWithNewsToo) {
  const Hash hash = world_.store.AddWithoutContent(1000 * 16384);
  world_.store.Hold(hash, Chunks(0, 1));
  const auto key = Observe(hash);
  world_.store.Hold(hash, Chunks(0, 2));
  world_.Run();  // the news wait for their time
  world_.core().Drain(seconds(60), [] {});
  world_.Run();
  EXPECT_TRUE(world_.endpoint->stream(key).fin);
  world_.Wait(seconds(1));
  EXPECT_EQ(Items(key).size(), 1u);
  world_.RunAcknowledging();
  world_.ExpectAtRest();
}

TEST_F(ServeObserveTest, ObserverGoesWhileTheFirstStateIsAwaited) {
  const Hash hash = world_.store.Add(RandomContent(1000, 1));
  for (size_t tasks = 0; tasks < 12; ++tasks) {
    const auto connection = world_.Connect();
    world_.endpoint->Request(connection, *wire::EncodeRequest(wire::ObserveRequest{hash, {}}));
    world_.RunSome(tasks);
    world_.endpoint->Lose(connection);
    world_.Run();
    world_.ExpectAtRest();
  }
}

}  // namespace
}  // namespace blobd::transfer
