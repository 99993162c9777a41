// Fakes around the engine: a registry and a store in memory, and a network whose answers the test
// gives; the loop is fake_loop_for_test.h's.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/timers.h"
#include "engine/engine.h"
#include "engine/fake_loop_for_test.h"
#include "registry/registry.h"
#include "store/blob_store.h"
#include "transfer/node_network.h"

namespace blobd::engine {

class FakeRegistry final : public registry::Registry {
 public:
  explicit FakeRegistry(Executor& answer_on) : answer_on_(answer_on) {}

  void Load(UniqueFunction<void(StatusOr<registry::Snapshot>)> done) override {
    registry::Snapshot snapshot;
    for (const auto& [id, row] : intents) {
      if (row.result == registry::ResultCode::kNone) snapshot.unfinished.push_back(row);
    }
    for (const auto& [hash, provider] : providers) snapshot.providers.push_back({hash, provider});
    snapshot.addresses = addresses;
    snapshot.bans = bans;
    for (const auto& [name, value] : settings) snapshot.settings.push_back({name, value});
    Answer(std::move(done), StatusOr<registry::Snapshot>(std::move(snapshot)));
  }
  void LoadPage(const registry::LoadCursor& /*from*/, size_t /*limit*/,
                Done<registry::LoadedPage> done) override {
    Load([this, done = std::move(done)](StatusOr<registry::Snapshot> snapshot) mutable {
      if (!load_status.ok()) return done(load_status);
      for (const auto& [node, row] : remotes) snapshot->remotes.push_back(row);
      done(registry::LoadedPage{std::move(*snapshot), std::nullopt});
    });
  }
  void CommitAndTell(std::vector<registry::Change> changes, Task at_once,
                     UniqueFunction<void(Status)> done) override {
    ++commits;
    const Status status = commit_status;
    if (status.ok()) {
      for (registry::Change& change : changes) Apply(std::move(change));
      if (at_once) {
        // On the test's one thread, where it comes in the real one: behind the answer.
        done = [this, done = std::move(done), at_once = std::move(at_once)](Status ended) mutable {
          answer_on_.Post(std::move(at_once));
          done(std::move(ended));
        };
      }
    }
    if (hold_commits) {
      held_.push_back([status, done = std::make_shared<UniqueFunction<void(Status)>>(
                                   std::move(done))] { (*done)(status); });
    } else {
      Answer(std::move(done), status);
    }
  }
  void ReserveIds(registry::IdSpace space, uint64_t count,
                  UniqueFunction<void(StatusOr<registry::IdBlock>)> done) override {
    const uint64_t first = next_ids[static_cast<size_t>(space)];
    next_ids[static_cast<size_t>(space)] += count;
    auto answer = [this, first, count,
                   done = std::make_shared<decltype(done)>(std::move(done))]() mutable {
      Answer(std::move(*done),
             StatusOr<registry::IdBlock>(registry::IdBlock{first, first + count}));
    };
    hold_ids ? held_ids_.push_back(std::move(answer)) : answer();
  }
  void GetIntent(IntentId id,
                 UniqueFunction<void(StatusOr<std::optional<registry::IntentRow>>)> done) override {
    const auto it = intents.find(id);
    Answer(
        std::move(done),
        StatusOr<std::optional<registry::IntentRow>>(
            it == intents.end() ? std::nullopt : std::optional<registry::IntentRow>(it->second)));
  }
  void KnownIntents(std::vector<IntentId> ids, Done<std::vector<IntentId>> done) override {
    ++look_ups;
    std::erase_if(ids, [&](IntentId id) { return intents.count(id) == 0; });
    Answer(std::move(done), StatusOr<std::vector<IntentId>>(std::move(ids)));
  }
  void FindIntentsByKeys(uint32_t owner, std::vector<std::string> keys,
                         Done<std::vector<registry::IntentRow>> done) override {
    ++look_ups;
    std::vector<registry::IntentRow> found;
    for (const std::string& key : keys) {
      for (const auto& [id, row] : intents) {
        if (row.owner_uid == owner && row.idempotency_key == key) found.push_back(row);
      }
    }
    Answer(std::move(done), StatusOr<std::vector<registry::IntentRow>>(std::move(found)));
  }
  void ListIntents(const registry::IntentFilter& filter, IntentId after, size_t limit,
                   UniqueFunction<void(StatusOr<std::vector<registry::IntentRow>>)> done) override {
    ++intent_lists;
    std::vector<registry::IntentRow> rows;
    const auto add = [&](const registry::IntentRow& row) {
      const bool finished = row.result != registry::ResultCode::kNone;
      if (rows.size() < limit && filter.finished.value_or(finished) == finished)
        rows.push_back(row);
    };
    if (filter.newest_first) {
      for (auto it = intents.rbegin(); it != intents.rend(); ++it) {
        if (!after || it->first < after) add(it->second);
      }
    } else {
      for (auto it = intents.upper_bound(after); it != intents.end(); ++it) add(it->second);
    }
    Answer(std::move(done), StatusOr<std::vector<registry::IntentRow>>(std::move(rows)));
  }
  void FailuresOf(IntentId intent, Done<std::vector<registry::FailureRow>> done) override {
    Answer(std::move(done), StatusOr<std::vector<registry::FailureRow>>(failures[intent]));
  }
  void FindTag(const std::string& name, Done<std::optional<registry::TagRow>> done) override {
    const auto it = tags.find(name);
    Answer(std::move(done),
           StatusOr<std::optional<registry::TagRow>>(
               it == tags.end() ? std::nullopt : std::optional<registry::TagRow>(it->second)));
  }
  void ListTags(const registry::TagFilter& filter, const std::string& after, size_t limit,
                Done<std::vector<registry::TagRow>> done) override {
    ++tag_lists;
    std::vector<registry::TagRow> rows;
    for (auto it = tags.upper_bound(after); it != tags.end() && rows.size() < limit; ++it) {
      if (!filter.owner_uid || it->second.owner_uid == *filter.owner_uid)
        rows.push_back(it->second);
    }
    Answer(std::move(done), StatusOr<std::vector<registry::TagRow>>(std::move(rows)));
  }
  void ListLeases(Done<std::vector<registry::LeaseRow>> done) override {
    Answer(std::move(done), StatusOr<std::vector<registry::LeaseRow>>(leases));
  }
  void ListTransfers(const registry::TransferFilter& /*filter*/, TransferId after, size_t limit,
                     Done<std::vector<registry::TransferRow>> done) override {
    std::vector<registry::TransferRow> rows;
    for (auto it = transfers.upper_bound(after); it != transfers.end() && rows.size() < limit; ++it)
      rows.push_back(it->second);
    Answer(std::move(done), StatusOr<std::vector<registry::TransferRow>>(std::move(rows)));
  }
  void ProvidersSeen(const Hash& hash, size_t limit, Done<std::vector<ProviderId>> done) override {
    std::set<ProviderId> seen;
    for (const auto& [id, row] : transfers) {
      if (row.kind.hash == hash && row.verified_bytes > 0 && seen.size() < limit)
        seen.insert(row.provider);
    }
    Answer(std::move(done),
           StatusOr<std::vector<ProviderId>>(std::vector<ProviderId>(seen.begin(), seen.end())));
  }
  void TotalsOf(const ProviderId& /*provider*/,
                Done<std::optional<registry::ProviderTotals>> done) override {
    Answer(std::move(done), StatusOr<std::optional<registry::ProviderTotals>>(std::nullopt));
  }
  void AddressesOf(const NodeId& node,
                   Done<std::vector<registry::RemoteAddressRow>> done) override {
    std::vector<registry::RemoteAddressRow> rows;
    for (const registry::RemoteAddressRow& row : addresses) {
      if (row.node == node && row.last_worked > WallTime{}) rows.push_back(row);
    }
    Answer(std::move(done), StatusOr<std::vector<registry::RemoteAddressRow>>(std::move(rows)));
  }
  void ListProtected(WallTime now, WallTime finished_after,
                     Done<std::vector<registry::ProtectedRow>> done) override {
    std::vector<registry::ProtectedRow> rows;
    for (const auto& [id, row] : intents) {
      if (row.result == registry::ResultCode::kNone) {
        rows.push_back({row.kind, registry::Protection::kUnfinishedIntent});
      } else if (row.finished > finished_after) {
        rows.push_back({row.kind, registry::Protection::kFinishedIntent});
      }
    }
    for (const auto& [name, tag] : tags) rows.push_back({tag.kind, registry::Protection::kTag});
    for (const registry::LeaseRow& lease : leases) {
      if (lease.until > now) rows.push_back({lease.kind, registry::Protection::kLease});
    }
    Answer(std::move(done), StatusOr<std::vector<registry::ProtectedRow>>(std::move(rows)));
  }
  void Backup(const std::string& /*path*/, UniqueFunction<void(Status)> done) override {
    Answer(std::move(done), Unavailable("not in this test"));
  }

