// Several streams for one transfer: division, order, holes, refusals, and what a provider lacks.
#include "store/store_for_test.h"
#include "transfer/get_session_for_test.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;

constexpr size_t kMiB = 1 << 20;

// The groups of a blob that requests asked for by number, in all; no group may be asked for twice.
RangeSet GroupsAsked(const std::vector<wire::GetRequest>& requests, uint64_t group_count,
                     size_t from = 0) {
  RangeSet asked;
  for (size_t i = from; i < requests.size(); ++i) {
    const RangeSet chunks = requests[i].ranges.At(0).chunks().Intersection({0, group_count * 16});
    for (const Range& range : chunks.ranges()) {
      EXPECT_EQ(range.begin % 16, 0u);
      EXPECT_EQ(range.end % 16, 0u);
      const Range groups{range.begin / 16, range.end / 16};
      EXPECT_FALSE(asked.Intersects(groups)) << requests[i].ranges.At(0).ToString();
      asked.Insert(groups);
    }
  }
  return asked;
}

TEST_F(GetSessionTest, ALargeBlobComesOverFourStreamsInAnyOrder) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    NewProvider();
    provider_->order = Rng(seed);
    const size_t size = 22 * kMiB + 12'345 * seed;
    const Hash hash = provider_->Add(RandomBytes(size, seed));
    const auto [progress, end] = Get({hash, BlobFormat::kRaw});
    EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
    EXPECT_EQ(progress.total_bytes, size);
    EXPECT_EQ(progress.verified_bytes, size);
    EXPECT_EQ(progress.complete_blobs, 1u);
    EXPECT_EQ(provider_->most_open, 4u);
    const std::vector<std::string> asked = provider_->AskedOfRoot();
    EXPECT_EQ(asked[0], "0..8192 last");
    EXPECT_EQ(asked[1], "8192..12288");
    const uint64_t groups = (size + 16383) / 16384;
    EXPECT_EQ(GroupsAsked(provider_->requests, groups), RangeSet({0, groups}));
    ExpectComplete(hash);
  }
}

TEST_F(GetSessionTest, ABlobThatFitsIntoTheFirstRequestNeedsNoOther) {
  const Hash hash = provider_->Add(RandomBytes(8 * kMiB, 1));
  EXPECT_EQ(Get({hash, BlobFormat::kRaw}).second.outcome, Outcome::kDone);
  EXPECT_EQ(provider_->requests.size(), 1u);
  const Hash more = provider_->Add(RandomBytes(8 * kMiB + 1, 1));
  EXPECT_EQ(Get({more, BlobFormat::kRaw}).second.outcome, Outcome::kDone);
  EXPECT_EQ(provider_->AskedOfRoot(),
            (std::vector<std::string>{"0..8192 last", "0..8192 last", "8192.."}));
  ExpectComplete(more);
}

// A provider with half of a blob gives that half; the rest comes from another, and only the rest.
TEST_F(GetSessionTest, HalfABlobIsTakenAndOnlyHolesAreAskedForLater) {
  const size_t size = 40 * kMiB + 1;
  const Hash hash = provider_->Add(RandomBytes(size, 1));
  const uint64_t groups = size / 16384 + 1;
  RangeSet& held = provider_->At(hash).held;
  held = RangeSet();
  for (uint64_t group = 0; group < groups; group += 512) held.Insert({group, group + 256});
  held.Insert({groups - 1, groups});
  const RangeSet half = held.Intersection(Range{0, groups});
  const auto [progress, end] = Get({hash, BlobFormat::kRaw});
  EXPECT_EQ(end.outcome, Outcome::kNotHere);
  EXPECT_NE(end.reason.find("holds only a part"), std::string::npos) << end.reason;
  store::BlobInfo info = Lookup(hash);
  EXPECT_EQ(info.groups.ToString(), half.ToString());

  provider_->At(hash).held = RangeSet::All();
  const size_t before = provider_->requests.size();
  const auto [rest, done] = Get({hash, BlobFormat::kRaw});
  EXPECT_EQ(done.outcome, Outcome::kDone) << done.reason;
  EXPECT_EQ(GroupsAsked(provider_->requests, groups, before), info.groups.Missing({0, groups}));
  ExpectComplete(hash);
}

