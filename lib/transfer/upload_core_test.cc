// Policies, limits, and peers that behave badly.
#include "transfer/upload_core.h"

#include <gtest/gtest.h>

#include "bao/tree.h"
#include "transfer/upload_for_test.h"
#include "wire/observe.h"

namespace blobd::transfer {
namespace {

using StreamKey = FakeEndpoint::StreamKey;

TEST(UploadCoreTest, WhoMayConnect) {
  ServeOptions listed;
  listed.mode = ServeMode::kListed;
  listed.listed = {TestNode(7)};
  World world(listed);
  const auto refused = world.endpoint->Connect(TestNode(8));
  ASSERT_TRUE(refused.refusal.has_value());
  EXPECT_EQ(refused.refusal->code, 1u);
  EXPECT_EQ(refused.refusal->reason, "permission");
  EXPECT_FALSE(world.endpoint->Connect(TestNode(7)).refusal.has_value());
  EXPECT_EQ(world.Take().totals.refused, 1u);
  EXPECT_EQ(world.Take().nodes.size(), 1u);

  ServeOptions nobody = listed;
  nobody.mode = ServeMode::kNobody;
  World closed(nobody);
  EXPECT_TRUE(closed.endpoint->Connect(TestNode(7)).refusal.has_value());
}

TEST(UploadCoreTest, ANewPolicyClosesThoseItDoesNotServe) {
  World world;
  const Hash hash = world.store.Add(RandomContent(1 << 20, 1));
  const auto kept = world.Connect(7);
  const auto unwelcome = world.Connect(8);
  world.endpoint->Request(kept, GetBlob(hash));
  world.endpoint->Request(unwelcome, GetBlob(hash));
  world.core().SetPolicy(ServeMode::kListed, {TestNode(7)});
  const auto snapshot = world.Take();
  ASSERT_EQ(snapshot.nodes.size(), 1u);
  EXPECT_EQ(snapshot.nodes[0].node, TestNode(7));
  EXPECT_EQ(snapshot.nodes[0].streams, 1u);
  EXPECT_TRUE(world.endpoint->Connect(TestNode(8)).refusal.has_value());
  world.core().SetPolicy(ServeMode::kAnyone, {});
  EXPECT_FALSE(world.endpoint->Connect(TestNode(8)).refusal.has_value());
}

TEST(UploadCoreTest, ANodeThatIsDisconnectedMayComeBack) {
  World world;
  const Hash hash = world.store.Add(RandomContent(1 << 20, 1));
  const auto kept = world.Connect(7);
  world.endpoint->Request(kept, GetBlob(hash));
  for (int i = 0; i < 2; ++i) world.endpoint->Request(world.Connect(8), GetBlob(hash));
  EXPECT_TRUE(world.core().Disconnect(TestNode(8)));
  EXPECT_FALSE(world.core().Disconnect(TestNode(8)));
  const auto snapshot = world.Take();
  ASSERT_EQ(snapshot.nodes.size(), 1u);
  EXPECT_EQ(snapshot.nodes[0].node, TestNode(7));
  EXPECT_FALSE(world.endpoint->Connect(TestNode(8)).refusal.has_value());
}

TEST(UploadCoreTest, ListsNodes) {
  World world;
  const Hash hash = world.store.Add(RandomContent(1000, 1));
  const auto first = world.Connect(2);
  const auto second = world.Connect(2);
  world.Connect(1);
  for (int i = 0; i < 3; ++i) world.endpoint->Request(first, GetBlob(hash));
  world.endpoint->Open(second);
  world.Run();
  world.endpoint->AcknowledgeAll();
  world.endpoint->Request(second, GetBlob(hash));
  const auto snapshot = world.Take();
  ASSERT_EQ(snapshot.nodes.size(), 2u);
  EXPECT_EQ(snapshot.nodes[0].node, TestNode(1));
  EXPECT_EQ(snapshot.nodes[1].connections, 2u);
  EXPECT_EQ(snapshot.nodes[1].streams, 2u);
  EXPECT_EQ(snapshot.nodes[1].requests, 4u);
  EXPECT_EQ(snapshot.nodes[1].sent_bytes, 3u * 1008);
  EXPECT_EQ(snapshot.totals.sent_bytes, 3u * 1008);
  world.endpoint->Lose(first);
  EXPECT_EQ(world.Take().nodes.size(), 2u);
  world.endpoint->Lose(second);
  EXPECT_EQ(world.Take().nodes.size(), 1u);
  world.Run();
  world.ExpectAtRest();
}

TEST(UploadCoreTest, StreamsOfANodeAreLimited) {
  ServeOptions options = World::Anyone();
  options.streams_per_node = 3;
  World world(options);
  const auto a = world.Connect(1);
  const auto b = world.Connect(1);
  world.endpoint->Open(a);
  world.endpoint->Open(b);
  const StreamKey third = world.endpoint->Open(b);
  const StreamKey fourth = world.endpoint->Open(a);
  const StreamKey other = world.endpoint->Open(world.Connect(2));
  world.endpoint->Data(fourth, RandomContent(100, 1));
  world.Run();
  EXPECT_EQ(world.endpoint->stream(fourth).reset, 2u);
  EXPECT_FALSE(world.endpoint->stream(third).reset.has_value());
  EXPECT_FALSE(world.endpoint->stream(other).reset.has_value());
  world.endpoint->ResetRequest(third);
  world.Run();
  EXPECT_FALSE(world.endpoint->stream(world.endpoint->Open(a)).reset.has_value());
}

TEST(UploadCoreTest, RequestsWithoutFinEnd) {
  World world;
  const Hash hash = world.store.Add(RandomContent(1000, 1));
  const StreamKey silent = world.endpoint->Open(world.Connect());
  const StreamKey slow = world.endpoint->Open(world.Connect());
  world.endpoint->Data(slow, GetBlob(hash));
  for (int i = 0; i < 29; ++i) {
    world.Wait(seconds(1));
    world.endpoint->Data(slow, Bytes(1));  // keeps nothing alive
  }
  EXPECT_FALSE(world.endpoint->stream(slow).ended());
  world.Wait(seconds(2));
  EXPECT_EQ(world.endpoint->stream(slow).reset, 3u);
  EXPECT_EQ(world.endpoint->stream(silent).reset, 3u);
  EXPECT_EQ(world.Take().totals.stalled, 2u);
  world.ExpectAtRest();
  world.Wait(seconds(2));
  EXPECT_EQ(world.time().size(), 0u) << "no timer without streams";
}

TEST(UploadCoreTest, RequestsThatAreTooLarge) {
  World world;
  const auto connection = world.Connect();
  const Bytes piece(60'000, 0);
  const StreamKey key = world.endpoint->Open(connection);
  size_t sent = 0;
  while (sent <= wire::kMaxRequestSize) {
    EXPECT_FALSE(world.endpoint->stream(key).ended());
    world.endpoint->Data(key, piece);
    sent += piece.size();
  }
  EXPECT_TRUE(world.endpoint->stream(key).fin);
  EXPECT_TRUE(world.endpoint->stream(key).received.empty());
  EXPECT_EQ(world.core().request_memory(), 0u);
  // What still comes is neither kept nor credited, and stopped when the FIN had its time.
  const uint64_t consumed = world.endpoint->stream(key).consumed;
  for (int i = 0; i < 10; ++i) world.endpoint->Data(key, piece);
  EXPECT_EQ(world.endpoint->stream(key).consumed, consumed);
  world.Wait(seconds(3));
  EXPECT_EQ(world.endpoint->stream(key).reset, 0u);
  world.ExpectAtRest();

  // Just as large as may be is fine.
  const Bytes content = RandomContent(10, 1);
  Bytes request = GetBlob(world.store.Add(content));
  request.resize(wire::kMaxRequestSize);
  EXPECT_TRUE(world.Ask(request).received == SmallAnswer(content));
}

TEST(UploadCoreTest, RequestMemoryIsBounded) {
  ServeOptions options = World::Anyone();
  options.request_budget = 3 << 20;
  World world(options);
  const Bytes content = RandomContent(10, 1);
  const Bytes request = GetBlob(world.store.Add(content));
  const StreamKey small = world.endpoint->Open(world.Connect(1));
  world.endpoint->Data(small, ByteView(request).first(20));
  // One node takes what there is, and more: it loses its own.
  const auto hog = world.Connect(2);
  std::vector<StreamKey> keys;
  for (int i = 0; i < 30; ++i) {
    keys.push_back(world.endpoint->Open(hog));
    for (int piece = 0; piece < 10; ++piece) {
      world.endpoint->Data(keys.back(), Bytes(50'000));
      EXPECT_LE(world.core().request_memory(), options.request_budget);
    }
  }
  size_t lost = 0;
  for (const StreamKey& key : keys) lost += world.endpoint->stream(key).reset == 2u ? 1 : 0;
  EXPECT_GE(lost, 20u);
  world.endpoint->Data(small, ByteView(request).subspan(20));
  world.endpoint->Fin(small);
  world.RunAcknowledging();
  EXPECT_TRUE(world.endpoint->stream(small).received == SmallAnswer(content));
}

// Decoded, a request takes many times its bytes, for as long as its answer is under way.
TEST(UploadCoreTest, DecodedRequestsAreCounted) {
  ServeOptions options = World::Anyone();
  options.request_budget = 8 << 20;
  World world(options);
  const Hash hash = world.store.Add(RandomContent(3'000'000, 1));
  wire::RangeSpecSeq ranges;
  ranges.Append(0, wire::ChunkRanges::All());
  for (uint64_t i = 1; i < 50'000; ++i)
    ranges.Append(i,
                  i % 2 == 0 ? wire::ChunkRanges() : wire::ChunkRanges(RangeSet({0, 1 + i % 5})));
  const Bytes request = GetOf(hash, ranges);
  ASSERT_LE(request.size(), wire::kMaxRequestSize);
  for (uint8_t node = 1; node <= 10; ++node) {
    world.endpoint->Request(world.Connect(node), request);
    world.Run();
    EXPECT_GT(world.core().request_memory(), 10 * request.size());
    EXPECT_LE(world.core().request_memory(), options.request_budget);
  }
  EXPECT_LE(world.endpoint->open_streams(), 3u);
  world.RunAcknowledging();
  world.ExpectAtRest();
}

TEST(UploadCoreTest, APeerThatNeverReadsHoldsLittleAndIsReset) {
  World world;
  const Hash hash = world.store.Add(RandomContent(20'000'000, 1));
  const auto connection = world.Connect();
  std::vector<StreamKey> keys;
  for (int i = 0; i < 200; ++i) keys.push_back(world.endpoint->Request(connection, GetBlob(hash)));
  world.Run();
  EXPECT_LE(world.core().queue().used(), 256u << 10);
  world.Wait(seconds(29));
  EXPECT_EQ(world.endpoint->open_streams(), 200u);
  // Those that were sent something go, others get their chance, and go.
  world.Wait(seconds(3));
  EXPECT_LT(world.endpoint->open_streams(), 200u);
  EXPECT_EQ(world.endpoint->stream(keys[0]).reset, 3u);
  world.endpoint->Lose(connection);
  world.Run();
  world.ExpectAtRest();
}

TEST(UploadCoreTest, OneThatStopsInTheMiddleIsReset) {
  World world;
  const Hash hash = world.store.Add(RandomContent(2'000'000, 1));
  const auto connection = world.Connect();
  const StreamKey stops = world.endpoint->Request(connection, GetBlob(hash));
  const StreamKey slow = world.endpoint->Request(connection, GetBlob(hash));
  world.Run();
  world.endpoint->Acknowledge(stops, 1000);
  for (int i = 0; i < 35; ++i) {
    world.endpoint->Acknowledge(slow, 100);
    world.Wait(seconds(1));
  }
  EXPECT_EQ(world.endpoint->stream(stops).reset, 3u);
  EXPECT_FALSE(world.endpoint->stream(slow).ended());
}

// All is sent, but the end is not acknowledged.
TEST(UploadCoreTest, StateOfAVanishedPeerDoesNotStay) {
  World world;
  const Hash hash = world.store.Add(RandomContent(2'000, 1));
  const auto connection = world.Connect();
  world.endpoint->Request(connection, GetBlob(hash));
  world.endpoint->Request(connection, GetBlob(Hash{{1}}));
  world.Run();
  EXPECT_EQ(world.store.open_readers(), 0) << "all is read";
  EXPECT_EQ(world.endpoint->open_streams(), 2u);
  world.Wait(seconds(32));
  world.ExpectAtRest();
}

// Hundreds of nodes that do not read use the budget up; one who reads gets through.
TEST(UploadCoreTest, StalledNodesMakeRoomForOthers) {
  ServeOptions options = World::Anyone();
  options.read_budget = 4 << 20;
  World world(options);
  const Bytes content = RandomContent(1'000'000, 1);
  const Hash hash = world.store.Add(content);
  for (uint8_t node = 1; node <= 100; ++node)
    world.endpoint->Request(world.Connect(node), GetBlob(hash));
  world.Run();
  EXPECT_EQ(world.core().queue().used(), options.read_budget);
  EXPECT_LE(world.endpoint->most_unacknowledged, options.read_budget);
  const StreamKey reader = world.endpoint->Request(world.Connect(200), GetBlob(hash));
  for (int i = 0; i < 600 && !world.endpoint->stream(reader).fin; ++i) {
    world.endpoint->Acknowledge(reader);
    world.Wait(milliseconds(100));
  }
  EXPECT_TRUE(world.endpoint->stream(reader).fin);
  EXPECT_EQ(world.endpoint->stream(reader).received.size(), bao::WholeResponseSize(content.size()));
  EXPECT_LE(world.endpoint->most_unacknowledged, options.read_budget);
  EXPECT_GE(world.Take().totals.stalled, 16u);
}

TEST(UploadCoreTest, SmallAnswersPassLargeOnes) {
  World world;
  const Hash large = world.store.Add(RandomContent(10'000'000, 1));
  const Bytes content = RandomContent(5000, 2);
  const Hash small = world.store.Add(content);
  const auto bulk = world.Connect(1);
  for (int i = 0; i < 100; ++i) world.endpoint->Request(bulk, GetBlob(large));
  for (int i = 0; i < 10; ++i) {
    world.Run();
    world.endpoint->AcknowledgeAll();
  }
  const size_t before = world.endpoint->sends.size();
  const StreamKey key = world.endpoint->Request(world.Connect(2), GetBlob(small));
  const StreamKey same_node = world.endpoint->Request(bulk, GetBlob(small));
  const auto sent_after = [&](StreamKey wanted) {
    for (size_t i = before; i < world.endpoint->sends.size(); ++i) {
      if (world.endpoint->sends[i].first == wanted) return i - before;
    }
    return SIZE_MAX;
  };
  for (int i = 0; i < 100 && sent_after(same_node) == SIZE_MAX; ++i) {
    world.Run();
    world.endpoint->AcknowledgeAll();
  }
  EXPECT_LE(sent_after(key), 20u) << "of a hundred";
  EXPECT_LE(sent_after(same_node), 110u) << "one turn of each of its node's own";
}

TEST(UploadCoreTest, DrainWaitsForWhatIsUnderWay) {
  World world;
  const Hash hash = world.store.Add(RandomContent(3'000'000, 1));
  const auto connection = world.Connect();
  const StreamKey key = world.endpoint->Request(connection, GetBlob(hash));
  world.Run();
  int drained = 0;
  world.core().Drain(seconds(60), [&] { ++drained; });
  world.core().Drain(seconds(60), [&] { ++drained; });
  world.Run();
  EXPECT_EQ(drained, 0);
  const auto late = world.endpoint->Connect(TestNode(2));
  ASSERT_TRUE(late.refusal.has_value());
  EXPECT_EQ(late.refusal->code, 0u);
  const StreamKey another = world.endpoint->Request(connection, GetBlob(hash));
  world.Run();
  EXPECT_EQ(world.endpoint->stream(another).reset, 2u);
  world.RunAcknowledging();
  EXPECT_TRUE(world.endpoint->stream(key).fin);
  EXPECT_EQ(drained, 2);
  EXPECT_EQ(world.endpoint->closed().at(connection), 0u);
  world.core().Drain(seconds(60), [&] { ++drained; });
  world.Run();
  EXPECT_EQ(drained, 3);
  world.ExpectAtRest();
}

TEST(UploadCoreTest, DrainEndsAfterItsGrace) {
  World world;
  const Hash hash = world.store.Add(RandomContent(3'000'000, 1));
  const auto connection = world.Connect();
  world.endpoint->Request(connection, GetBlob(hash));
  bool drained = false;
  world.core().Drain(seconds(5), [&] { drained = true; });
  world.Wait(seconds(4));
  EXPECT_FALSE(drained);
  world.Wait(seconds(2));
  EXPECT_TRUE(drained);
  EXPECT_EQ(world.endpoint->closed().at(connection), 0u);
  world.ExpectAtRest();
}

TEST(UploadCoreTest, ShutdownAtAnyMoment) {
  const Bytes content = RandomContent(300'000, 1);
  for (size_t tasks = 0; tasks < 40; ++tasks) {
    World world(World::Anyone(), tasks);
    const Hash hash = world.store.Add(content);
    const auto connection = world.Connect();
    for (int i = 0; i < 3; ++i) world.endpoint->Request(connection, GetBlob(hash));
    world.endpoint->Request(connection, *wire::EncodeRequest(wire::ObserveRequest{hash, {}}));
    world.RunSome(tasks);
    world.Shutdown();
    EXPECT_EQ(world.endpoint->closed().at(connection), 0u);
    EXPECT_FALSE(world.endpoint->has_acceptor());
  }
}

// Ten thousand streams, opened, filled, reset, stopped, read and lost at random.
TEST(UploadCoreTest, HostilePeers) {
  const Bytes garbage = RandomContent(100'000, 1);
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    ServeOptions options = World::Anyone();
    options.read_budget = 2 << 20;
    options.request_budget = 256 << 10;
    options.streams_per_node = 100;
    World world(options, seed);
    std::vector<Hash> hashes;
    for (size_t i = 0; i < 8; ++i) hashes.push_back(world.store.Add(RandomContent(i * 40'000, i)));
    hashes.push_back(world.store.AddSequence(hashes));
    hashes.push_back(Hash{{1}});
    std::vector<quic::ConnectionId> connections;
    std::vector<StreamKey> open;
    const auto some_request = [&] {
      const Hash& hash = hashes[rng.Below(hashes.size())];
      switch (rng.Below(6)) {
        case 0:
          return GetSequence(hash);
        case 1:
          return *wire::EncodeRequest(wire::ObserveRequest{hash, {}});
        case 2: {
          const auto piece = ByteView(garbage).subspan(rng.Below(50'000), rng.Below(50'000));
          return Bytes(piece.begin(), piece.end());
        }
        case 3:
          return *wire::EncodeRequest(
              wire::GetManyRequest{hashes, wire::RangeSpecSeq::OfHashSeq()});
        default:
          return GetBlob(hash);
      }
    };
    for (int i = 0; i < 10'000; ++i) {
      if (connections.size() < 5 || rng.Chance(0.003))
        connections.push_back(world.Connect(static_cast<uint8_t>(rng.Below(20))));
      const auto connection = connections[rng.Below(connections.size())];
      open.push_back(world.endpoint->Open(connection));
      const size_t at = rng.Below(open.size());
      const StreamKey key = rng.Chance(0.5) ? open.back() : open[at];
      if (!world.endpoint->stream(key).read_ended) {
        const Bytes request = some_request();
        world.endpoint->Data(
            key, ByteView(request).first(rng.Chance(0.8) ? request.size() : request.size() / 2));
        if (rng.Chance(0.8)) {
          world.endpoint->Fin(key);
        } else if (rng.Chance(0.5)) {
          world.endpoint->ResetRequest(key);
        }
      }
      world.RunSome(rng.Below(8));
      if (rng.Chance(0.2)) world.endpoint->StopSending(open[rng.Below(open.size())]);
      if (rng.Chance(0.5)) world.endpoint->Acknowledge(open[rng.Below(open.size())]);
      if (rng.Chance(0.003)) world.Wait(seconds(1 + rng.Below(20)));
      if (rng.Chance(0.003)) {
        const size_t lost = rng.Below(connections.size());
        const auto gone = connections[lost];
        connections.erase(connections.begin() + static_cast<ptrdiff_t>(lost));
        std::erase_if(open, [&](const StreamKey& k) { return k.first == gone; });
        world.endpoint->Lose(gone);
        connections.push_back(world.Connect(static_cast<uint8_t>(rng.Below(20))));
        if (open.empty()) open.push_back(world.endpoint->Open(connections.back()));
      }
      ASSERT_LE(world.core().queue().used(), options.read_budget);
      ASSERT_LE(world.core().request_memory(), options.request_budget);
      if (testing::Test::HasFailure()) return;
    }
    // Then they all fall silent: only observers who were told everything stay.
    world.Wait(minutes(30));
    EXPECT_EQ(world.core().queue().used(), 0u);
    for (const auto& [key, stream] : world.endpoint->streams()) {
      if (stream.handler == nullptr) continue;
      const auto item = wire::DecodeObserveFrame(stream.received);
      EXPECT_TRUE(item.ok() && item->has_value());
    }
    for (const auto& [key, stream] : world.endpoint->streams()) {
      if (stream.handler != nullptr) world.endpoint->StopSending(key);
    }
    world.Wait(minutes(2));
    world.ExpectAtRest();
  }
}

}  // namespace
}  // namespace blobd::transfer
