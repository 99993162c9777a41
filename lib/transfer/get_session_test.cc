#include "transfer/get_session.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <mutex>

#include "bao/encoder.h"
#include "bao/outboard.h"
#include "base/rng.h"
#include "loop/worker_pool.h"
#include "store/disk_store.h"
#include "wire/collection.h"
#include "wire/request.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;

// A blob in memory with its outboard.
struct Blob final : bao::BlobSource {
  explicit Blob(Bytes bytes) : content(std::move(bytes)) {
    bao::OutboardBuilder builder;
    builder.Append(content);
    hash = builder.Finish(&outboard).root;
  }
  Status ReadData(uint64_t offset, MutableBytes out) override {
    std::copy_n(content.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
    return OkStatus();
  }
  Status ReadPair(uint64_t index, std::array<uint8_t, 64>* out) override {
    std::copy_n(outboard.begin() + static_cast<ptrdiff_t>(index * 64), 64, out->begin());
    return OkStatus();
  }
  Bytes content;
  Bytes outboard;
  Hash hash;
};

Bytes RandomBytes(size_t size, uint64_t seed) {
  Rng rng(seed);
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(rng.Next());
  return bytes;
}

// What a provider sends for one request, and how its stream ends.
struct Answer {
  Bytes bytes;
  std::optional<StreamEnd> end = StreamEnd{};  // nullopt: it stays open
};

// A provider in this process: answers requests from its blobs, after `tamper` had its way with the
// answer.
class Provider final : public GetPort {
 public:
  explicit Provider(std::shared_ptr<Executor> strand) : strand_(std::move(strand)) {}

  Hash Add(Bytes content) {
    auto blob = std::make_unique<Blob>(std::move(content));
    const Hash hash = blob->hash;
    blobs_[hash] = std::move(blob);
    return hash;
  }
  void Forget(const Hash& hash) { blobs_.erase(hash); }