// Holes of a proven size: known at once, many in one request.
TEST_F(GetSessionTest, ManySmallHolesGoIntoFewRequests) {
  const size_t size = 24 * kMiB;
  const uint64_t groups = size / 16384;
  const Hash hash = provider_->Add(RandomBytes(size, 1));
  {
    // As another transfer may have left it: every second group, and the size proven.
    const auto writer = Writer(hash);
    Blob& blob = provider_->At(hash);
    writer->ClaimSize(size);
    for (uint64_t group = 1; group < groups; group += 2) {
      const store::VerifiedGroup one[] = {
          {group, ByteView(blob.content).subspan(group * 16384, 16384)}};
      ASSERT_TRUE(writer->Write(one, {}).ok());
    }
    writer->ProveSize(size);
    writer->Publish();
  }
  const auto [progress, end] = Get({hash, BlobFormat::kRaw});
  EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
  EXPECT_EQ(provider_->requests.size(), 3u);  // 12 MiB are missing, 4 MiB each
  EXPECT_EQ(progress.verified_bytes, size / 2);
  EXPECT_EQ(Lookup(hash).state, store::BlobState::kComplete);
}

TEST_F(GetSessionTest, AWrongSizeIsFoundOut) {
  const Hash hash = provider_->Add(RandomBytes(20 * kMiB, 1));
  const auto claim = [](Answer& answer, uint64_t size) {
    for (size_t i = 0; i < 8; ++i) answer.bytes[i] = static_cast<uint8_t>(size >> (8 * i));
  };
  struct Case {
    const char* name;
    uint64_t size;
    bool on_all;  // else only on the first stream
    const char* reason;
  };
  const Case cases[] = {
      {"far too large", uint64_t{1} << 43, true, "does not fit"},
      {"too small", 100'000, true, "does not fit"},
      {"a byte more", 20 * kMiB + 1, true, "does not fit"},
      {"two sizes", 20 * kMiB - 1, false, "and another time"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    provider_->tamper_request = [&](size_t, Answer& answer) {
      const wire::ChunkRanges& asked = provider_->requests.back().ranges.At(0);
      if (c.on_all || asked.last_chunk()) claim(answer, c.size);
    };
    const auto [progress, end] = Get({hash, BlobFormat::kRaw});
    EXPECT_EQ(end.outcome, Outcome::kDropProvider);
    EXPECT_NE(end.reason.find(c.reason), std::string::npos) << end.reason;
    EXPECT_FALSE(Lookup(hash).size_proven);
  }
  // Nothing was laid out by what was only claimed.
  uint64_t on_disk = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path()))
    if (entry.is_regular_file()) on_disk += entry.file_size();
  EXPECT_LT(on_disk, 30 * kMiB);

  provider_->tamper_request = nullptr;
  EXPECT_EQ(Get({hash, BlobFormat::kRaw}).second.outcome, Outcome::kDone);
  ExpectComplete(hash);
}

TEST_F(GetSessionTest, AnotherSizeThanTheProvenOneDropsTheProvider) {
  const size_t size = 20 * kMiB;
  const Hash hash = provider_->Add(RandomBytes(size, 1));
  {
    const auto writer = Writer(hash);
    Blob& blob = provider_->At(hash);
    const uint64_t last = size / 16384 - 1;
    const store::VerifiedGroup group[] = {
        {last, ByteView(blob.content).subspan(last * 16384, 16384)}};
    ASSERT_TRUE(writer->Write(group, {}).ok());
    writer->ProveSize(size);
    writer->Publish();
  }
  provider_->tamper = [](Answer& answer) { ++answer.bytes[0]; };
  const GetEnd end = Get({hash, BlobFormat::kRaw}).second;
  EXPECT_EQ(end.outcome, Outcome::kDropProvider);
  EXPECT_NE(end.reason.find("which is proven to have 20971520"), std::string::npos) << end.reason;
  EXPECT_EQ(provider_->most_open, 4u);  // a known size starts them at once
}

