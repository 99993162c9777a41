// A web server in this process that sends what it is told to, and a get with all it needs. Used by
// tests only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/disk_store_for_test.h"
#include "transfer/mirror_get.h"

namespace blobd::transfer {

using store::TestBlob;

class FakeMirror final : public MirrorPort {
 public:
  FakeMirror(store::Inbox& inbox, Bytes file) : content(std::move(file)), inbox_(inbox) {}

  void Open(uint64_t fetch, const http::Ask& ask, std::optional<uint64_t> remaining) override {
    asks.push_back(ask);
    patient.push_back(remaining.has_value());
    open_[fetch] = {ask, ask.begin, 0, remaining.has_value(), false};
    Later(fetch, &FakeMirror::Answer);
  }
  void OpenSidecar(uint64_t fetch, uint64_t size) override {
    ++sidecars_asked;
    inbox_.Post([this, fetch, size] {
      http::FetchEnd end;
      if (sidecar.empty()) end.kind = http::FetchEnd::Kind::kNotHere;
      if (sidecar.size() == size) get->OnBytes(fetch, 0, sidecar);
      get->OnFetchEnd(fetch, end);
    });
  }
  void Consumed(uint64_t, uint64_t bytes) override { consumed += bytes; }
  void LowerEnd(uint64_t fetch, uint64_t end) override {
    const auto it = open_.find(fetch);
    if (it != open_.end() && !deaf) it->second.ask.end = std::max(end, it->second.at);
  }
  void Hurry(uint64_t) override { ++hurried; }
  void Stop(uint64_t fetch) override {
    const auto it = open_.find(fetch);
    if (it == open_.end()) return;
    if (!it->second.runs) ++taken_back;
    open_.erase(it);
    Later(0, &FakeMirror::AnswerNext);
  }
  // As the HTTP client does it when fewer connections are allowed.
  void EndAsSurplus(uint64_t fetch) {
    http::FetchEnd end;
    end.kind = http::FetchEnd::Kind::kSurplus;
    End(fetch, end);
  }

  Bytes content;
  Bytes sidecar;  // empty: it has none
  bool ranges = true;
  bool length = true;
  bool silent = false;
  bool deaf = false;  // it does not hear of an end that is lowered
  std::optional<http::FetchEnd> refusal;
  size_t connections = SIZE_MAX;      // further fetches wait for one
  size_t willing = SIZE_MAX;          // to serve so many fetches at once; others fail
  uint64_t break_after = UINT64_MAX;  // bytes of each fetch
  uint64_t hang_after = UINT64_MAX;   // bytes of each fetch: nothing comes any more, and no end
  uint64_t piece = 256 * 1024;
  std::shared_ptr<MirrorReceiver> get;

  std::vector<http::Ask> asks;
  std::vector<bool> patient;
  size_t hurried = 0;
  size_t sidecars_asked = 0;
  size_t taken_back = 0;  // fetches that were stopped while they waited
  uint64_t sent = 0;
  uint64_t consumed = 0;

 private:
  struct Fetch {
    http::Ask ask;
    uint64_t at = 0;
    uint64_t sent = 0;
    bool patient = false;
    bool runs = false;
  };

  void Later(uint64_t fetch, void (FakeMirror::*step)(uint64_t)) {
    inbox_.Post([this, fetch, step] {
      if (fetch == 0 || open_.count(fetch) != 0) (this->*step)(fetch);
    });
  }
  // Those that are not patient come first.
  void AnswerNext(uint64_t) {
    for (const bool is_patient : {false, true}) {
      for (const auto& [fetch, here] : open_) {
        if (here.runs || here.patient != is_patient) continue;
        return Later(fetch, &FakeMirror::Answer);
      }
    }
  }
  void Answer(uint64_t fetch) {
    const auto running = std::count_if(open_.begin(), open_.end(),
                                       [](const auto& each) { return each.second.runs; });
    if (open_[fetch].runs || static_cast<size_t>(running) >= connections) return;
    open_[fetch].runs = true;
    get->OnOpened(fetch);
    if (silent) return;
    if (refusal) return End(fetch, *refusal);
    if (open_.size() > willing) {
      http::FetchEnd end;
      end.kind = http::FetchEnd::Kind::kFailed;
      return End(fetch, end);
    }
    http::Content said;
    said.entity.ranges = ranges;
    if (!ranges && open_[fetch].at != 0) {
      http::FetchEnd end;
      end.kind = http::FetchEnd::Kind::kNoRanges;
      return End(fetch, end);
    }
    if (open_[fetch].at > 0 && open_[fetch].at >= content.size()) {
      http::FetchEnd end;
      end.kind = http::FetchEnd::Kind::kNoSuchPart;
      end.reason = "the file has no such bytes (status 416)";
      return End(fetch, end);
    }
    said.begin = open_[fetch].at;
    if (length) said.entity.size = content.size();
    get->OnContent(fetch, said);
    Later(fetch, &FakeMirror::Send);
  }
  void Send(uint64_t fetch) {
    Fetch& here = open_[fetch];
    const uint64_t end = std::min<uint64_t>(content.size(), here.ask.end.value_or(UINT64_MAX));
    const uint64_t size = std::min({piece, end - std::min(end, here.at), break_after - here.sent});
    Bytes bytes(content.begin() + static_cast<ptrdiff_t>(here.at),
                content.begin() + static_cast<ptrdiff_t>(here.at + size));
    const uint64_t at = here.at;
    here.at += size;
    here.sent += size;
    sent += size;
    http::FetchEnd ended;
    ended.received = here.sent;
    const bool is_done = here.at >= end;
    const bool is_broken = here.sent >= break_after;
    if (is_done && !length && !here.ask.end) ended.size = content.size();
    // Nobody knows that there is no more.
    const bool is_short = is_done && !length && here.at < here.ask.end.value_or(0);
    if (is_short) ended.kind = http::FetchEnd::Kind::kShort;
    if (size > 0) get->OnBytes(fetch, at, std::move(bytes));
    if (open_.count(fetch) == 0) return;
    if (!is_done && here.sent >= hang_after) return;
    if (!is_done && !is_broken) return Later(fetch, &FakeMirror::Send);
    if (!is_done) ended.kind = http::FetchEnd::Kind::kShort;
    End(fetch, ended);
  }
  void End(uint64_t fetch, const http::FetchEnd& end) {
    open_.erase(fetch);
    get->OnFetchEnd(fetch, end);
    Later(0, &FakeMirror::AnswerNext);
  }