  void Open(uint64_t stream, Bytes request) override {
    const auto decoded = wire::DecodeRequest(request);
    ASSERT_TRUE(decoded.ok());
    const auto& get = std::get<wire::GetRequest>(decoded->request);
    requests.push_back(get);
    Answer answer = AnswerTo(get);
    if (tamper) tamper(answer);
    Rng rng(stream);
    for (size_t at = 0; at < answer.bytes.size();) {
      const size_t size = std::min<size_t>(1 + rng.Below(60'000), answer.bytes.size() - at);
      Bytes piece(answer.bytes.begin() + static_cast<ptrdiff_t>(at),
                  answer.bytes.begin() + static_cast<ptrdiff_t>(at + size));
      at += size;
      given += size;
      strand_->Post([session = session.lock(), stream, piece = std::move(piece)]() mutable {
        if (session != nullptr) session->OnBytes(stream, std::move(piece));
      });
    }
    if (!answer.end) return;
    strand_->Post([session = session.lock(), stream, end = *answer.end] {
      if (session != nullptr) session->OnStreamEnd(stream, end);
    });
  }
  void Consumed(uint64_t /*stream*/, uint64_t bytes) override { consumed += bytes; }
  void Stop(uint64_t /*stream*/) override { ++stops; }

  std::vector<wire::GetRequest> requests;
  std::function<void(Answer&)> tamper;
  uint64_t given = 0;
  uint64_t consumed = 0;
  int stops = 0;
  std::weak_ptr<GetSession> session;

 private:
  Answer AnswerTo(const wire::GetRequest& get) {
    Answer answer;
    std::vector<Hash> hashes = {get.hash};
    if (const auto root = blobs_.find(get.hash);
        root != blobs_.end() && root->second->content.size() % 32 == 0) {
      const auto children = *wire::DecodeHashSeq(root->second->content);
      hashes.insert(hashes.end(), children.begin(), children.end());
    }
    for (uint64_t i = 0; i < hashes.size(); ++i) {
      const wire::ChunkRanges& wanted = get.ranges.At(i);
      if (wanted.empty()) continue;
      const auto it = blobs_.find(hashes[i]);
      if (it == blobs_.end()) return answer;
      bao::Encoder encoder(hashes[i], it->second->content.size(), wanted, *it->second);
      Bytes piece(50'000);
      for (;;) {
        const auto size = encoder.Fill(piece);
        if (!size.ok() || *size == 0) break;
        answer.bytes.insert(answer.bytes.end(), piece.begin(),
                            piece.begin() + static_cast<ptrdiff_t>(*size));
      }
    }
    return answer;
  }

  const std::shared_ptr<Executor> strand_;
  std::map<Hash, std::unique_ptr<Blob>> blobs_;
};

class Observer final : public GetObserver {
 public:
  void OnProgress(TransferId /*id*/, const GetProgress& progress) override {
    EXPECT_GE(progress.verified_bytes, last_.verified_bytes);
    last_ = progress;
  }
  void OnEnded(TransferId /*id*/, const GetProgress& progress, const GetEnd& end) override {
    ended_.set_value({progress, end});  // throws if it ends twice
  }
  std::pair<GetProgress, GetEnd> Wait() { return ended_.get_future().get(); }

 private:
  GetProgress last_;
  std::promise<std::pair<GetProgress, GetEnd>> ended_;
};

class GetSessionTest : public testing::Test {
 protected:
  GetSessionTest() : directory_(testing::TempDir() + "get_session_test") {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    auto opened = store::DiskStore::Open(directory_, *pool_, files_, {});
    EXPECT_TRUE(opened.ok()) << Message(opened.status());
    store_ = *std::move(opened);
    provider_ = std::make_shared<Provider>(strand_);
  }
  ~GetSessionTest() override {
    pool_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::pair<GetProgress, GetEnd> Get(const Kind& kind,
                                     std::function<void(GetSession&)> after_start = nullptr) {
    auto observer = std::make_shared<Observer>();
    auto session = std::make_shared<GetSession>(
        GetSession::Deps{*store_, strand_, provider_, observer, SystemClock()},
        TransferId{++next_id_}, kind);
    provider_->session = session;
    strand_->Post([session, after_start] {
      session->Start();
      if (after_start) after_start(*session);
    });
    auto ended = observer->Wait();
    // Behind everything that was posted: all credit has been given back then.
    std::promise<void> drained;
    strand_->Post([&] { drained.set_value(); });
    drained.get_future().wait();
    return ended;
  }

  // What the store can read of a blob; nullopt if nothing.
  std::optional<Bytes> ReadBack(const Hash& hash) {
    std::promise<std::optional<Bytes>> answer;
    store_->OpenReader(hash, *strand_, [&](StatusOr<std::shared_ptr<store::BlobReader>> reader) {
      if (!reader.ok()) return answer.set_value(std::nullopt);
      Bytes content((*reader)->info().size);
      const Status status = (*reader)->ReadAt(0, content);
      answer.set_value(status.ok() ? std::optional<Bytes>(content) : std::nullopt);
    });
    return answer.get_future().get();
  }
  store::BlobInfo Lookup(const Hash& hash) {
    std::promise<store::BlobInfo> answer;
    store_->Lookup(hash, *strand_,
                   [&](StatusOr<store::BlobInfo> info) { answer.set_value(*std::move(info)); });
    return answer.get_future().get();
  }

  Hash AddHashSeq(const std::vector<Hash>& hashes) {
    return provider_->Add(wire::EncodeHashSeq(hashes));
  }

  const std::string directory_;
  store::RealFileSystem files_;
  std::unique_ptr<loop::WorkerPool> pool_ = std::make_unique<loop::WorkerPool>(2);
  std::shared_ptr<Executor> strand_ = pool_->MakeStrand();
  std::unique_ptr<store::DiskStore> store_;
  std::shared_ptr<Provider> provider_;
  uint64_t next_id_ = 0;
};

TEST_F(GetSessionTest, BlobsOfAllSizes) {
  for (const size_t size :
       {0u, 1u, 1023u, 1024u, 1025u, 16383u, 16384u, 16385u, 65537u, 1048583u}) {
    SCOPED_TRACE(size);
    const Bytes content = RandomBytes(size, size);
    const Hash hash = provider_->Add(content);
    const auto [progress, end] = Get({hash, BlobFormat::kRaw});
    EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
    EXPECT_EQ(progress.verified_bytes, size);
    EXPECT_EQ(progress.total_bytes, size);
    EXPECT_EQ(ReadBack(hash), content);
    EXPECT_EQ(provider_->given, provider_->consumed);
  }
  EXPECT_EQ(provider_->requests.size(), 10u);
}

TEST_F(GetSessionTest, WhatIsHereIsNotAskedFor) {
  const Hash hash = provider_->Add(RandomBytes(100'000, 1));
  EXPECT_EQ(Get({hash, BlobFormat::kRaw}).second.outcome, Outcome::kDone);
  EXPECT_EQ(Get({hash, BlobFormat::kRaw}).second.outcome, Outcome::kDone);
  EXPECT_EQ(provider_->requests.size(), 1u);
}

TEST_F(GetSessionTest, HashSequenceWithRepeatedAndHeldChildren) {
  const Hash small = provider_->Add(RandomBytes(100, 1));
  const Hash large = provider_->Add(RandomBytes(300'000, 2));
  const Hash held = provider_->Add(RandomBytes(40'000, 3));
  const Hash empty = provider_->Add({});
  ASSERT_EQ(Get({held, BlobFormat::kRaw}).second.outcome, Outcome::kDone);
  const Hash root = AddHashSeq({small, large, held, small, empty, large});
  provider_->requests.clear();
  const auto [progress, end] = Get({root, BlobFormat::kHashSeq});
  EXPECT_EQ(end.outcome, Outcome::kDone) << end.reason;
  EXPECT_EQ(progress.total_bytes, 6 * 32 + 100 + 300'000 + 40'000);
  EXPECT_EQ(progress.total_blobs, 5u);
  EXPECT_EQ(progress.complete_blobs, 5u);
  for (const Hash& hash : {small, large, held, empty, root})
    EXPECT_EQ(Lookup(hash).state, store::BlobState::kComplete);
  ASSERT_EQ(provider_->requests.size(), 2u);
  const wire::RangeSpecSeq& asked = provider_->requests[1].ranges;
  EXPECT_TRUE(asked.At(0).empty());
  EXPECT_TRUE(asked.At(1).is_all());
  EXPECT_TRUE(asked.At(2).is_all());
  EXPECT_TRUE(asked.At(3).empty());
  EXPECT_TRUE(asked.At(4).empty());
  EXPECT_TRUE(asked.At(5).is_all());
  EXPECT_TRUE(asked.NothingSelectedAfter(5));
}

TEST_F(GetSessionTest, ResumesWhereTheStreamBroke) {
  const Bytes content = RandomBytes(1'000'000, 1);
  const Hash hash = provider_->Add(content);
  provider_->tamper = [](Answer& answer) {
    answer.bytes.resize(answer.bytes.size() / 2);
    answer.end = StreamEnd{StreamEnd::Kind::kLost, 0, "cable cut"};
  };
  const auto [half, broken] = Get({hash, BlobFormat::kRaw});
  EXPECT_EQ(broken.outcome, Outcome::kRetryLater);
  EXPECT_EQ(broken.reason, "cable cut");
  EXPECT_GT(half.verified_bytes, 450'000u);
  EXPECT_FALSE(half.total_bytes);
  EXPECT_EQ(half.claimed_bytes, 1'000'000u);
  EXPECT_EQ(Lookup(hash).verified_bytes, half.verified_bytes);
  EXPECT_EQ(ReadBack(hash), std::nullopt);

  provider_->tamper = nullptr;
  const auto [rest, done] = Get({hash, BlobFormat::kRaw});
  EXPECT_EQ(done.outcome, Outcome::kDone) << done.reason;
  EXPECT_EQ(rest.verified_bytes + half.verified_bytes, 1'000'000u);
  const uint64_t first_missing = half.verified_bytes / 1024;
  EXPECT_EQ(provider_->requests.back().ranges.At(0).ToString(), fmt::format("{}..", first_missing));
  EXPECT_EQ(ReadBack(hash), content);
}

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
    EXPECT_EQ(provider_->given, provider_->consumed);
    EXPECT_GT(provider_->stops, 0);
  }
}

TEST_F(GetSessionTest, AnAbsurdSizeCostsNothing) {
  const Hash hash = provider_->Add(RandomBytes(50'000, 1));
  provider_->tamper = [](Answer& answer) { answer.bytes[7] = 0x40; };  // 2^62 and more
  const auto [progress, end] = Get({hash, BlobFormat::kRaw});
  EXPECT_EQ(end.outcome, Outcome::kDropProvider);
  EXPECT_NE(end.reason.find("impossible size"), std::string::npos) << end.reason;
  EXPECT_EQ(progress.verified_bytes, 0u);
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

TEST_F(GetSessionTest, AMissingChildIsNamedAndTheRestIsKept) {
  const Hash here = provider_->Add(RandomBytes(70'000, 1));
  const Hash missing = provider_->Add(RandomBytes(70'000, 2));
  const Hash root = AddHashSeq({here, missing});
  provider_->Forget(missing);
  const auto [progress, end] = Get({root, BlobFormat::kHashSeq});
  EXPECT_EQ(end.outcome, Outcome::kNotHere);
  EXPECT_NE(end.reason.find("lacks child " + missing.Short()), std::string::npos) << end.reason;
  EXPECT_EQ(Lookup(here).state, store::BlobState::kComplete);
}

TEST_F(GetSessionTest, ARootThatIsNoHashSequenceIsImpossible) {
  const Hash hash = provider_->Add(RandomBytes(33, 1));
  EXPECT_EQ(Get({hash, BlobFormat::kHashSeq}).second.outcome, Outcome::kImpossible);
}

TEST_F(GetSessionTest, BytesBehindACompleteAnswerDoNotMatter) {
  const Bytes content = RandomBytes(50'000, 1);
  const Hash hash = provider_->Add(content);
  provider_->tamper = [](Answer& answer) {
    answer.bytes.insert(answer.bytes.end(), 300'000, 7);
    answer.end.reset();
  };
  EXPECT_EQ(Get({hash, BlobFormat::kRaw}).second.outcome, Outcome::kDone);
  EXPECT_EQ(ReadBack(hash), content);
  EXPECT_EQ(provider_->given, provider_->consumed);
  EXPECT_EQ(provider_->stops, 1);
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
