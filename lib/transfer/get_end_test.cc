// How transfers end badly: each cause with its own outcome and reason.
#include "transfer/get_session_for_test.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;

TEST_F(GetSessionTest, AFlippedBitDropsTheProvider) {
  const Bytes content = RandomBytes(200'000, 1);
  struct Case {
    const char* name;
    size_t byte;
    const char* reason;
  };
  // The answer: 8 bytes of size, then pairs from the root down, then the first group.
  const Case cases[] = {{"in the size", 2, "does not fit"},
                        {"in the root pair", 8 + 5, "sent a hash pair that does not fit"},
                        {"in the first data", 8 + 4 * 64 + 100, "sent data that does not fit"},
                        {"in the last data", 0, "sent data that does not fit"}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Bytes other = content;
    other.push_back(static_cast<uint8_t>(c.byte));
    const Hash hash = provider_->Add(other);
    provider_->tamper = [&](Answer& answer) {
      answer.bytes[c.byte == 0 ? answer.bytes.size() - 1 : c.byte] ^= 0x10;
    };
    const auto [progress, end] = Get({hash, BlobFormat::kRaw});
    EXPECT_EQ(end.outcome, Outcome::kDropProvider);
    EXPECT_NE(end.reason.find(c.reason), std::string::npos) << end.reason;
    EXPECT_EQ(ReadBack(hash), std::nullopt);
    const store::BlobInfo info = Lookup(hash);
    EXPECT_NE(info.state, store::BlobState::kComplete);
    EXPECT_EQ(info.verified_bytes, progress.verified_bytes);
  }
}

// A claim above the maximum is the provider's, until it is proven.
TEST_F(GetSessionTest, ADeclaredSizeAboveTheMaximumDropsTheProvider) {
  const Hash hash = provider_->Add(RandomBytes(50'000, 1));
  provider_->tamper = [](Answer& answer) { answer.bytes[7] = 0x40; };  // 2^62 and more
  auto [progress, end] = Get({hash, BlobFormat::kRaw});
  EXPECT_EQ(end.outcome, Outcome::kDropProvider);
  EXPECT_NE(end.reason.find("the maximum is 17592186044416"), std::string::npos) << end.reason;
  EXPECT_EQ(progress.verified_bytes, 0u);

  provider_->tamper = nullptr;
  options_.limits.max_blob_size = 49'999;
  EXPECT_EQ(Get({hash, BlobFormat::kRaw}).second.outcome, Outcome::kDropProvider);
  options_.limits.max_blob_size = 50'000;
  EXPECT_EQ(Get({hash, BlobFormat::kRaw}).second.outcome, Outcome::kDone);
}

TEST_F(GetSessionTest, AProvenSizeAboveTheMaximumIsImpossible) {
  const Hash hash = provider_->Add(RandomBytes(50'000, 1));
  const Hash seq = AddHashSeq({hash});
  // The last group proves the size; holes remain.
  {
    const auto writer = Writer(hash);
    Blob& source = provider_->At(hash);
    writer->ClaimSize(50'000);
    const store::VerifiedGroup last[] = {{3, ByteView(source.content).subspan(3 * 16384)}};
    ASSERT_TRUE(writer->Write(last, {}).ok());
    writer->ProveSize(50'000);
    writer->Publish();
  }
  ASSERT_TRUE(Lookup(hash).size_proven);
  options_.limits.max_blob_size = 49'999;
  for (const Kind& kind : {Kind{hash, BlobFormat::kRaw}, Kind{seq, BlobFormat::kHashSeq}}) {
    const auto [progress, end] = Get(kind);
    EXPECT_EQ(end.outcome, Outcome::kImpossible);
    EXPECT_NE(end.reason.find("has 50000 bytes, which is proven; the maximum is 49999"),
              std::string::npos)
        << end.reason;
  }
  EXPECT_EQ(provider_->requests.size(), 1u);  // the sequence, but never the blob
}

TEST_F(GetSessionTest, ASizeThatCannotBeDropsTheProvider) {
  const Hash full = provider_->Add(RandomBytes(50'000, 1));
  const Hash empty = provider_->Add({});
  provider_->tamper = [](Answer& answer) {
    answer.bytes.resize(8);
    std::fill(answer.bytes.begin(), answer.bytes.end(), uint8_t{0});
  };
  const GetEnd zero = Get({full, BlobFormat::kRaw}).second;
  provider_->tamper = [](Answer& answer) { answer.bytes[0] = 5; };
  const GetEnd five = Get({empty, BlobFormat::kRaw}).second;
  EXPECT_EQ(zero.outcome, Outcome::kDropProvider);
  EXPECT_NE(zero.reason.find("a size of 0 bytes"), std::string::npos) << zero.reason;
  EXPECT_NE(zero.reason.find("which cannot be"), std::string::npos) << zero.reason;
  EXPECT_EQ(five.outcome, Outcome::kDropProvider);
  EXPECT_NE(five.reason.find("a size of 5 bytes"), std::string::npos) << five.reason;
}

TEST_F(GetSessionTest, EndsOfTheStreamBecomeOutcomes) {
  const auto reset = [](uint64_t code) { return StreamEnd{StreamEnd::Kind::kReset, code, ""}; };
  struct Case {
    const char* name;
    StreamEnd end;
    Outcome outcome;
    const char* reason;
  };
  const Case cases[] = {
      {"fin", {}, Outcome::kNotHere, "it does not have blob"},
      {"permission", reset(1), Outcome::kAbortRequest, "no permission"},
      {"limit", reset(2), Outcome::kBusy, "at its limit"},
      {"internal", reset(3), Outcome::kNotHere, "it does not have blob"},
      {"other reset", reset(77), Outcome::kRetryLater, "code 77"},
      {"lost", {StreamEnd::Kind::kLost, 0, "gone"}, Outcome::kRetryLater, "gone"},
      {"stalled",
       {StreamEnd::Kind::kStalled, 0, "no byte came"},
       Outcome::kRetryLater,
       "no byte came"},
      {"refused",
       {StreamEnd::Kind::kRefused, 0, "too many streams"},
       Outcome::kRetryLater,
       "too many streams"},
      {"closed by us", {StreamEnd::Kind::kStopped, 0, "closed"}, Outcome::kStopped, "closed"},
  };
  const Hash hash = provider_->Add(RandomBytes(50'000, 1));
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    provider_->tamper = [&](Answer& answer) { answer = {{}, c.end}; };
    const auto [progress, end] = Get({hash, BlobFormat::kRaw});
    EXPECT_EQ(end.outcome, c.outcome);
    EXPECT_NE(end.reason.find(c.reason), std::string::npos) << end.reason;
  }
}

// What ended inside a blob or child is told apart from what never began.
TEST_F(GetSessionTest, NotHereSaysWhatIsMissing) {
  const Hash child = provider_->Add(RandomBytes(50'000, 1));
  const Hash other = provider_->Add(RandomBytes(50'000, 2));
  const Hash seq = AddHashSeq({other, child});
  ASSERT_EQ(Get({other, BlobFormat::kRaw}).second.outcome, Outcome::kDone);
  struct Case {
    const char* name;
    size_t bytes;  // of the answer that names the child
    bool reset;
    const char* reason;
  };
  const Case cases[] = {
      {"nothing", 0, false, "it lacks child"},
      {"a part of the header", 7, false, "it lacks child"},
      {"the header", 8, false, "holds only a part of child"},
      {"a part of the data", 30'000, false, "holds only a part of child"},
      {"a reset in the data", 30'000, true, "(it reset the stream)"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const size_t answers = provider_->requests.size();
    provider_->tamper_request = [&](size_t number, Answer& answer) {
      // The root comes with the first request of the first case.
      if (answers == 1 && number == 1) return;
      answer.bytes.resize(std::min(answer.bytes.size(), c.bytes));
      if (c.reset) answer.end = StreamEnd{StreamEnd::Kind::kReset, 3, ""};
    };
    const GetEnd end = Get({seq, BlobFormat::kHashSeq}).second;
    EXPECT_EQ(end.outcome, Outcome::kNotHere);
    EXPECT_NE(end.reason.find(c.reason), std::string::npos) << end.reason;
    EXPECT_NE(end.reason.find(child.Short()), std::string::npos) << end.reason;
  }
}

TEST_F(GetSessionTest, ARootThatIsNoHashSequenceIsImpossible) {
  const Hash hash = provider_->Add(RandomBytes(33, 1));
  const GetEnd end = Get({hash, BlobFormat::kHashSeq}).second;
  EXPECT_EQ(end.outcome, Outcome::kImpossible);
  EXPECT_NE(end.reason.find("is no hash sequence"), std::string::npos) << end.reason;
}

TEST_F(GetSessionTest, TooManyChildrenAreImpossible) {
  std::vector<Hash> hashes(101);
  for (size_t i = 0; i < hashes.size(); ++i) hashes[i].bytes[0] = static_cast<uint8_t>(i);
  const Hash seq = AddHashSeq(hashes);
  options_.limits.max_children = 100;
  const GetEnd end = Get({seq, BlobFormat::kHashSeq}).second;
  EXPECT_EQ(end.outcome, Outcome::kImpossible);
  EXPECT_NE(end.reason.find("has 101 children; the maximum is 100"), std::string::npos)
      << end.reason;
  EXPECT_EQ(provider_->requests.size(), 1u);
}

// Of a root that cannot be a hash sequence only the proof of its size is got, not the rest.
TEST_F(GetSessionTest, AHugeRootIsNotGot) {
  const Hash hash = provider_->Add(RandomBytes(20'000'000, 1));
  options_.limits.max_children = 1000;
  const auto [progress, end] = Get({hash, BlobFormat::kHashSeq});
  EXPECT_EQ(end.outcome, Outcome::kImpossible);
  EXPECT_LT(progress.verified_bytes, 9'000'000u);
  EXPECT_EQ(provider_->requests.size(), 1u);
}

TEST_F(GetSessionTest, BytesBehindACompleteAnswerDoNotMatter) {
  const Bytes content = RandomBytes(50'000, 1);
  const Hash hash = provider_->Add(content);
  provider_->tamper = [](Answer& answer) {
    answer.bytes.insert(answer.bytes.end(), 300'000, 7);
    answer.end.reset();
  };
  const GetEnd end = Get({hash, BlobFormat::kRaw}).second;
  EXPECT_EQ(end.outcome, Outcome::kDone);
  EXPECT_EQ(end.reason, "");
  EXPECT_NE(end.note.find("behind a complete answer"), std::string::npos) << end.note;
  EXPECT_EQ(ReadBack(hash), content);
}

TEST_F(GetSessionTest, StoppedWhileNothingComes) {
  const Hash hash = provider_->Add(RandomBytes(50'000, 1));
  provider_->tamper = [](Answer& answer) { answer = {{}, std::nullopt}; };
  const auto [progress, end] = Get({hash, BlobFormat::kRaw}, [](GetSession& session) {
    session.Stop();
    session.Stop();
  });
  EXPECT_EQ(end.outcome, Outcome::kStopped);
}

}  // namespace
}  // namespace blobd::transfer
