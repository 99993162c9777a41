// EngineTest: the engine over fakes, asked by callers and turned by hand. Test code only.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/fake_mirrors_for_test.h"
#include "engine/fakes_for_test.h"

namespace blobd::engine {

inline const NodeId kNode = {{7}};
inline const Hash kHash = {{1}};
inline const Kind kKind = {kHash, BlobFormat::kRaw};
inline constexpr Caller kAnn{1000};
inline constexpr Caller kJoe{1001};
inline constexpr Caller kRoot{0};

inline TransferFilter RunningOnly() {
  TransferFilter filter;
  filter.running_only = true;
  return filter;
}

class RecordingWatcher final : public IntentWatcher {
 public:
  void OnIntent(const IntentView& view, bool last) override {
    views.push_back(view);
    ended |= last;
  }
  std::vector<IntentView> views;
  bool ended = false;
};

class EngineTest : public testing::Test {
 protected:
  EngineTest() { Restart(); }

  // A new life over the same registry and store.
  void Restart() {
    MakeEngine();
    Start();
  }
  // One that has not begun.
  void MakeEngine() {
    engine_.reset();
    network_ = std::make_unique<FakeNetwork>();
    EngineOptions options;
    options.intents_per_uid = 5;
    options.standing = standing_;
    engine_ = std::make_unique<Engine>(
        Engine::Deps{loop_, loop_, loop_, registry_, store_, *network_,
                     [this] { return std::shared_ptr<Executor>(&loop_, [](Executor*) {}); }, log_,
                     &mirrors_, lookup_,
                     [this](auto download, auto upload) {
                       rates_ = {download, upload};
                     }},
        options);
  }
  void Start() {
    Status started = Unavailable("no answer");
    engine_->Start([&](const Status& status) { started = status; });
    loop_.Settle();
    EXPECT_TRUE(started.ok()) << started;
  }

  static QueueItem Item(const Kind& kind = kKind, bool with_address = true) {
    QueueItem item;
    item.kind = kind;
    NamedProvider named;
    named.provider = kNode;
    if (with_address) named.addresses = {*SocketAddress::Parse("192.0.2.1:1")};
    item.providers = {named};
    return item;
  }
  StatusOr<std::vector<QueuedIntent>> Queue(const Caller& caller, std::vector<QueueItem> items) {
    StatusOr<std::vector<QueuedIntent>> answer = Unavailable("no answer");
    engine_->Queue(caller, std::move(items),
                   [&](StatusOr<std::vector<QueuedIntent>> a) { answer = std::move(a); });
    loop_.Settle();
    return answer;
  }
  StatusOr<CancelAnswer> Cancel(const Caller& caller, const std::vector<IntentId>& ids) {
    StatusOr<CancelAnswer> answer = Unavailable("no answer");
    engine_->Cancel(caller, ids, [&](StatusOr<CancelAnswer> a) { answer = std::move(a); });
    loop_.Settle();
    return answer;
  }
  StatusOr<IntentView> Get(IntentId id) {
    StatusOr<IntentView> answer = Unavailable("no answer");
    engine_->GetIntent(id, [&](StatusOr<IntentView> a) { answer = std::move(a); });
    loop_.Settle();
    return answer;
  }
  std::shared_ptr<RecordingWatcher> Watch(IntentId id) {
    auto watcher = std::make_shared<RecordingWatcher>();
    engine_->Watch(id, watcher, [](const Status& status) { EXPECT_TRUE(status.ok()) << status; });
    loop_.Settle();
    return watcher;
  }
  void Connect() {
    network_->sink->OnConnected(kNode, *SocketAddress::Parse("192.0.2.1:1"), milliseconds(2));
    loop_.Settle();
  }
  TransferId OnlyGet() {
    EXPECT_EQ(network_->gets.size(), 1u);
    return network_->gets.begin()->first;
  }

  std::vector<NamedProvider> standing_;  // of the next life
  NodeLookup* lookup_ = nullptr;         // the same
  // Put in force.
  std::pair<std::optional<uint64_t>, std::optional<uint64_t>> rates_;
  FakeLoop loop_;
  FakeRegistry registry_{loop_};
  FakeStore store_;
  RecordingLog log_;
  FakeMirrors mirrors_;
  std::unique_ptr<FakeNetwork> network_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace blobd::engine
