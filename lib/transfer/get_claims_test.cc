// Transfers of several requests that share blobs: what one gets the others do not ask for.
#include <atomic>
#include <thread>

#include "transfer/get_session_for_test.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;

constexpr uint64_t kMiB = 1 << 20;

class GetClaimsTest : public GetSessionTest {
 protected:
  // One transfer, on a strand and from a provider of its own.
  struct Getter {
    std::shared_ptr<Executor> strand;
    std::shared_ptr<Provider> provider;
    std::shared_ptr<Observer> observer = std::make_shared<Observer>();
    std::shared_ptr<GetSession> session;
    Outcome outcome = Outcome::kStopped;
    std::string reason;

    void Post(std::function<void(GetSession&)> call) {
      strand->Post([session = session, call = std::move(call)] { call(*session); });
    }
    // Everything that was posted before, and what that posted, is over.
    void Drain() {
      for (int i = 0; i < 2; ++i) {
        std::promise<void> drained;
        strand->Post([&] { drained.set_value(); });
        drained.get_future().wait();
      }
    }
    void Wait() {
      const auto [progress, end] = observer->Wait();
      outcome = end.outcome;
      reason = end.reason;
      Drain();
      provider->ExpectAllSettled();
      session.reset();
    }
  };

  // The content of the provider of this test is everybody's.
  Getter& Make(const Kind& kind, uint64_t seed = 1) {
    getters_.push_back(std::make_unique<Getter>());
    Getter& getter = *getters_.back();
    getter.strand = pool_->MakeStrand();
    getter.provider = std::make_shared<Provider>(getter.strand);
    getter.provider->order = Rng(seed);
    for (const Bytes& content : contents_) getter.provider->Add(content);
    getter.session = std::make_shared<GetSession>(
        GetSession::Deps{*store_, getter.strand, getter.provider, getter.observer, clock_, claims_},
        TransferId{++next_id_}, GetOrder{kind}, options_);
    getter.provider->session = getter.session;
    return getter;
  }
  Hash Share(Bytes content) {
    contents_.push_back(content);
    return provider_->Add(std::move(content));
  }
  Hash ShareList(const std::vector<Hash>& hashes) { return Share(wire::EncodeHashSeq(hashes)); }
  static void Start(Getter& getter) {
    getter.Post([](GetSession& session) { session.Start(); });
  }
  uint64_t Delivered() const {
    uint64_t sum = 0;
    for (const auto& getter : getters_) sum += getter->provider->delivered;
    return sum;
  }

  // True when the getter waits for others, false when it has ended before.
  static bool UntilItWaits(Getter& getter) {
    for (;;) {
      std::promise<std::pair<bool, bool>> told;
      getter.strand->Post([&] {
        told.set_value({getter.observer->state == GetState::kWaiting, getter.observer->ended});
      });
      const auto [waits, ended] = told.get_future().get();
      if (waits || ended) return waits;
      std::this_thread::yield();
    }
  }
  // Of the first answer only the first bytes come, and it never ends.
  static std::future<void> Stick(Getter& getter, size_t bytes) {
    getter.provider->tamper = [bytes](Answer& answer) {
      answer.bytes.resize(std::min(answer.bytes.size(), bytes));
      answer.end.reset();
    };
    auto told = std::make_shared<std::promise<void>>();
    getter.provider->after_piece = [told, done = false]() mutable {
      if (!std::exchange(done, true)) told->set_value();
    };
    return told->get_future();
  }
  // All of it, and hardly anything twice.
  void ExpectDeliveredOnce(uint64_t beside = 0) {
    uint64_t all = 0;
    for (const Bytes& content : contents_) all += content.size();
    EXPECT_LE(Delivered(), all + all / 50 + beside);
    EXPECT_GE(Delivered(), all);
    for (const Bytes& content : contents_) ExpectComplete(Blob(content).hash);
  }

