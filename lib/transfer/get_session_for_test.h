// A provider in this process, and a session with all it needs: what the tests of transfers share.
// Used by tests only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bao/encoder.h"
#include "bao/outboard.h"
#include "bao/tree.h"
#include "base/rng.h"
#include "base/test_directory_for_test.h"
#include "blake3/random_bytes_for_test.h"
#include "loop/worker_pool.h"
#include "store/disk_store.h"
#include "transfer/get_session.h"
#include "wire/collection.h"
#include "wire/observe.h"
#include "wire/request.h"

namespace blobd::transfer {

using blake3::RandomBytes;

// A blob in memory with its outboard, of which a provider may hold only some groups.
struct Blob final : bao::BlobSource {
  explicit Blob(Bytes bytes) : content(std::move(bytes)) {
    bao::OutboardBuilder builder;
    builder.Append(content);
    hash = builder.Finish(&outboard).root;
  }
  Status ReadData(uint64_t offset, MutableBytes out) override {
    if (!held.Contains(offset / store::kGroupSize)) return NotFound("not held");
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
  RangeSet held = RangeSet::All();
};

// What a provider sends for one request, and how its stream ends.
struct Answer {
  Bytes bytes;
  std::optional<StreamEnd> end = StreamEnd{};  // nullopt: it stays open
};

// Answers requests from its blobs, after `tamper` had its way with the answer. The pieces of
// different streams arrive in random order. Everything happens on the session's strand.
class Provider final : public GetPort, public std::enable_shared_from_this<Provider> {
 public:
  explicit Provider(std::shared_ptr<Executor> strand) : strand_(std::move(strand)) {}

  Hash Add(Bytes content) {
    auto blob = std::make_unique<Blob>(std::move(content));
    const Hash hash = blob->hash;
    blobs_[hash] = std::move(blob);
    return hash;
  }
  Blob& At(const Hash& hash) { return *blobs_.at(hash); }
  void Forget(const Hash& hash) { blobs_.erase(hash); }

  void Open(uint64_t stream, Bytes request, bool patient) override {
    EXPECT_EQ(streams_.count(stream), 0u);
    Stream& opened = streams_[stream];
    opened.request = std::move(request);
    if (Allowed() < max_streams) {
      Begin(stream);
    } else if (!patient) {
      ++refused;
      opened.answer.end = StreamEnd{StreamEnd::Kind::kRefused, 0, "too many streams"};
    } else {
      opened.waits = true;
    }
    Schedule();
  }
  void Consumed(uint64_t stream, uint64_t bytes) override {
    EXPECT_GT(bytes, 0u);
    streams_.at(stream).consumed += bytes;
  }
  void Stop(uint64_t stream) override {
    EXPECT_FALSE(std::exchange(streams_.at(stream).stopped, true));
    for (auto& [number, other] : streams_) {
      if (!other.waits || other.stopped || Allowed() >= max_streams) continue;
      other.waits = false;
      Begin(number);
    }
    Schedule();
  }

  // On the strand: nothing arrives in between.
  void Pause() { paused_ = true; }
  void Resume() {
    paused_ = false;
    Schedule();
  }

  // Every byte that arrived was told as consumed, and every stream was stopped, once.
  void ExpectAllSettled() const {
    for (const auto& [number, stream] : streams_) {
      SCOPED_TRACE(number);
      EXPECT_EQ(stream.arrived, stream.consumed);
      EXPECT_TRUE(stream.stopped);
    }
  }
  // For the next session, which counts its streams from 1 again.
  void ForgetStreams() { streams_.clear(); }
  // The chunks asked for of a raw blob, request by request.
  std::vector<std::string> AskedOfRoot() const {
    std::vector<std::string> asked;
    for (const wire::GetRequest& get : requests) asked.push_back(get.ranges.At(0).ToString());
    return asked;
  }