  // Answers the commits that were held, oldest first.
  void ReleaseCommits() {
    hold_commits = false;
    for (auto& answer : std::exchange(held_, {})) answer_on_.Post(Task(answer));
  }

  // Gives out the ids that were held.
  void ReleaseIds() {
    hold_ids = false;
    for (auto& answer : std::exchange(held_ids_, {})) answer();
  }

  std::map<IntentId, registry::IntentRow> intents;
  std::set<std::pair<Hash, ProviderId>> providers;
  std::vector<registry::RemoteAddressRow> addresses;
  std::vector<registry::BanRow> bans;
  std::map<IntentId, std::vector<registry::FailureRow>> failures;
  std::map<std::string, registry::TagRow> tags;
  int tag_lists = 0;  // how often they were listed
  std::vector<registry::LeaseRow> leases;
  std::map<TransferId, registry::TransferRow> transfers;
  std::map<std::string, int64_t> settings;
  std::map<NodeId, registry::RemoteRow> remotes;
  uint64_t next_ids[3] = {1, 1, 1};
  Status commit_status;
  Status load_status;
  bool hold_commits = false;
  bool hold_ids = false;
  int commits = 0;
  int look_ups = 0;      // of ids or keys; one for many is one
  int intent_lists = 0;  // how often they were asked for