TEST_F(GetSessionTest, FewerStreamsAreEnough) {
  for (const size_t allowed : {1u, 2u, 3u}) {
    SCOPED_TRACE(allowed);
    NewProvider();
    provider_->max_streams = allowed;
    const Hash hash = provider_->Add(RandomBytes(22 * kMiB, allowed));
    const GetEnd end = Get({hash, BlobFormat::kRaw}).second;
    EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
    EXPECT_EQ(provider_->most_open, allowed);
    EXPECT_GE(provider_->refused, 1u);
    EXPECT_LE(provider_->refused, 3u);
    ExpectComplete(hash);
  }
}

TEST_F(GetSessionTest, NoStreamAtAllIsAnEnd) {
  const Hash hash = provider_->Add(RandomBytes(1000, 1));
  // As the network's side answers when it has waited long enough.
  provider_->tamper = [](Answer& answer) {
    answer = {{}, StreamEnd{StreamEnd::Kind::kRefused, 0, "the peer allows no further stream"}};
  };
  const GetEnd end = Get({hash, BlobFormat::kRaw}).second;
  EXPECT_EQ(end.outcome, Outcome::kRetryLater);
  EXPECT_EQ(end.reason, "the peer allows no further stream");
  EXPECT_EQ(provider_->requests.size(), 1u);
}

// The fake checks that every open stream is stopped, once, and that all bytes are consumed.
TEST_F(GetSessionTest, StoppedInTheMiddle) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    NewProvider();
    provider_->order = Rng(seed);
    const Hash hash = provider_->Add(RandomBytes(22 * kMiB, seed));
    size_t asked = 0;
    provider_->after_piece = [&, limit = seed * 5 * kMiB] {
      if (asked > 0 || provider_->delivered < limit) return;
      asked = provider_->requests.size();
      provider_->session.lock()->Stop();
      provider_->session.lock()->Stop();
    };
    const auto [progress, end] = Get({hash, BlobFormat::kRaw});
    EXPECT_EQ(end.outcome, Outcome::kStopped);
    EXPECT_EQ(provider_->requests.size(), asked);
    EXPECT_EQ(provider_->most_open, 4u);
    EXPECT_GT(progress.verified_bytes, kMiB);
    // All that was verified has been written, and can be used again.
    EXPECT_EQ(Lookup(hash).verified_bytes, progress.verified_bytes);
    provider_->after_piece = nullptr;
    EXPECT_EQ(Get({hash, BlobFormat::kRaw}).second.outcome, Outcome::kDone);
    ExpectComplete(hash);
  }
}