  struct SettableClock final : Clock {
    Instant Now() const override { return Instant() + Duration(offset.load()); }
    WallTime WallNow() const override { return SystemClock().WallNow(); }
    std::atomic<int64_t> offset = 0;
  };

  const std::shared_ptr<Claims> claims_ = std::make_shared<Claims>();
  std::vector<Bytes> contents_;
  std::vector<std::unique_ptr<Getter>> getters_;
  SettableClock clock_;
};

TEST_F(GetClaimsTest, WhatTwoRequestsShareComesOnce) {
  const Hash shared = Share(RandomBytes(40 * kMiB, 1));
  const Hash list = ShareList({Share(RandomBytes(3 * kMiB, 2)), shared});
  Getter& raw = Make({shared, BlobFormat::kRaw});
  Getter& all = Make({list, BlobFormat::kHashSeq}, 2);
  Start(raw);
  Start(all);
  raw.Wait();
  all.Wait();
  EXPECT_EQ(raw.outcome, Outcome::kDone) << raw.reason;
  EXPECT_EQ(all.outcome, Outcome::kDone) << all.reason;
  ExpectDeliveredOnce();
}

TEST_F(GetClaimsTest, SmallChildrenComeOnce) {
  std::vector<Hash> hashes;
  for (uint64_t i = 0; i < 200; ++i) hashes.push_back(Share(RandomBytes(1 + i * 200, i + 1)));
  std::vector<Hash> backwards(hashes.rbegin(), hashes.rend());
  Getter& first = Make({ShareList(hashes), BlobFormat::kHashSeq});
  Getter& second = Make({ShareList(backwards), BlobFormat::kHashSeq}, 2);
  Start(first);
  Start(second);
  first.Wait();
  second.Wait();
  EXPECT_EQ(first.outcome, Outcome::kDone) << first.reason;
  EXPECT_EQ(second.outcome, Outcome::kDone) << second.reason;
  ExpectDeliveredOnce();
}

TEST_F(GetClaimsTest, AHashInBothFormatsComesOnce) {
  std::vector<Hash> hashes;
  for (uint64_t i = 0; i < 2000; ++i) hashes.push_back(Share({static_cast<uint8_t>(i % 7)}));
  contents_.resize(7);
  const Hash list = ShareList(hashes);
  Getter& raw = Make({list, BlobFormat::kRaw});
  Getter& all = Make({list, BlobFormat::kHashSeq}, 2);
  Start(all);
  Start(raw);
  raw.Wait();
  all.Wait();
  EXPECT_EQ(raw.outcome, Outcome::kDone) << raw.reason;
  EXPECT_EQ(all.outcome, Outcome::kDone) << all.reason;
  ExpectDeliveredOnce(1000);
}

// Each has what the other wants next.
TEST_F(GetClaimsTest, TheyDoNotWaitForEachOtherForEver) {
  options_.lanes = 1;
  const Hash one = Share(RandomBytes(9 * kMiB, 1));
  const Hash other = Share(RandomBytes(9 * kMiB, 2));
  Getter& first = Make({ShareList({one, other}), BlobFormat::kHashSeq});
  Getter& second = Make({ShareList({other, one}), BlobFormat::kHashSeq}, 2);
  // The order in which they look is left to chance, the lists lie with both.
  for (auto& getter : getters_) {
    for (const Bytes& content : contents_) getter->provider->Add(content);
  }
  Start(first);
  Start(second);
  first.Wait();
  second.Wait();
  EXPECT_EQ(first.outcome, Outcome::kDone) << first.reason;
  EXPECT_EQ(second.outcome, Outcome::kDone) << second.reason;
  ExpectDeliveredOnce();
}