  std::vector<wire::GetRequest> requests;
  std::vector<wire::GetManyRequest> many_requests;
  std::function<void(Answer&)> tamper;
  std::function<void(size_t, Answer&)> tamper_request;  // by number, from 0
  std::function<void()> after_piece;                    // called when a piece has been delivered
  size_t max_streams = 100;
  bool knows_many = true;
  bool knows_observe = false;
  size_t observed = 0;
  size_t observed_in_vain = 0;  // so often its connection is replaced before it can answer
  Rng order{1};                 // of arrival
  size_t most_open = 0;
  size_t refused = 0;
  uint64_t delivered = 0;
  std::weak_ptr<GetSession> session;

 private:
  struct Stream {
    Bytes request;
    bool waits = false;  // until a stream is allowed
    Answer answer;
    size_t sent = 0;
    uint64_t arrived = 0;
    uint64_t consumed = 0;
    bool stopped = false;
    bool ended = false;
  };

  size_t Allowed() const {
    return static_cast<size_t>(
        std::count_if(streams_.begin(), streams_.end(), [](const auto& entry) {
          return !entry.second.waits && !entry.second.stopped && entry.second.request.empty();
        }));
  }

  void Begin(uint64_t stream) {
    const auto decoded = wire::DecodeRequest(streams_[stream].request);
    ASSERT_TRUE(decoded.ok());
    streams_[stream].request.clear();
    most_open = std::max(most_open, Allowed());
    Answer answer;
    if (const auto* get = std::get_if<wire::GetRequest>(&decoded->request)) {
      requests.push_back(*get);
      answer = AnswerTo(*get);
    } else if (const auto* observe = std::get_if<wire::ObserveRequest>(&decoded->request)) {
      ++observed;
      Answer said = AnswerTo(*observe);
      if (observed <= observed_in_vain) {
        said = {{}, StreamEnd{StreamEnd::Kind::kMoved, 0, "its connection was replaced"}};
      }
      streams_[stream].answer = std::move(said);
      return;
    } else {
      const auto& many = std::get<wire::GetManyRequest>(decoded->request);
      many_requests.push_back(many);
      if (knows_many) Encode(many.hashes, many.ranges, answer);
    }
    if (tamper) tamper(answer);
    if (tamper_request) tamper_request(requests.size() + many_requests.size() - 1, answer);
    streams_[stream].answer = std::move(answer);
  }

  // It stays open, as one that would tell of more.
  Answer AnswerTo(const wire::ObserveRequest& observe) {
    Answer answer;
    if (!knows_observe) return answer;
    wire::ObserveItem item;
    if (const auto it = blobs_.find(observe.hash); it != blobs_.end()) {
      item.size = it->second->content.size();
      for (const Range& range : it->second->held.ranges()) {
        const bool to_the_end = range.end >= bao::GroupCount(item.size);
        item.chunks.Insert({range.begin * bao::kGroupChunks,
                            to_the_end ? RangeSet::kOpenEnd : range.end * bao::kGroupChunks});
      }
    }
    answer.bytes = *wire::EncodeObserveFrame(item);
    answer.end.reset();
    return answer;
  }

  Answer AnswerTo(const wire::GetRequest& get) {
    Answer answer;
    const auto root = blobs_.find(get.hash);
    if (root == blobs_.end()) return answer;
    std::vector<Hash> hashes = {get.hash};
    if (!get.ranges.IsRawBlob()) {
      const auto children = wire::DecodeHashSeq(root->second->content);
      if (!children.ok()) return answer;
      hashes.insert(hashes.end(), children->begin(), children->end());
    }
    Encode(hashes, get.ranges, answer);
    return answer;
  }