// What was given to the store is waited for, and nothing else.
TEST_F(GetSessionTest, TheEndComesBehindWhatTheStoreOwes) {
  for (const size_t size : {1000u, 300'000u}) {
    SCOPED_TRACE(size);
    NewProvider();
    holding_ = std::make_unique<HoldingStore>(*store_);
    const Hash hash = provider_->Add(RandomBytes(size, size));
    bool stopped = false;
    provider_->tamper = [](Answer& answer) { answer.end.reset(); };
    provider_->after_piece = [&] {
      if (holding_->held() == 0 || std::exchange(stopped, true)) return;
      provider_->session.lock()->Stop();
      EXPECT_FALSE(observer_->ended);
      // Behind everything that is on its way.
      strand_->Post([&] {
        EXPECT_FALSE(observer_->ended);
        holding_->Release();
      });
    };
    EXPECT_EQ(Get({hash, BlobFormat::kRaw}).second.outcome, Outcome::kStopped);
    EXPECT_TRUE(stopped);
    EXPECT_EQ(Lookup(hash).state,
              size == 1000 ? store::BlobState::kComplete : store::BlobState::kAbsent);
  }
}

// A store that is slow holds the provider back, not the memory.
// By their number, and by their bytes.
TEST_F(GetSessionTest, BlobsTheStoreOwesAnAnswerForAreBounded) {
  options_.lanes = 2;
  holding_ = std::make_unique<HoldingStore>(*store_);
  const auto most_of = [&](size_t count, const std::function<Bytes(size_t)>& content) {
    std::vector<Hash> hashes;
    for (size_t i = 0; i < count; ++i) hashes.push_back(provider_->Add(content(i)));
    const Hash root = AddHashSeq(hashes);
    // Makes the calls that were held once no further one has come for a while.
    size_t most = 0;
    size_t before = 0;
    Instant since = SystemClock().Now();
    std::function<void()> pump = [&] {
      const size_t held = holding_->held();
      most = std::max(most, held);
      const Instant now = SystemClock().Now();
      if (std::exchange(before, held) != held) since = now;
      if (now - since > milliseconds(50)) holding_->ReleaseHeld();
      if (!observer_->ended) strand_->Post(pump);
    };
    const auto [progress, end] =
        Get({root, BlobFormat::kHashSeq}, [&](GetSession&) { strand_->Post(pump); });
    EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
    EXPECT_EQ(progress.complete_blobs, count + 1);
    return most;
  };
  EXPECT_EQ(most_of(5000,
                    [](size_t i) {
                      const std::string text = fmt::format("blob {}", i);
                      return Bytes(text.begin(), text.end());
                    }),
            1024u);
  EXPECT_EQ(most_of(1000, [](size_t i) { return store::TestBlob(15 * 1024, i).content; }), 256u);
}

TEST_F(GetSessionTest, ABlobThatSomebodyElseCompletedIsNotGotOn) {
  holding_ = std::make_unique<HoldingStore>(*store_);
  const store::TestBlob blob(20 * kMiB, 1);
  ASSERT_EQ(provider_->Add(blob.content), blob.hash);
  bool begun = false;
  provider_->after_piece = [&] {
    if (holding_->held() == 0 || std::exchange(begun, true)) return;
    store_->OpenWriter(blob.hash, *strand_,
                       [&](StatusOr<std::shared_ptr<store::BlobWriter>> opened) {
                         const std::shared_ptr<store::BlobWriter> writer = *std::move(opened);
                         for (uint64_t group = 0; group < blob.group_count(); ++group)
                           ASSERT_TRUE(blob.WriteTo(*writer, group).ok());
                         writer->ProveSize(blob.size());
                         writer->Finish(*strand_, [&, writer](const Status& status) {
                           EXPECT_TRUE(status.ok()) << status;
                           holding_->Release();
                         });
                       });
  };
  const GetEnd end = Get({blob.hash, BlobFormat::kRaw}).second;
  EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
  EXPECT_LE(provider_->requests.size(), 4u);
}

// One stream's failure ends all, and what the others say then changes nothing.
TEST_F(GetSessionTest, TheFirstDecisionStands) {
  const Hash hash = provider_->Add(RandomBytes(22 * kMiB, 1));
  provider_->tamper_request = [](size_t number, Answer& answer) {
    if (number == 2) answer = {{}, StreamEnd{StreamEnd::Kind::kReset, 2, ""}};
  };
  provider_->after_piece = [&] {
    // Of no stream that it opened.
    provider_->session.lock()->OnStreamEnd(1000, {StreamEnd::Kind::kReset, 1, ""});
  };
  const GetEnd end = Get({hash, BlobFormat::kRaw}).second;
  EXPECT_EQ(end.outcome, Outcome::kBusy);
  EXPECT_EQ(provider_->requests.size(), 4u);
}

TEST_F(GetSessionTest, SmallAndLargeChildren) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE(seed);
    NewProvider();
    provider_->order = Rng(seed);
    std::vector<Hash> hashes;
    uint64_t total = 0;
    const auto add = [&](size_t size) {
      total += size;
      hashes.push_back(provider_->Add(RandomBytes(size, 100 * seed + hashes.size())));
    };
    for (size_t i = 0; i < 30; ++i) add(1 + i * 997);
    add(14 * kMiB);
    add(0);
    for (size_t i = 0; i < 30; ++i) add(16'384 + i * 5000);
    add(9 * kMiB);
    const Hash root = AddHashSeq(hashes);
    const auto [progress, end] = Get({root, BlobFormat::kHashSeq});
    EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
    EXPECT_EQ(progress.total_bytes, total + 32 * hashes.size());
    EXPECT_EQ(progress.complete_blobs, hashes.size() + 1);
    EXPECT_EQ(provider_->most_open, 4u);
    // The root; runs of 8; 6 MiB and 1 MiB in segments of 4 MiB.
    EXPECT_EQ(provider_->requests.size(), 1u + 8 + 2 + 1);
    for (const Hash& hash : hashes) ExpectComplete(hash);
  }
}

