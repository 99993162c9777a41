// HttpNetwork with a real web server, loop and store. Used by tests only.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "http/server_for_test.h"
#include "loop/loop.h"
#include "loop/worker_pool.h"
#include "store/disk_store_for_test.h"
#include "transfer/http_network.h"

namespace blobd::transfer {

class HttpNetworkTest : public testing::Test, public MirrorNetworkSink {
 protected:
  HttpNetworkTest() {
    options_.client.user_agent = "blobd/test";
    options_.client.origins.defaults.local_allowed = true;
    options_.client.origins.defaults.ramp.ramp = false;
  }
  ~HttpNetworkTest() override { network_.reset(); }

  HttpNetwork& network() {
    if (network_ == nullptr) {
      auto made = HttpNetwork::Create(
          {*loop_, *loop_, workers_, store_.store(), SystemClock(), &store_.store(), limit_.get()},
          options_);
      EXPECT_TRUE(made.ok()) << made.status();
      network_ = *std::move(made);
      network_->SetSink(this);
    }
    return *network_;
  }
  // The file that the server has at this size.
  static store::TestBlob BlobOf(uint64_t size) {
    const std::string content = http::Pattern(0, size);
    return store::TestBlob(Bytes(content.begin(), content.end()));
  }
  void RunUntil(const std::function<bool()>& done) {
    bool late = false;
    const loop::TimerId limit = loop_->AddTimer(loop_->Now() + seconds(60), [&] {
      late = true;
      loop_->Stop();
    });
    loop::TimerId tick = 0;
    std::function<void()> look = [&] {
      if (done()) return loop_->Stop();
      tick = loop_->AddTimer(loop_->Now() + milliseconds(1), [&] { look(); });
    };
    look();
    loop_->Run();
    loop_->CancelTimer(limit);
    loop_->CancelTimer(tick);
    ASSERT_FALSE(late) << "not in time";
  }
  const GetEnd& EndOf(TransferId id) {
    RunUntil([&] { return ends_.count(id) != 0; });
    return ends_[id];
  }

  // MirrorNetworkSink
  void OnGetHeldBack(TransferId, bool held_back) override { held_back_.push_back(held_back); }
  void OnGetProgress(TransferId id, const GetProgress& progress) override {
    EXPECT_EQ(ends_.count(id), 0u) << "the end is the last call";
    progress_[id] = progress;
  }
  void OnGetContent(TransferId, const GetContent&) override {}
  void OnBoundary(TransferId, uint64_t boundary) override { boundaries_.push_back(boundary); }
  void OnGetEnded(TransferId id, const GetProgress& progress, const GetEnd& end) override {
    EXPECT_EQ(ends_.count(id), 0u) << "one end";
    progress_[id] = progress;
    ends_[id] = end;
  }
  void OnMirrorBlamed(const std::string&, const Hash&, const std::string&) override {}

  store::TestDirectory directory_;
  store::StoreUnderTest store_{directory_.path()};
  std::unique_ptr<loop::Loop> loop_ = std::move(*loop::Loop::Create());
  loop::WorkerPool workers_{2};
  HttpNetworkOptions options_;
  std::unique_ptr<HttpNetwork> network_;
  std::map<TransferId, GetProgress> progress_;
  std::vector<bool> held_back_;
  std::unique_ptr<Throttle> limit_;  // of what is made next
  std::map<TransferId, GetEnd> ends_;
  std::vector<uint64_t> boundaries_;
};

}  // namespace blobd::transfer