 private:
  template <typename Done, typename Value>
  void Answer(Done done, Value value) {
    answer_on_.Post(
        [done = std::move(done), value = std::move(value)]() mutable { done(std::move(value)); });
  }
  void Apply(registry::Change change) {
    if (auto* put = std::get_if<registry::PutIntent>(&change))
      intents[put->intent.id] = put->intent;
    if (auto* put = std::get_if<registry::PutProvider>(&change))
      providers.insert({put->row.hash, put->row.provider});
    if (auto* drop = std::get_if<registry::DropProvider>(&change))
      providers.erase({drop->row.hash, drop->row.provider});
    if (auto* put = std::get_if<registry::PutBan>(&change)) bans.push_back(put->ban);
    if (auto* put = std::get_if<registry::PutRemoteAddress>(&change)) {
      Drop(put->row.node, put->row.address);
      addresses.push_back(put->row);
    }
    if (auto* drop = std::get_if<registry::DropRemoteAddress>(&change))
      Drop(drop->node, drop->address);
    if (auto* put = std::get_if<registry::PutIntentFailures>(&change))
      failures[put->intent] = put->failures;
    if (auto* put = std::get_if<registry::PutRemote>(&change)) remotes[put->row.node] = put->row;
    if (auto* drop = std::get_if<registry::DropBan>(&change)) {
      std::erase_if(bans, [&](const auto& ban) { return ban.provider == drop->provider; });
    }
    if (auto* put = std::get_if<registry::PutSetting>(&change))
      settings[put->setting.name] = put->setting.value;
    if (auto* drop = std::get_if<registry::DropSetting>(&change)) settings.erase(drop->name);
    if (auto* put = std::get_if<registry::PutTag>(&change)) tags[put->tag.name] = put->tag;
    if (auto* drop = std::get_if<registry::DropTag>(&change)) tags.erase(drop->name);
    if (auto* put = std::get_if<registry::PutLease>(&change)) leases.push_back(put->lease);
    if (auto* drop = std::get_if<registry::DropLease>(&change)) {
      std::erase_if(leases, [&](const registry::LeaseRow& lease) {
        return lease.kind == drop->kind && lease.holder == drop->holder;
      });
    }
    if (auto* put = std::get_if<registry::PutTransfer>(&change))
      transfers[put->transfer.id] = put->transfer;
  }
  void Drop(const NodeId& node, const SocketAddress& address) {
    std::erase_if(addresses, [&](const registry::RemoteAddressRow& row) {
      return row.node == node && row.address == address;
    });
  }