TEST_F(GetSessionTest, AroundAMissingChildEverythingIsGot) {
  std::vector<Hash> hashes;
  for (size_t i = 0; i < 40; ++i) hashes.push_back(provider_->Add(RandomBytes(1000 + i, i)));
  const Hash root = AddHashSeq(hashes);
  for (const size_t missing : {0u, 1u, 2u, 13u, 23u, 39u}) provider_->Forget(hashes[missing]);
  const GetEnd end = Get({root, BlobFormat::kHashSeq}).second;
  EXPECT_EQ(end.outcome, Outcome::kNotHere);
  EXPECT_NE(end.reason.find("it lacks child"), std::string::npos) << end.reason;
  size_t complete = 0;
  for (const Hash& hash : hashes) complete += Lookup(hash).state == store::BlobState::kComplete;
  EXPECT_EQ(complete, 34u);
  EXPECT_TRUE(provider_->many_requests.empty());  // it has the root
}

TEST_F(GetSessionTest, AProviderWithAlmostNothingIsNotAskedForEver) {
  std::vector<Hash> hashes;
  for (size_t i = 0; i < 2000; ++i) {
    Hash hash;
    hash.bytes[0] = static_cast<uint8_t>(i);
    hash.bytes[1] = static_cast<uint8_t>(i >> 8);
    hash.bytes[2] = 1;
    hashes.push_back(hash);
  }
  const Hash root = AddHashSeq(hashes);
  EXPECT_EQ(Get({root, BlobFormat::kHashSeq}).second.outcome, Outcome::kNotHere);
  EXPECT_LE(provider_->requests.size(), 40u);
}

// ---- Children of a root that the provider lacks ----

class WithoutRootTest : public GetSessionTest {
 protected:
  WithoutRootTest() {
    for (size_t i = 0; i < 30; ++i) hashes_.push_back(provider_->Add(RandomBytes(500 + i, i)));
    hashes_.push_back(provider_->Add(RandomBytes(14 * kMiB, 99)));
    root_ = AddHashSeq(hashes_);
    EXPECT_EQ(Get({root_, BlobFormat::kRaw}).second.outcome, Outcome::kDone);
    provider_->Forget(root_);
    provider_->requests.clear();
  }
  size_t Complete() {
    size_t complete = 0;
    for (const Hash& hash : hashes_) complete += Lookup(hash).state == store::BlobState::kComplete;
    return complete;
  }
  std::vector<Hash> hashes_;
  Hash root_;
};