  void Encode(const std::vector<Hash>& hashes, const wire::RangeSpecSeq& ranges, Answer& answer) {
    for (uint64_t i = 0; i < hashes.size(); ++i) {
      const wire::ChunkRanges& wanted = ranges.At(i);
      if (wanted.empty()) continue;
      const auto it = blobs_.find(hashes[i]);
      if (it == blobs_.end()) return;
      bao::Encoder encoder(hashes[i], it->second->content.size(), wanted, *it->second);
      Bytes piece(50'000);
      for (;;) {
        const auto size = encoder.Fill(piece);
        if (!size.ok()) return;
        if (*size == 0) break;
        answer.bytes.insert(answer.bytes.end(), piece.begin(),
                            piece.begin() + static_cast<ptrdiff_t>(*size));
      }
    }
  }

  void Schedule() {
    if (paused_ || std::exchange(scheduled_, true)) return;
    strand_->Post([self = shared_from_this()] { self->DeliverOne(); });
  }

  // One piece, or the end, of one of the streams that have something.
  void DeliverOne() {
    scheduled_ = false;
    std::vector<uint64_t> ready;
    for (const auto& [number, stream] : streams_) {
      const bool more = stream.sent < stream.answer.bytes.size();
      if (!stream.waits && !stream.ended && !stream.stopped && (more || stream.answer.end))
        ready.push_back(number);
    }
    const auto target = session.lock();
    if (ready.empty() || target == nullptr) return;
    const uint64_t number = ready[order.Below(ready.size())];
    Stream& stream = streams_[number];
    if (stream.sent == stream.answer.bytes.size()) {
      stream.ended = true;
      target->OnStreamEnd(number, *stream.answer.end);
    } else {
      const size_t size =
          std::min<size_t>(1 + order.Below(60'000), stream.answer.bytes.size() - stream.sent);
      const auto begin = stream.answer.bytes.begin() + static_cast<ptrdiff_t>(stream.sent);
      stream.sent += size;
      stream.arrived += size;
      delivered += size;
      target->OnBytes(number, Bytes(begin, begin + static_cast<ptrdiff_t>(size)));
      if (after_piece) after_piece();
    }
    Schedule();
  }

  const std::shared_ptr<Executor> strand_;
  std::map<Hash, std::unique_ptr<Blob>> blobs_;
  std::map<uint64_t, Stream> streams_;
  bool scheduled_ = false;
  bool paused_ = false;
};

// Holds calls of PutSmall and OpenWriter back until it is told to make them, and of Lookup if it is
// to.
class HoldingStore final : public store::BlobStore {
 public:
  explicit HoldingStore(store::BlobStore& real) : real_(real) {}

  // Each on the session's strand. Makes the calls that were held.
  void ReleaseHeld() {
    for (Task& call : std::exchange(held_, {})) call();
  }
  // And no longer holds any.
  void Release() {
    holding_ = false;
    ReleaseHeld();
  }
  size_t held() const { return held_.size(); }
  void HoldLookups() { holds_lookups_ = true; }

  void OpenWriter(
      const Hash& hash, Executor& on,
      UniqueFunction<void(StatusOr<std::shared_ptr<store::BlobWriter>>)> done) override {
    Hold([this, hash, &on, done = std::move(done)]() mutable {
      real_.OpenWriter(hash, on, std::move(done));
    });
  }
  void PutSmall(const Hash& hash, Bytes content, Executor& on,
                UniqueFunction<void(Status)> done) override {
    Hold([this, hash, content = std::move(content), &on, done = std::move(done)]() mutable {
      real_.PutSmall(hash, std::move(content), on, std::move(done));
    });
  }
  void Lookup(const Hash& hash, Executor& on,
              UniqueFunction<void(StatusOr<store::BlobInfo>)> done) override {
    if (!holds_lookups_) return real_.Lookup(hash, on, std::move(done));
    Hold([this, hash, &on, done = std::move(done)]() mutable {
      real_.Lookup(hash, on, std::move(done));
    });
  }
  void OpenReader(
      const Hash& hash, Executor& on,
      UniqueFunction<void(StatusOr<std::shared_ptr<store::BlobReader>>)> done) override {
    real_.OpenReader(hash, on, std::move(done));
  }
  void StartImport(Executor& on,
                   UniqueFunction<void(StatusOr<std::unique_ptr<store::Import>>)> done) override {
    real_.StartImport(on, std::move(done));
  }
  void List(std::optional<Hash> after, size_t limit, Executor& on,
            UniqueFunction<void(StatusOr<std::vector<store::BlobInfo>>)> done) override {
    real_.List(after, limit, on, std::move(done));
  }
  void Stats(Executor& on, UniqueFunction<void(StatusOr<store::StoreStats>)> done) override {
    real_.Stats(on, std::move(done));
  }
  store::StoreCounts Counts() const override { return real_.Counts(); }
  void Withdraw(const Hash& hash, const RangeSet& groups, Executor& on,
                UniqueFunction<void(Status)> done) override {
    real_.Withdraw(hash, groups, on, std::move(done));
  }
  std::unique_ptr<store::BlobWatch> Watch(
      const Hash& hash, Executor& on,
      UniqueFunction<void(const store::BlobInfo&)> changed) override {
    return real_.Watch(hash, on, std::move(changed));
  }
  void SetPrivate(const Hash& hash, bool is_private, Executor& on,
                  UniqueFunction<void(Status)> done) override {
    real_.SetPrivate(hash, is_private, on, std::move(done));
  }
  void Flush(Executor& on, UniqueFunction<void(Status)> done) override {
    real_.Flush(on, std::move(done));
  }
  void OpenDescriptor(const Hash& hash, Executor& on,
                      UniqueFunction<void(StatusOr<store::BlobDescriptor>)> done) override {
    real_.OpenDescriptor(hash, on, std::move(done));
  }
  std::unique_ptr<store::StoreJob> ImportDescriptor(
      store::Descriptor source, const store::ImportOptions& options, Executor& on,
      UniqueFunction<void(uint64_t)> progress,
      UniqueFunction<void(StatusOr<store::Import::Result>)> done) override {
    return real_.ImportDescriptor(std::move(source), options, on, std::move(progress),
                                  std::move(done));
  }
  void ListByUse(std::optional<store::UseCursor> after, size_t limit, Executor& on,
                 UniqueFunction<void(StatusOr<std::vector<store::BlobUse>>)> done) override {
    real_.ListByUse(after, limit, on, std::move(done));
  }
  void Remove(const Hash& hash, Executor& on,
              UniqueFunction<void(StatusOr<uint64_t>)> done) override {
    real_.Remove(hash, on, std::move(done));
  }
  std::unique_ptr<store::StoreJob> Verify(
      const Hash& hash, Executor& on, UniqueFunction<void(uint64_t)> progress,
      UniqueFunction<void(StatusOr<store::Verified>)> done) override {
    return real_.Verify(hash, on, std::move(progress), std::move(done));
  }
  std::unique_ptr<store::DiskWatch> WatchDisk(
      Executor& on, UniqueFunction<void(const store::DiskState&)> changed) override {
    return real_.WatchDisk(on, std::move(changed));
  }

 private:
  void Hold(Task call) {
    if (!holding_) return call();
    held_.push_back(std::move(call));
  }
  store::BlobStore& real_;
  bool holding_ = true;
  bool holds_lookups_ = false;
  std::vector<Task> held_;
};

class Observer final : public GetObserver {
 public:
  void OnProgress(TransferId /*id*/, const GetProgress& progress) override {
    EXPECT_GE(progress.verified_bytes, last_.verified_bytes);
    EXPECT_GE(progress.position, last_.position);
    arrived.InsertAll(progress.arrived);
    last_ = progress;
    state = progress.state;
  }
  void OnContent(TransferId /*id*/, const GetContent& told) override {
    EXPECT_FALSE(content) << "it is told once";
    content = told;
    if (on_content) on_content();
  }
  void OnBoundary(TransferId /*id*/, uint64_t boundary) override {
    EXPECT_FALSE(ended);
    boundaries.push_back(boundary);
  }
  void OnEnded(TransferId /*id*/, const GetProgress& progress, const GetEnd& end) override {
    arrived.InsertAll(progress.arrived);
    ended = true;
    ended_.set_value({progress, end});  // throws if it ends twice
  }
  std::pair<GetProgress, GetEnd> Wait() { return ended_.get_future().get(); }
  // To be read on the session's strand, or when it has ended.
  bool ended = false;
  std::optional<GetState> state;  // the last that was told
  std::optional<GetContent> content;
  std::vector<uint64_t> boundaries;
  RangeSet arrived;
  std::function<void()> on_content;

 private:
  GetProgress last_;
  std::promise<std::pair<GetProgress, GetEnd>> ended_;
};

class GetSessionTest : public testing::Test {
 protected:
  GetSessionTest() {
    auto opened = store::DiskStore::Open(directory_.path(), *pool_, files_, {});
    EXPECT_TRUE(opened.ok()) << Message(opened.status());
    store_ = *std::move(opened);
    NewProvider();
  }
  ~GetSessionTest() override {
    pool_.reset();
    store_.reset();
  }

  void NewProvider() { provider_ = std::make_shared<Provider>(strand_); }

  std::pair<GetProgress, GetEnd> Get(
      const Kind& kind, const std::function<void(GetSession&)>& after_start = nullptr) {
    return GetOrdered({kind}, after_start);
  }
  std::pair<GetProgress, GetEnd> GetOrdered(
      const GetOrder& order, const std::function<void(GetSession&)>& after_start = nullptr) {
    observer_ = std::make_shared<Observer>();
    auto session = std::make_shared<GetSession>(
        GetSession::Deps{holding_ ? *holding_ : static_cast<store::BlobStore&>(*store_), strand_,
                         provider_, observer_, SystemClock(), shared_claims_},
        TransferId{++next_id_}, order, options_);
    provider_->session = session;
    strand_->Post([session, after_start] {
      session->Start();
      if (after_start) after_start(*session);
    });
    auto ended = observer_->Wait();
    // Behind everything that was posted: all credit has been given back then.
    std::promise<void> drained;
    strand_->Post([&] { drained.set_value(); });
    drained.get_future().wait();
    provider_->ExpectAllSettled();
    provider_->ForgetStreams();
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
  std::shared_ptr<store::BlobWriter> Writer(const Hash& hash) {
    std::promise<std::shared_ptr<store::BlobWriter>> answer;
    store_->OpenWriter(hash, *strand_, [&](StatusOr<std::shared_ptr<store::BlobWriter>> writer) {
      answer.set_value(*std::move(writer));
    });
    return answer.get_future().get();
  }
  void ExpectComplete(const Hash& hash) {
    EXPECT_EQ(Lookup(hash).state, store::BlobState::kComplete);
    EXPECT_TRUE(ReadBack(hash) == provider_->At(hash).content);
  }

  Hash AddHashSeq(const std::vector<Hash>& hashes) {
    return provider_->Add(wire::EncodeHashSeq(hashes));
  }

  TestDirectory directory_;
  store::RealFileSystem files_;
  std::unique_ptr<loop::WorkerPool> pool_ = std::make_unique<loop::WorkerPool>(2);
  std::shared_ptr<Executor> strand_ = pool_->MakeStrand();
  std::unique_ptr<store::DiskStore> store_;
  std::unique_ptr<HoldingStore> holding_;  // if the session is to have it between
  std::shared_ptr<Claims> shared_claims_;  // if there are others
  std::shared_ptr<Provider> provider_;
  std::shared_ptr<Observer> observer_;  // of the last session
  GetOptions options_;
  uint64_t next_id_ = 0;
};

}  // namespace blobd::transfer