  Executor& answer_on_;
  std::vector<std::function<void()>> held_;
  std::vector<std::function<void()>> held_ids_;
};

// Knows which blobs are there; nothing can be written, and only what PutContent gave can be read.
class FakeStore : public store::BlobStore {
 public:
  void Lookup(const Hash& hash, Executor& answer_on,
              UniqueFunction<void(StatusOr<store::BlobInfo>)> done) override {
    ++lookups;
    store::BlobInfo info;
    info.hash = hash;
    if (const auto it = blobs.find(hash); it != blobs.end()) info = it->second;
    Task answer = [done = std::move(done), answer = StatusOr<store::BlobInfo>(std::move(info)),
                   status = status]() mutable {
      if (status.ok()) {
        done(std::move(answer));
      } else {
        done(status);
      }
    };
    if (slow.count(hash) != 0) {
      held_.emplace_back(&answer_on, std::move(answer));
      return;
    }
    answer_on.Post(std::move(answer));
  }
  // Answers what was asked about slow blobs.
  void AnswerSlow() {
    for (auto& [answer_on, answer] : std::exchange(held_, {})) answer_on->Post(std::move(answer));
  }
  void OpenWriter(
      const Hash&, Executor& answer_on,
      UniqueFunction<void(StatusOr<std::shared_ptr<store::BlobWriter>>)> done) override {
    Refuse<StatusOr<std::shared_ptr<store::BlobWriter>>>(answer_on, std::move(done));
  }
  void OpenReader(
      const Hash& hash, Executor& answer_on,
      UniqueFunction<void(StatusOr<std::shared_ptr<store::BlobReader>>)> done) override {
    const auto it = contents.find(hash);
    if (it == contents.end()) {
      return Refuse<StatusOr<std::shared_ptr<store::BlobReader>>>(answer_on, std::move(done));
    }
    auto reader = std::make_shared<Reader>(blobs.at(hash), it->second);
    answer_on.Post([done = std::move(done), reader = std::move(reader)]() mutable {
      done(std::shared_ptr<store::BlobReader>(std::move(reader)));
    });
  }
  void PutSmall(const Hash&, Bytes, Executor& answer_on,
                UniqueFunction<void(Status)> done) override {
    Refuse<Status>(answer_on, std::move(done));
  }
  void StartImport(Executor& answer_on,
                   UniqueFunction<void(StatusOr<std::unique_ptr<store::Import>>)> done) override {
    Refuse<StatusOr<std::unique_ptr<store::Import>>>(answer_on, std::move(done));
  }
  void List(std::optional<Hash> after, size_t limit, Executor& answer_on,
            UniqueFunction<void(StatusOr<std::vector<store::BlobInfo>>)> done) override {
    std::vector<store::BlobInfo> page;
    for (auto it = after ? blobs.upper_bound(*after) : blobs.begin();
         it != blobs.end() && page.size() < limit; ++it)
      page.push_back(it->second);
    Give(answer_on, std::move(done), StatusOr<std::vector<store::BlobInfo>>(std::move(page)));
  }
  void Stats(Executor& answer_on, UniqueFunction<void(StatusOr<store::StoreStats>)> done) override {
    store::StoreStats stats;
    for (const auto& [hash, info] : blobs) {
      ++stats.complete_blobs;
      stats.complete_bytes += info.size;
    }
    Give(answer_on, std::move(done), StatusOr<store::StoreStats>(stats));
  }
  store::StoreCounts Counts() const override { return {}; }
  void Withdraw(const Hash&, const RangeSet&, Executor& answer_on,
                UniqueFunction<void(Status)> done) override {
    ++withdrawals;
    Give(answer_on, std::move(done), withdrawal);
  }
  std::unique_ptr<store::BlobWatch> Watch(const Hash&, Executor&,
                                          UniqueFunction<void(const store::BlobInfo&)>) override {
    return nullptr;
  }
  void SetPrivate(const Hash& hash, bool is_private, Executor& answer_on,
                  UniqueFunction<void(Status)> done) override {
    Status answer = status;
    const auto it = blobs.find(hash);
    if (it == blobs.end()) {
      answer = NotFound("not here");
    } else if (status.ok()) {
      it->second.is_private = is_private;
    }
    answer_on.Post([done = std::move(done), answer]() mutable { done(answer); });
  }
  void Flush(Executor& answer_on, UniqueFunction<void(Status)> done) override {
    ++flushes;
    answer_on.Post([done = std::move(done)]() mutable { done(OkStatus()); });
  }

