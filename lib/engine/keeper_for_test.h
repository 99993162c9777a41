// KeeperTest: a keeper beside the engine, over fakes. Test code only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "blake3/hasher.h"
#include "engine/engine_for_test.h"
#include "engine/keeper.h"

namespace blobd::engine {

class KeeperTest : public EngineTest {
 protected:
  KeeperTest() { MakeKeeper({}); }

  void MakeKeeper(KeeperOptions options) {
    keeper_.reset();
    keeper_ = std::make_unique<Keeper>(
        Keeper::Deps{loop_, loop_, loop_, registry_, store_, *engine_,
                     [this] { return std::shared_ptr<Executor>(strand_, [](Executor*) {}); }, log_,
                     [this] { return may_remove_; },
                     [this](const Hash& hash, const RangeSet& groups,
                            UniqueFunction<void(StatusOr<IntentId>)> done) {
                       engine_->Repair(hash, groups, std::move(done));
                     }},
        options);
  }

  static Hash H(uint8_t number) { return {{number}}; }
  // A blob of 100 bytes; the lower its number, the longer ago it was used.
  Hash Put(uint8_t number) {
    store_.PutComplete(H(number), 100);
    store_.blobs[H(number)].last_use = WallTime{number};
    return H(number);
  }
  // A hash sequence, with its bytes.
  Hash PutList(const std::vector<Hash>& children) {
    Bytes content;
    for (const Hash& child : children)
      content.insert(content.end(), child.bytes.begin(), child.bytes.end());
    const Hash root = blake3::HashOf(content);
    store_.PutContent(root, std::move(content));
    return root;
  }
  StatusOr<TagChanged> ChangeTag(const Caller& caller, TagChange change) {
    StatusOr<TagChanged> answer = Unavailable("no answer");
    keeper_->ChangeTag(caller, std::move(change),
                       [&](StatusOr<TagChanged> a) { answer = std::move(a); });
    loop_.Settle();
    return answer;
  }
  StatusOr<TagChanged> Tag(const Caller& caller, const std::string& name, const Kind& kind) {
    return ChangeTag(caller, {name, kind, false, {}});
  }
  Status Keep(const Caller& caller, const Kind& kind) {
    Status answer = Unavailable("no answer");
    const Keeper::AddId id = keeper_->BeginAdd({});
    keeper_->KeepAdded(id, caller, {kind}, [&](const Status& status) { answer = status; });
    loop_.Settle();
    if (!answer.ok()) keeper_->EndAdd(id);
    return answer;
  }
  StatusOr<GcReport> Collect(GcRequest request = {}) {
    request.max_listed = 100;
    // It may be answered later than this returns.
    auto answer = std::make_shared<StatusOr<GcReport>>(Unavailable("no answer"));
    keeper_->Collect(request, nullptr, [answer](const Status& status, GcReport report) {
      if (status.ok()) {
        *answer = std::move(report);
      } else {
        *answer = status;
      }
    });
    loop_.Settle();
    return *answer;
  }
  StatusOr<Removed> Remove(const Caller& caller, std::vector<Hash> hashes, bool force = false) {
    StatusOr<Removed> answer = Unavailable("no answer");
    keeper_->Remove(caller, std::move(hashes), force,
                    [&](StatusOr<Removed> a) { answer = std::move(a); });
    loop_.Settle();
    return answer;
  }
  std::vector<KeptBecause> Why(const Hash& hash, const Caller& caller = kRoot) {
    std::vector<KeptBecause> reasons;
    keeper_->WhyKept(caller, hash, [&](StatusOr<std::vector<Keeping>> all) {
      ASSERT_TRUE(all.ok()) << all.status();
      for (const Keeping& keeping : *all) reasons.push_back(keeping.because);
    });
    loop_.Settle();
    return reasons;
  }
  // What is in the store now.
  std::vector<Hash> Left() const {
    std::vector<Hash> left;
    for (const auto& [hash, info] : store_.blobs) left.push_back(hash);
    return left;
  }

  Executor* strand_ = &loop_;  // what is done beside the control loop
  Status may_remove_;
  std::unique_ptr<Keeper> keeper_;
};

}  // namespace blobd::engine