  store::Inbox& inbox_;
  std::map<uint64_t, Fetch> open_;
};

struct RecordingObserver final : public MirrorGetObserver {
  void OnProgress(const MirrorGetProgress& now) override {
    progress = now;
    arrived.InsertAll(now.arrived);
  }
  void OnBoundary(uint64_t group) override { boundaries.push_back(group); }
  void OnEnded(const MirrorGetProgress& now, const GetEnd& how, bool is_over) override {
    EXPECT_FALSE(end) << "one end";
    progress = now;
    end = how;
    blob_over = is_over;
  }
  MirrorGetProgress progress;
  RangeSet arrived;
  std::vector<uint64_t> boundaries;
  std::optional<GetEnd> end;
  bool blob_over = false;
};

class MirrorGetTest : public testing::Test {
 protected:
  // Of one get: the server, what was heard, and the get itself.
  struct Running {
    std::shared_ptr<FakeMirror> mirror;
    std::shared_ptr<RecordingObserver> observer;
    std::shared_ptr<MirrorGet> get;
  };

  ~MirrorGetTest() override { LetGo(); }

  void LetGo() {
    for (const auto& each : started_) each.mirror->get = nullptr;
    started_.clear();
  }
  // REQUIRES: the test holds no blob and no get
  void NextLife() {
    LetGo();
    while (store_.inbox().waiting() > 0) store_.inbox().RunOne();
    store_.Reopen();
  }

  std::shared_ptr<MirrorBlob> BlobOf(const Hash& hash) {
    return std::make_shared<MirrorBlob>(
        store_.store(), &store_.store(),
        std::shared_ptr<Executor>(&store_.inbox(), [](Executor*) {}), hash, uint64_t{1} << 40,
        [this](const std::string& mirror, const std::string&) { blamed_.push_back(mirror); },
        budgets_);
  }
  std::shared_ptr<FakeMirror> Serving(Bytes content) {
    return std::make_shared<FakeMirror>(store_.inbox(), std::move(content));
  }
  Running Start(const std::shared_ptr<MirrorBlob>& blob, const std::shared_ptr<FakeMirror>& mirror,
                const std::string& url = "http://m/file", const MirrorShare& share = {}) {
    Running running{mirror, std::make_shared<RecordingObserver>(), nullptr};
    running.get =
        std::make_shared<MirrorGet>(MirrorGet::Deps{blob, mirror, running.observer, *clock_}, url,
                                    url, MirrorGetOptions{}, share);
    mirror->get = running.get;
    running.get->Start();
    started_.push_back(running);
    return running;
  }
  const GetEnd& EndOf(const Running& running) {
    while (!running.observer->end) store_.inbox().RunOne();
    return *running.observer->end;
  }
  Running Get(const std::shared_ptr<MirrorBlob>& blob, const std::shared_ptr<FakeMirror>& mirror,
              const std::string& url = "http://m/file") {
    Running running = Start(blob, mirror, url);
    EndOf(running);
    return running;
  }

  store::TestDirectory directory_;
  store::StoreUnderTest store_{directory_.path()};
  std::vector<Running> started_;
  const Clock* clock_ = &SystemClock();
  MirrorBudgets budgets_;
  std::vector<std::string> blamed_;  // after they had ended
};

}  // namespace blobd::transfer