  void OpenDescriptor(const Hash&, Executor& answer_on,
                      UniqueFunction<void(StatusOr<store::BlobDescriptor>)> done) override {
    Refuse<StatusOr<store::BlobDescriptor>>(answer_on, std::move(done));
  }
  std::unique_ptr<store::StoreJob> ImportDescriptor(
      store::Descriptor, const store::ImportOptions&, Executor& answer_on,
      UniqueFunction<void(uint64_t)>,
      UniqueFunction<void(StatusOr<store::Import::Result>)> done) override {
    Refuse<StatusOr<store::Import::Result>>(answer_on, std::move(done));
    return nullptr;
  }
  void ListByUse(std::optional<store::UseCursor> after, size_t limit, Executor& answer_on,
                 UniqueFunction<void(StatusOr<std::vector<store::BlobUse>>)> done) override {
    std::map<std::pair<WallTime, Hash>, store::BlobUse> by_use;
    for (const auto& [hash, info] : blobs) {
      if (info.state == store::BlobState::kAbsent) continue;
      store::BlobUse use;
      use.hash = hash;
      use.state = info.state;
      use.size = use.disk_bytes = info.size;
      use.is_pinned = pinned.count(hash) != 0;
      use.is_private = info.is_private;
      use.last_use = info.last_use;
      by_use[{info.last_use, hash}] = use;
    }
    std::vector<store::BlobUse> page;
    for (auto it = after ? by_use.upper_bound({after->last_use, after->hash}) : by_use.begin();
         it != by_use.end() && page.size() < limit; ++it)
      page.push_back(it->second);
    Give(answer_on, std::move(done), StatusOr<std::vector<store::BlobUse>>(std::move(page)));
  }
  void Remove(const Hash& hash, Executor& answer_on,
              UniqueFunction<void(StatusOr<uint64_t>)> done) override {
    StatusOr<uint64_t> answer = NotFound("nothing of it is here");
    const auto it = blobs.find(hash);
    if (!status.ok()) {
      answer = status;
    } else if (pinned.count(hash) != 0) {
      answer = FailedPrecondition("somebody writes it");
    } else if (it != blobs.end() && it->second.state == store::BlobState::kAbsent) {
      blobs.erase(it);  // that it was here is forgotten
    } else if (it != blobs.end()) {
      answer = it->second.size;
      removed.push_back(hash);
      blobs.erase(it);
    }
    Give(answer_on, std::move(done), std::move(answer));
  }
  std::unique_ptr<store::StoreJob> Verify(
      const Hash& hash, Executor& answer_on, UniqueFunction<void(uint64_t)> progress,
      UniqueFunction<void(StatusOr<store::Verified>)> done) override {
    StatusOr<store::Verified> answer = NotFound("nothing of it is here");
    if (const auto it = blobs.find(hash); it != blobs.end()) {
      answer = store::Verified{it->second.size, rotten[hash]};
      answer_on.Post([progress = std::move(progress), bytes = it->second.size / 2]() mutable {
        progress(bytes);
      });
    }
    Give(answer_on, std::move(done), std::move(answer));
    return nullptr;
  }
  std::unique_ptr<store::DiskWatch> WatchDisk(
      Executor& answer_on, UniqueFunction<void(const store::DiskState&)> changed) override {
    disk_changed = std::move(changed);
    answer_on.Post([this] { disk_changed(store::DiskState()); });
    return std::make_unique<store::DiskWatch>();
  }

  void PutComplete(const Hash& hash, uint64_t size) {
    store::BlobInfo info;
    info.hash = hash;
    info.state = store::BlobState::kComplete;
    info.size = info.verified_bytes = size;
    info.size_proven = true;
    blobs[hash] = info;
  }

  void PutContent(const Hash& hash, Bytes content) {
    PutComplete(hash, content.size());
    contents[hash] = std::move(content);
  }

  // All of it rotted, and was withdrawn.
  void Lose(const Hash& hash) {
    blobs[hash] = store::BlobInfo();
    blobs[hash].hash = hash;
    blobs[hash].was_complete = true;
    contents.erase(hash);
  }

  std::map<Hash, store::BlobInfo> blobs;
  std::map<Hash, Bytes> contents;
  std::set<Hash> pinned;            // somebody writes them
  std::set<Hash> slow;              // look-ups of them are not answered before AnswerSlow
  std::map<Hash, RangeSet> rotten;  // what Verify finds
  std::vector<Hash> removed;
  UniqueFunction<void(const store::DiskState&)> disk_changed;
  Status status;
  int flushes = 0;
  int lookups = 0;
  int withdrawals = 0;
  Status withdrawal = Unavailable("not in this test");  // what comes of them