// It looked before, and comes to the shared child when the other request is over.
TEST_F(GetClaimsTest, WhatOthersGotSinceTheLookIsNotAskedFor) {
  options_.lanes = 1;
  // The first eight are asked for in one run.
  std::vector<Hash> hashes;
  for (uint64_t i = 0; i < 8; ++i) hashes.push_back(Share(RandomBytes(400'000, i)));
  const Hash shared = Share(RandomBytes(20 * kMiB, 8));
  hashes.push_back(shared);
  const Hash list = ShareList(hashes);
  Getter& raw = Make({shared, BlobFormat::kRaw});
  Getter& all = Make({list, BlobFormat::kHashSeq}, 2);
  std::promise<void> began;
  all.provider->after_piece = [&, pieces = 0]() mutable {
    if (++pieces != 10) return;
    all.provider->Pause();
    began.set_value();
  };
  Start(all);
  began.get_future().get();
  Start(raw);
  raw.Wait();
  all.strand->Post([&all] { all.provider->Resume(); });
  all.Wait();
  EXPECT_EQ(raw.outcome, Outcome::kDone) << raw.reason;
  EXPECT_EQ(all.outcome, Outcome::kDone) << all.reason;
  EXPECT_EQ(all.provider->requests.size(), 2u);  // the list, and the eight
  ExpectDeliveredOnce();
}

TEST_F(GetClaimsTest, WhatIsLeftBehindIsTakenUp) {
  for (const bool cancelled : {true, false}) {
    SCOPED_TRACE(cancelled);
    contents_.clear();
    const Hash shared = Share(RandomBytes(5 * kMiB, cancelled ? 1 : 2));
    const Hash list = ShareList({shared});
    getters_.clear();
    Getter& raw = Make({shared, BlobFormat::kRaw});
    Getter& all = Make({list, BlobFormat::kHashSeq}, 2);
    auto began = Stick(raw, 3 * kMiB);
    Start(raw);
    began.get();
    Start(all);
    EXPECT_TRUE(UntilItWaits(all));
    EXPECT_LT(all.provider->delivered, kMiB);
    if (cancelled) {
      raw.Post([](GetSession& session) { session.Stop(); });
    } else {
      raw.Post([](GetSession& session) {
        session.OnStreamEnd(1, {StreamEnd::Kind::kLost, 0, "cable cut"});
      });
    }
    raw.Wait();
    EXPECT_EQ(raw.outcome, cancelled ? Outcome::kStopped : Outcome::kRetryLater);
    all.Wait();
    EXPECT_EQ(all.outcome, Outcome::kDone) << all.reason;
    ExpectDeliveredOnce(60'000);  // a piece that was not decoded
  }
}

TEST_F(GetClaimsTest, WhoWaitsCanBeStoppedAndLosesItsConnection) {
  const Hash shared = Share(RandomBytes(kMiB, 1));
  Getter& raw = Make({shared, BlobFormat::kRaw});
  auto began = Stick(raw, 100'000);
  Start(raw);
  began.get();
  const Hash list = ShareList({shared});
  Getter& stopped = Make({list, BlobFormat::kHashSeq});
  Getter& cut = Make({list, BlobFormat::kHashSeq});
  for (Getter* getter : {&stopped, &cut}) {
    Start(*getter);
    EXPECT_TRUE(UntilItWaits(*getter));
  }
  stopped.Post([](GetSession& session) { session.Stop(); });
  stopped.Wait();
  EXPECT_EQ(stopped.outcome, Outcome::kStopped);
  cut.Post([](GetSession& session) {
    session.OnConnectionEnd({StreamEnd::Kind::kLost, 0, "cable cut"});
  });
  cut.Wait();
  EXPECT_EQ(cut.outcome, Outcome::kRetryLater);
  EXPECT_EQ(cut.reason, "cable cut");
  raw.Post([](GetSession& session) { session.Stop(); });
  raw.Wait();
}

// A transfer that hardly moves does not hold up another that could: half of what it was to bring is
// taken from it, again and again, and the last of it comes twice.
TEST_F(GetClaimsTest, WhoHoldsUpOthersGivesAway) {
  options_.lanes = 1;
  const Hash shared = Share(RandomBytes(60 * kMiB, 1));
  Getter& raw = Make({shared, BlobFormat::kRaw});
  Getter& all = Make({ShareList({shared}), BlobFormat::kHashSeq}, 2);
  all.provider->Add(contents_.back());
  // Its second answer, a segment, is the one that sticks.
  std::promise<void> began;
  raw.provider->tamper_request = [&](size_t number, Answer& answer) {
    if (number != 1) return;
    answer.bytes.resize(kMiB);
    answer.end.reset();
    began.set_value();
  };
  Start(raw);
  began.get_future().get();
  Start(all);
  EXPECT_TRUE(UntilItWaits(all));
  const uint64_t before = all.provider->delivered;
  EXPECT_GT(before, 40 * kMiB);  // what was not asked for yet was its own to get
  for (int i = 0; i < 100 && UntilItWaits(all); ++i) {
    clock_.offset += Duration(seconds(1)).count();
    all.Post([](GetSession& session) { session.Beat(); });
    all.Drain();
    raw.Drain();
    all.Drain();
  }
  all.Wait();
  EXPECT_EQ(all.outcome, Outcome::kDone) << all.reason;
  ExpectDeliveredOnce(5 * kMiB);
  raw.Post([](GetSession& session) { session.Stop(); });
  raw.Wait();
}

// Many requests that share what they want in all ways, some of which are stopped on the way.
TEST_F(GetClaimsTest, AnyRequestsAtOnce) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    contents_.clear();
    getters_.clear();
    std::vector<Hash> blobs;
    for (uint64_t i = 0; i < 24; ++i) {
      const size_t most = rng.Below(6) == 0 ? 12 * kMiB : rng.Below(2) == 0 ? 20'000 : 300'000;
      blobs.push_back(Share(RandomBytes(1 + rng.Below(most), seed * 1000 + i)));
    }
    std::vector<Kind> kinds;
    for (int i = 0; i < 5; ++i) {
      std::vector<Hash> chosen;
      for (const Hash& hash : blobs) {
        if (rng.Below(3) > 0) chosen.push_back(hash);
      }
      for (size_t at = chosen.size(); at > 1; --at)
        std::swap(chosen[at - 1], chosen[rng.Below(at)]);
      kinds.push_back({ShareList(chosen), BlobFormat::kHashSeq});
    }
    kinds.push_back({ShareList(blobs), BlobFormat::kHashSeq});
    kinds.push_back({blobs[rng.Below(blobs.size())], BlobFormat::kRaw});
    kinds.push_back({kinds[0].hash, BlobFormat::kRaw});
    size_t stopped = 0;
    for (const Kind& kind : kinds) {
      options_.lanes = 1 + rng.Below(4);
      Getter& getter = Make(kind, rng.Next());
      if (kind == kinds.back() || getters_.size() % 3 != 2) continue;
      ++stopped;
      getter.provider->after_piece = [&getter, left = 1 + rng.Below(40)]() mutable {
        if (--left == 0) getter.Post([](GetSession& session) { session.Stop(); });
      };
    }
    for (auto& getter : getters_) Start(*getter);
    for (size_t i = 0; i < getters_.size(); ++i) {
      SCOPED_TRACE(i);
      Getter& getter = *getters_[i];
      getter.Wait();
      const bool may_stop = getter.provider->after_piece != nullptr;
      if (may_stop && getter.outcome == Outcome::kStopped) continue;
      EXPECT_EQ(getter.outcome, Outcome::kDone) << getter.reason;
    }
    // Of each that was stopped a piece for each stream was lost; what waits too long may come
    // twice. It would be several times as much if nobody left anything out.
    uint64_t all = 0;
    for (const Bytes& content : contents_) all += content.size();
    EXPECT_LE(Delivered(), all + all / 4 + stopped * 4 * 60'000);
    for (const Hash& hash : blobs) ExpectComplete(hash);
  }
}

}  // namespace
}  // namespace blobd::transfer