TEST_F(WithoutRootTest, ChildrenAreAskedForByHash) {
  for (const uint64_t code : {0u, 3u}) {
    SCOPED_TRACE(code);
    if (code != 0) {
      provider_->tamper = [](Answer& answer) {
        if (answer.bytes.empty()) answer.end = StreamEnd{StreamEnd::Kind::kReset, 3, ""};
      };
    }
    const auto [progress, end] = Get({root_, BlobFormat::kHashSeq});
    EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
    EXPECT_EQ(Complete(), hashes_.size());
  }
  // Four tries with the root at once; then the runs by hash, the last of one child as a raw blob.
  EXPECT_EQ(provider_->many_requests.size(), 4u);
  ExpectComplete(hashes_.back());
}

TEST_F(WithoutRootTest, AProviderThatDoesNotKnowTheRequestIsAskedOnce) {
  provider_->knows_many = false;
  const GetEnd end = Get({root_, BlobFormat::kHashSeq}).second;
  EXPECT_EQ(end.outcome, Outcome::kNotHere);
  EXPECT_EQ(provider_->many_requests.size(), 1u);
  EXPECT_EQ(Complete(), 0u);
}

TEST_F(WithoutRootTest, WhatItLacksIsLeftOut) {
  for (const size_t missing : {3u, 4u, 9u, 16u}) provider_->Forget(hashes_[missing]);
  const GetEnd end = Get({root_, BlobFormat::kHashSeq}).second;
  EXPECT_EQ(end.outcome, Outcome::kNotHere);
  EXPECT_NE(end.reason.find("it lacks child"), std::string::npos) << end.reason;
  EXPECT_EQ(Complete(), hashes_.size() - 4);
  EXPECT_LE(provider_->many_requests.size(), 4u + 4);
}

// Streams that end because another connection takes over are no failure: what they brought is kept,
// and the rest is asked for again.
TEST_F(GetSessionTest, AnotherConnectionTakesOverAndOnlyTheRestIsAskedFor) {
  const size_t size = 40 * kMiB + 1;
  const Hash hash = provider_->Add(RandomBytes(size, 1));
  provider_->tamper_request = [](size_t number, Answer& answer) {
    if (number > 5) return;
    answer.bytes.resize(number == 3 ? 0 : answer.bytes.size() / 2);
    answer.end = StreamEnd{StreamEnd::Kind::kMoved, 0, ""};
  };
  const auto [progress, end] = Get({hash, BlobFormat::kRaw});
  EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
  EXPECT_LE(progress.verified_bytes, size + 1) << "nothing but its proof comes twice";
  EXPECT_LT(progress.received_bytes, size + size / 50);
  ExpectComplete(hash);
  provider_->ExpectAllSettled();
}

TEST_F(GetSessionTest, AConnectionThatIsReplacedBeforeAnythingCameIsNoRoundInVain) {
  const Hash hash = provider_->Add(RandomBytes(3 * kMiB, 1));
  provider_->tamper_request = [](size_t number, Answer& answer) {
    if (number > 4) return;
    answer = {{}, StreamEnd{StreamEnd::Kind::kMoved, 0, ""}};
  };
  EXPECT_EQ(Get({hash, BlobFormat::kRaw}).second.outcome, Outcome::kDone);
  ExpectComplete(hash);
}

TEST_F(GetSessionTest, AHashSequenceGoesOnOverAnotherConnection) {
  std::vector<Hash> children;
  for (uint64_t i = 0; i < 300; ++i) children.push_back(provider_->Add(RandomBytes(i * 97, i)));
  Bytes list;
  for (const Hash& child : children)
    list.insert(list.end(), child.bytes.begin(), child.bytes.end());
  const Hash root = provider_->Add(std::move(list));
  provider_->tamper_request = [](size_t number, Answer& answer) {
    if (number == 0 || number > 6) return;
    answer.bytes.resize(answer.bytes.size() / 3);
    answer.end = StreamEnd{StreamEnd::Kind::kMoved, 0, ""};
  };
  EXPECT_EQ(Get({root, BlobFormat::kHashSeq}).second.outcome, Outcome::kDone);
  for (const Hash& child : children) ExpectComplete(child);
}

}  // namespace
}  // namespace blobd::transfer