 private:
  std::vector<std::pair<Executor*, Task>> held_;

  class Reader final : public store::BlobReader {
   public:
    Reader(store::BlobInfo info, Bytes content)
        : info_(std::move(info)), content_(std::move(content)) {}
    const store::BlobInfo& info() const override { return info_; }
    Status ReadAt(uint64_t offset, MutableBytes out) override {
      if (offset + out.size() > content_.size()) return OutOfRange("past the end");
      std::copy_n(content_.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
      return OkStatus();
    }
    Status ReadPair(uint64_t, std::array<uint8_t, 64>*) override { return OutOfRange("no pair"); }

   private:
    const store::BlobInfo info_;
    const Bytes content_;
  };

  template <typename Done, typename Value>
  static void Give(Executor& answer_on, Done done, Value value) {
    answer_on.Post(
        [done = std::move(done), value = std::move(value)]() mutable { done(std::move(value)); });
  }
  template <typename Answer, typename Done>
  void Refuse(Executor& answer_on, Done done) {
    answer_on.Post(
        [done = std::move(done)]() mutable { done(Answer(Unavailable("not in this test"))); });
  }
};

// Records what it is told to do; the test calls the sink.
class FakeNetwork final : public transfer::NodeNetwork {
 public:
  struct Get {
    NodeId node;
    Kind kind;
    transfer::GetOrder order;
  };
  void SetSink(transfer::NodeNetworkSink* new_sink) override { sink = new_sink; }
  void Dial(const NodeId& node, std::vector<SocketAddress> addresses, bool open) override {
    dials.push_back({node, addresses});
    is_open[node] = open;
  }
  void ExtendDial(const NodeId& node, std::vector<SocketAddress> addresses, bool open) override {
    extensions.push_back({node, addresses});
    is_open[node] = open;
  }
  void Disconnect(const NodeId& node) override { disconnects.push_back(node); }
  void Move(const NodeId& node, const SocketAddress& to, bool immediate) override {
    moves.push_back({node, to, immediate});
  }
  void Reconnect(const NodeId& n, const SocketAddress& to) override { reconnects[n] = to; }
  void Probe(const NodeId& /*node*/, std::vector<SocketAddress> addresses) override {
    probes.insert(addresses.begin(), addresses.end());
  }
  void StartGet(TransferId id, const NodeId& node, const transfer::GetOrder& order) override {
    gets[id] = {node, order.kind, order};
  }
  void LowerLimit(TransferId id, uint64_t boundary) override { limits.push_back({id, boundary}); }
  void Prove(TransferId id, const RangeSet& groups) override { proofs.push_back({id, groups}); }
  void StopGet(TransferId id) override { stops.push_back(id); }

  void EndGet(TransferId id, schedule::Outcome outcome, std::string reason,
              const transfer::GetProgress& progress = {}) {
    gets.erase(id);
    sink->OnGetEnded(id, progress, {outcome, std::move(reason), {}});
  }

  transfer::NodeNetworkSink* sink = nullptr;
  std::vector<std::pair<NodeId, std::vector<SocketAddress>>> dials;
  std::vector<std::pair<NodeId, std::vector<SocketAddress>>> extensions;
  std::vector<std::tuple<NodeId, SocketAddress, bool>> moves;
  std::map<NodeId, SocketAddress> reconnects;  // the latest of each
  std::set<SocketAddress> probes;              // all there were
  std::map<NodeId, bool> is_open;  // whether more addresses may come for the latest dial
  std::vector<NodeId> disconnects;
  std::map<TransferId, Get> gets;  // running
  std::vector<TransferId> stops;
  std::vector<std::pair<TransferId, uint64_t>> limits;
  std::vector<std::pair<TransferId, RangeSet>> proofs;
};

class RecordingLog final : public EventLog {
 public:
  void Write(LogLevel level, const LogFields& fields, std::string_view text) override {
    lines.emplace_back(text);
    if (fields.hash) hashes.insert(*fields.hash);
    if (fields.provider) providers.insert(ToString(*fields.provider));
    if (level == LogLevel::kWarning || level == LogLevel::kError) worries.emplace_back(text);
  }
  std::vector<std::string> lines;
  std::vector<std::string> worries;
  std::set<Hash> hashes;
  std::set<std::string> providers;
};

class SilentLog final : public EventLog {
 public:
  void Write(LogLevel, const LogFields&, std::string_view) override {}
};

}  // namespace blobd::engine
