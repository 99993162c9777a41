// engine: turns effects into calls and callbacks into events. It is the only room that knows all
// others; it decides nothing itself, that is the scheduler's work. Its rules about intents: an
// intent is answered for when it is durable, its result is told when that is durable, and its id is
// never used again.
//
// Thread:    the control loop only. Every `done` is called later or at once on the same thread.
// Ownership: all of Deps outlive the engine. The engine is destroyed when the loop no longer turns.
// Errors:    kUnavailable: draining, or not started yet. kResourceExhausted: quota or disk full.
//            kDataLoss: the registry is damaged.
//            kNotFound, kPermissionDenied, kAlreadyExists as the methods say.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/hash/hash.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/task.h"
#include "base/timers.h"
#include "engine/caller.h"
#include "engine/change_watch.h"
#include "engine/content_table.h"
#include "engine/deadline_timer.h"
#include "engine/event_log.h"
#include "engine/id_source.h"
#include "engine/late_drops.h"
#include "engine/limits.h"
#include "engine/long_waits.h"
#include "engine/look_queue.h"
#include "engine/metrics_view.h"
#include "engine/mirror_faults.h"
#include "engine/node_paths.h"
#include "engine/owner_counts.h"
#include "engine/request_views.h"
#include "engine/transfer_table.h"
#include "engine/uid_turns.h"
#include "engine/values.h"
#include "engine/wants.h"
#include "path/address_book.h"
#include "path/remote_table.h"
#include "registry/registry.h"
#include "schedule/scheduler.h"
#include "store/blob_store.h"
#include "transfer/inventory.h"
#include "transfer/mirror_network.h"
#include "transfer/node_network.h"
#include "transfer/upload_server.h"

namespace blobd::engine {

struct EngineOptions {
  schedule::Options schedule;
  uint32_t intents_per_uid = 100'000;
  uint64_t bytes_per_uid = 0;  // 0: no limit
  Duration drain_grace = seconds(10);
  // Asked for every hash, after those who were named for it (scheduling.md, "Standing providers").
  std::vector<NamedProvider> standing;
  // A request that moved nothing for so long is worth a line in the journal, and again after each
  // `long_wait_repeat`.
  Duration long_wait = minutes(10);
  Duration long_wait_repeat = hours(1);
};

// Hears of one intent: the present state at once, then changes at most 8 times a second, last the
// result.
class IntentWatcher {
 public:
  virtual ~IntentWatcher() = default;
  virtual void OnIntent(const IntentView& view, bool last) = 0;
};

class Engine final : private transfer::NodeNetworkSink,
                     private transfer::MirrorNetworkSink,
                     private NodePathsSink,
                     public transfer::UploadSink,
                     public Wants {
 public:
  struct Deps {
    Executor& control;
    Timers& timers;
    const Clock& clock;
    registry::Registry& registry;
    store::BlobStore& store;
    transfer::NodeNetwork& network;
    UniqueFunction<std::shared_ptr<Executor>()> make_strand;
    EventLog& log;
    transfer::MirrorNetwork* mirrors = nullptr;  // null: what mirrors have is not got
    NodeLookup* lookup = nullptr;                // null: addresses are not looked up
    // Puts bytes per second of downloads and uploads in force; nullopt: no limit.
    UniqueFunction<void(std::optional<uint64_t>, std::optional<uint64_t>)> set_rates = {};
  };

  Engine(Deps deps, EngineOptions options);
  ~Engine() override;

  // Loads what the registry knows and goes on where the last life stopped. After kDataLoss the
  // engine is degraded: whatever needs the registry is answered with that status, until a later
  // Start succeeds.
  void Start(UniqueFunction<void(Status)> done);
  // OK if intents can be taken, and it is known what is wanted.
  Status Ready() const;
  // `on_readiness` is called when Ready may answer something else than before.
  void SetOnReadiness(std::function<void()> on_readiness) {
    on_readiness_ = std::move(on_readiness);
  }
  // How far a Start under way has come: intents that were read, and how many of them were taken
  // over since.
  uint64_t loaded_intents() const { return loaded_intents_; }
  uint64_t restored_intents() const { return restored_intents_; }
  // No new transfers; running ones end or are cut after the grace time; what is verified is
  // flushed. Intents stay. It may be asked for again.
  void Drain(UniqueFunction<void()> done);

  // `done` may be called by the registry's thread, as soon as the intents are durable. All that is
  // posted to the control loop from then on finds them.
  void Queue(const Caller& caller, std::vector<QueueItem> items,
             UniqueFunction<void(StatusOr<std::vector<QueuedIntent>>)> done);
  void Cancel(const Caller& caller, const std::vector<IntentId>& intents,
              UniqueFunction<void(StatusOr<CancelAnswer>)> done);
  // Intents rest, or go on; answered when that is durable. Nothing is changed unless all ids are
  // known and the caller's (kNotFound, kPermissionDenied).
  void SetPaused(const Caller& caller, const std::vector<IntentId>& intents, bool paused,
                 UniqueFunction<void(StatusOr<PauseAnswer>)> done);
  // Everything rests, whatever its intents say, or goes on.
  void SetEverythingPaused(bool paused, UniqueFunction<void(Status)> done);
  StatusOr<NodesHaveAnswer> NodesHave(const Hash& hash,
                                      const std::vector<NamedProvider>& providers);

  void GetIntent(IntentId id, UniqueFunction<void(StatusOr<IntentView>)> done);
  // Beyond `after` in the order of the filter (0: from the beginning), at most `limit`. A page is
  // shorter when much was looked at and did not fit the filter. Two lists of one uid are made at a
  // time; the others wait their turn.
  void ListIntents(const Caller& caller, const IntentFilter& filter, IntentId after, size_t limit,
                   UniqueFunction<void(StatusOr<IntentPage>)> done);
  // kNotFound for an unknown intent. One that has ended is told once, as the last.
  void Watch(IntentId id, std::shared_ptr<IntentWatcher> watcher,
             UniqueFunction<void(Status)> done);
  void Unwatch(IntentId id, const std::shared_ptr<IntentWatcher>& watcher);

  // Transfers beyond `after` (0: from the first), at most `limit`.
  std::vector<TransferView> ListTransfers(const TransferFilter& filter, TransferId after,
                                          size_t limit) const;
  // Of those that are listed: ids beyond `after`, at most `limit`, and one with its id.
  std::vector<TransferId> TransfersAfter(TransferId after, size_t limit) const;
  std::optional<TransferView> FindTransfer(TransferId id) const;
  // Which of these may have changed.
  ChangeWatch<TransferId>& transfer_watch() { return transfer_watch_; }
  // Running, or ended as far as the history goes. kNotFound: there was none with this id, or it is
  // forgotten.
  void GetTransfer(TransferId id, UniqueFunction<void(StatusOr<TransferView>)> done);
  // Stops it, and answers when it has ended. kPermissionDenied: it works for intents of others,
  // too. kNotFound as GetTransfer.
  void CancelTransfer(const Caller& caller, TransferId id,
                      UniqueFunction<void(StatusOr<CancelTransferAnswer>)> done);
  // Unfinished requests beyond the place `after` (0: from the first), at most `limit`. A page is
  // shorter when much was looked at: requests, their providers and their intents.
  RequestPage ListRequests(const RequestFilter& filter, IntentId after, size_t limit) const;
  // The same, one list of each uid in a turn of the loop; `done` is called at once or later.
  void ListRequests(const Caller& caller, const RequestFilter& filter, IntentId after, size_t limit,
                    UniqueFunction<void(RequestPage)> done);
  StatusView Summary() const;
  MetricsView Metrics() const;

  // What an unfinished request waits for (engine_why.cc). nullopt: the intent has none.
  std::optional<WhyView> WhyOfIntent(IntentId id) const;
  // Of each format in which the hash is wanted.
  std::vector<WhyView> WhyOfHash(const Hash& hash) const;

  // Where this node can be reached, loopback too: nobody else is dialled there.
  void SetOwnAddresses(std::vector<SocketAddress> own);
  // An interface, an address or the way out came or went. `major`: we may be somewhere else now;
  // `back`: something came, so what failed before is tried at once; so often as that happens, every
  // ten seconds at most.
  void OnNetworkChanged(bool major, bool back);
  // How the lookup services do; none if nothing is looked up.
  void ViewLookup(UniqueFunction<void(std::vector<LookupServiceView>)> done);

  // In the order of LimitFields().
  std::vector<LimitView> ListLimits() const;
  // Puts `reset` back to the configuration, then makes the changes; with `keep` for later starts
  // too. All or nothing. What runs beyond a lowered limit is stopped and goes on when there is
  // room. kInvalidArgument.
  void SetLimits(std::vector<LimitChange> changes, std::vector<const LimitField*> reset, bool keep,
                 UniqueFunction<void(Status)> done);
  // What the configuration says now. A limit goes along if its configured value changed, unless it
  // was set to stay.
  void Reconfigure(const LiveLimits& configured, Duration drain_grace);

  // Nodes greater than `after` (nullopt: from the first) of which something is known, in order, at
  // most `limit`. Those of `known_elsewhere` are among them. A page is shorter when much was looked
  // at and did not fit the filter.
  RemotePage ListRemotes(const RemoteFilter& filter, const std::optional<NodeId>& after,
                         size_t limit, const std::vector<NodeId>& known_elsewhere) const;
  // Of all these the nodes alone.
  std::vector<NodeId> RemotesAfter(const std::optional<NodeId>& after, size_t limit,
                                   const std::vector<NodeId>& known_elsewhere) const;
  // nullopt: nothing is known of it here.
  std::optional<RemoteView> FindRemote(const NodeId& node) const;
  // Which of them may have changed.
  ChangeWatch<NodeId>& remote_watch() { return remote_watch_; }
  // Answered with how many were new, when they are durable. kInvalidArgument: our own id, or an
  // address that cannot be dialled.
  void AddAddresses(const NodeId& node, const std::vector<SocketAddress>& addresses,
                    UniqueFunction<void(StatusOr<uint32_t>)> done);
  // Forgets the node's addresses, but for configured ones, when it was reached and what went wrong.
  // Answered with how many addresses that were, when it is durable. kNotFound;
  // kFailedPrecondition: it is connected or being dialled.
  void ForgetRemote(const NodeId& node, UniqueFunction<void(StatusOr<uint32_t>)> done);
  // Closes our connection to it, or gives the dial up. Whether there was a connection.
  bool DisconnectRemote(const NodeId& node);

  // Refuses a provider for `length`, or as long as one that sent something false (nullopt).
  // Answered with its end, when that is durable. kInvalidArgument: it is ourselves.
  void Ban(const ProviderId& provider, std::optional<Duration> length, const std::string& reason,
           UniqueFunction<void(StatusOr<WallTime>)> done);
  // kNotFound: it is not banned.
  void Unban(const ProviderId& provider, UniqueFunction<void(Status)> done);
  // Beyond `after`, in order, at most `limit`.
  std::vector<BanView> ListBans(const std::optional<ProviderId>& after, size_t limit) const;

  // transfer::UploadSink: the blob is repaired.
  void OnRotten(const Hash& hash, const RangeSet& groups) override;
  // These groups rotted on the disk and were withdrawn: the blob is wanted again, by an intent of
  // uid 0 with the label "repair", from whoever had it. Answers with an intent that wants it.
  void Repair(const Hash& hash, const RangeSet& groups,
              UniqueFunction<void(StatusOr<IntentId>)> done);

  // Wants (engine_wants.cc).
  bool IsWanted(const Hash& hash) const override;
  bool IsWantedBy(uint32_t uid, const Hash& hash) const override;
  std::vector<Hash> WantedSequences() const override;
  bool IsListArriving() const override;
  Journal& journal() override { return journal_; }

 private:
  struct Ending {
    schedule::FinishIntent effect;
    uint64_t number = 0;  // in late_drops_
  };
  struct LiveIntent {
    registry::IntentRow row;
    bool durable = false;              // its row is committed; nothing is told before
    bool has_quota = false;            // not an administrator's, nor of before a start
    bool over_quota = false;           // it is being ended for that
    std::unique_ptr<Ending> finished;  // ended, but the end is not durable yet
  };
  // What is found by its owner and its idempotency key. It is kept where the intent is: of a
  // million a text more each, and a tree of them, cost as much as much else together.
  struct KeyOf {
    using is_transparent = void;
    using Pair = std::pair<uint32_t, std::string_view>;
    static Pair Of(const LiveIntent* intent) {
      return {intent->row.owner_uid, intent->row.idempotency_key};
    }
    static const Pair& Of(const Pair& pair) { return pair; }
    size_t operator()(const auto& each) const { return absl::HashOf(Of(each)); }
    bool operator()(const auto& a, const auto& b) const { return Of(a) == Of(b); }
  };
  // What is known of a kind while an intent wants it.
  struct LiveKind {
    IntentId place;      // its first intent's number, for as long as it has one
    OwnerCounts owners;  // of its intents
    uint64_t verified_bytes = 0;
    uint64_t received_bytes = 0;
    uint64_t total_bytes = 0;
    uint64_t claimed_bytes = 0;
    uint64_t unproven_bytes = 0;
    uint64_t total_blobs = 0;
    uint64_t complete_blobs = 0;
    uint64_t counted_bytes = 0;  // towards the quota of each who wants it
    bool quota_due = false;      // it will be looked whose intents are over it
    bool is_private = true;      // or not known yet
  };
  struct Running {
    Kind kind;
    RequestId request;
    uint64_t stored_blobs = 0;  // as it reported them
    bool is_mirror = false;
    RangeSet proving = {};  // of a node's: groups that it was asked for, for the proof
    std::optional<uint32_t> cancelled_by = {};  // a caller
  };
  struct PendingQueue;
  struct IntentListing;
  struct SortedIds {
    std::vector<IntentId> live;
    std::vector<IntentId> ended;
  };
  struct Loading;

  // transfer::NodeNetworkSink, and those of mirrors
  void OnConnected(const NodeId& node, const SocketAddress& address, Duration rtt) override;
  void OnAttemptFailed(const NodeId& node, const SocketAddress& address,
                       std::string reason) override;
  void OnDialFailed(const NodeId& node, bool local_fault, std::string reason) override;
  void OnDisconnected(const NodeId& node, bool in_order, std::string reason) override;
  void OnPathRtt(const NodeId& node, Duration rtt, Instant heard) override;
  void OnPathDark(const NodeId& node) override;
  void OnMoved(const NodeId& node, const SocketAddress& to) override;
  void OnReplaced(const NodeId& node, const SocketAddress& at, Duration rtt) override;
  void OnMoveFailed(const NodeId& node, const SocketAddress& to, bool not_yet) override;
  void OnProbeAnswered(const NodeId& node, const SocketAddress& address, Duration rtt) override;
  void OnGetProgress(TransferId id, const transfer::GetProgress& progress) override;
  void OnGetHeldBack(TransferId id, bool held_back) override;
  void OnGetEnded(TransferId id, const transfer::GetProgress& progress,
                  const transfer::GetEnd& end) override;
  void OnGetContent(TransferId id, const transfer::GetContent& content) override;
  void OnBoundary(TransferId id, uint64_t boundary) override;
  void OnMirrorBlamed(const std::string& url, const Hash& hash, const std::string& reason) override;

  // Mirrors (engine_mirrors.cc).
  void StartGet(const schedule::StartTransfer& effect);
  void StopGet(TransferId id);
  void LowerLimit(TransferId id, uint64_t boundary);
  transfer::GetEnd JudgeMirror(TransferId id, transfer::GetEnd end);
  void ForgetUnproven(const Hash& hash);
  void NetworkIsBack();

  void CountGet(const ProviderId& provider, bool begins);
  RemoteView ViewOf(const NodeId& node) const;
  bool Fits(const RemoteFilter& filter, const NodeId& node) const;
  void NoteEndedBans(Instant since);

  // NodePathsSink (engine_paths.cc)
  void OnReached(const NodeId& node, const SocketAddress& address, Duration rtt) override;
  void OnUnreached(const NodeId& node, bool local_fault, std::string reason) override;
  void OnPathChanged(const NodeId& node, const SocketAddress& to, bool anew) override;
  void OnKeepAddress(const NodeId& node, const path::KnownAddress& known,
                     const std::optional<SocketAddress>& evicted) override;
  void OnFound(const NodeId& node, std::string_view service, size_t count, bool late) override;
  void OnStepped(const NodeId& node) override;

  // Parts (engine_parts.cc).
  transfer::GetOrder OrderOf(const schedule::StartTransfer& effect) const;
  void ExecuteLowerLimit(const schedule::LowerLimit& effect);
  void AskForProof(const Running& mirror, const RangeSet& groups);
  void CountProgress(Running& running, const transfer::GetProgress& progress, uint64_t more);

  // Events in, effects out (engine.cc).
  void Deliver(schedule::Event event);
  void Execute(const schedule::Effect& effect);
  void ExecuteDial(const NodeId& node);
  void ExecuteStart(const schedule::StartTransfer& effect);
  void ExecuteBan(const schedule::BanProvider& effect);
  void OnInventory(const schedule::LookInStore& look, StatusOr<transfer::Inventory> inventory);
  void LookAgain(const schedule::LookInStore& look);
  void CommitChanges();
  std::optional<Hash> LoggedHash(const Kind& kind) const;
  static ProviderId LoggedProvider(const ProviderId& provider, const std::optional<Hash>& logged);
  void ApplyProgress(TransferId id, const transfer::GetProgress& progress);

  // Quotas (engine_quota.cc).
  Status CheckQuota(const Caller& caller, size_t more) const;
  Status CheckBytes(const Caller& caller, const std::vector<const Kind*>& kinds) const;
  void AddOwner(LiveKind& live, uint32_t uid);
  void EndOwner(const LiveIntent& intent);
  void PutUnderQuota(LiveIntent& intent);
  void CountBytes(const Kind& kind, LiveKind& live);
  void SetCounted(const Kind& kind, LiveKind& live, uint64_t bytes);
  void EndWhatIsOverQuota(const Kind& kind);
  std::string OverQuota(uint32_t uid) const;

  // Queue (engine_queue.cc).
  void FindKeys(std::shared_ptr<PendingQueue> pending, std::vector<std::string> keys);
  Status MatchKeys(PendingQueue& pending) const;
  static std::vector<const Kind*> NewKinds(const PendingQueue& pending);
  void Admit(std::shared_ptr<PendingQueue> pending);
  void AdmitNow(PendingQueue& pending, uint64_t first_id);
  void PutKnownProviders(const schedule::Queue& queued);
  void OnQueueCommitted(PendingQueue& pending, const std::vector<IntentId>& made,
                        const Status& status);
  void Refuse(PendingQueue& pending, const Status& status);
  std::vector<ProviderId> Learn(const std::vector<NamedProvider>& providers);
  void KeepRemote(const NodeId& node);
  bool LearnAddress(const NodeId& node, const SocketAddress& address, const std::string& source);

  // Restoring (engine_restore.cc).
  void StartLoading(TransferId first_transfer, UniqueFunction<void(Status)> done);
  void LoadNext(std::shared_ptr<Loading> loading, const registry::LoadCursor& from);
  void LoadHistory(const std::shared_ptr<Loading>& loading);
  struct RestoredProviders {
    std::vector<ProviderId> ids;
    bool wanted = false;  // by an intent that is restored
  };
  using ProvidersOf = std::unordered_map<Hash, RestoredProviders>;
  void BeginRestore(const std::shared_ptr<Loading>& loading);
  void RestoreMore(const std::shared_ptr<Loading>& loading);
  bool RestorePage(Loading& loading);
  void RestoreRemotes(const registry::Snapshot& rows);
  void RestoreIntent(registry::IntentRow row, ProvidersOf& providers);

  void OnDisk(const store::DiskState& state);

  // Control (engine_control.cc).
  void SetPausedNow(const SortedIds& ids, bool paused,
                    UniqueFunction<void(StatusOr<PauseAnswer>)> done);
  void RestoreSettings(const std::vector<registry::SettingRow>& settings);
  void ApplyLimits(const LiveLimits& limits);
  void ApplyRates();
  void ApplyConnections(uint32_t before);
  const std::string& RuleOf(const LimitField& field) const;

  // Why (engine_why.cc).
  WhyView Describe(const schedule::Why& why, const schedule::RequestView& request) const;
  void LookForLongWaits();
  void ArmLongWaits();

  // Transfers (engine_transfers.cc).
  void AddIntents(TransferView& view) const;
  void NoteTransfersOf(const Kind& kind);
  void FindEnded(TransferId id, UniqueFunction<void(StatusOr<TransferView>)> done);
  Status NoTransfer(TransferId id) const;
  void TellTransferEnd(TransferId id);
  void GiveUpTransferEnds();

  // Requests (engine_requests.cc).
  RequestView ViewOf(const Kind& kind, const LiveKind& live,
                     const schedule::RequestView& request) const;

  // Repair (engine_repair.cc).
  void LookWhetherPrivate(const Hash& hash, UniqueFunction<void(std::optional<Hash> logged)> then);
  void RepairNow(const Hash& hash, const RangeSet& groups, const std::optional<Hash>& logged,
                 UniqueFunction<void(StatusOr<IntentId>)> done);
  void QueueRepair(const Kind& kind, const std::vector<ProviderId>& earlier,
                   UniqueFunction<void(StatusOr<IntentId>)> done);
  std::set<ProviderId> ProvidersNow(const Hash& hash) const;

  // Intents (engine_intents.cc).
  void SortIds(const Caller& caller, const std::vector<IntentId>& ids,
               UniqueFunction<void(StatusOr<SortedIds>)> done);
  StatusOr<bool> SortLive(const Caller& caller, IntentId id, SortedIds* sorted) const;
  void CancelNow(const SortedIds& ids, UniqueFunction<void(StatusOr<CancelAnswer>)> done);
  void AddLive(registry::IntentRow row, bool durable);
  void RemoveLive(IntentId id);
  void NoteWant(const registry::IntentRow& row);
  void NoteUnwanted(const registry::IntentRow& row, bool last);
  IntentView ViewOf(const LiveIntent& intent) const;
  IntentView ViewOf(const LiveIntent& intent, RequestViews& requests) const;
  IntentView ViewOfRow(registry::IntentRow row, RequestViews& requests) const;
  void ListMore(const std::shared_ptr<IntentListing>& listing);
  bool AddRows(IntentListing& listing, std::vector<registry::IntentRow> rows);

  // Ends (engine_ends.cc).
  void Finish(const schedule::FinishIntent& effect);
  void WriteEnds();
  void OnEndsCommitted(const Status& status);
  void OnEndsRefused(const Status& status);
  void TellEnd(IntentId id);
  std::vector<UniqueFunction<void(Status)>> WhoAwaits(IntentId id);
  // Runs `then` when no end is on its way to the disk.
  void AfterEnds(Task then);

  // Watching (engine_watch.cc).
  void TellWatchers(IntentId id, const IntentView& view, bool last);
  void SampleAndTell();
  void ArmSampling();
  void FlushNowAndThen(bool running);

  Deps deps_;
  EngineOptions options_;
  std::unique_ptr<schedule::Scheduler> scheduler_;  // null before Start has loaded
  EngineCounters counters_;
  uint64_t loaded_intents_ = 0;
  uint64_t restored_intents_ = 0;
  bool restoring_ = false;  // not all of them are
  path::AddressBook addresses_;
  path::RemoteTable remotes_;
  ChangeWatch<NodeId> remote_watch_;
  ChangeWatch<TransferId> transfer_watch_;
  NodePaths paths_;
  std::map<NodeId, size_t> gets_of_;  // running ones; none is 0
  TransferTable transfers_;
  LookQueue looks_;
  IdSource intent_ids_;
  uint64_t transfer_ids_end_ = 0;  // reserved up to here
  bool extending_transfer_ids_ = false;

  std::deque<schedule::Event> events_;
  bool delivering_ = false;
  std::vector<schedule::Effect> effects_;
  std::vector<registry::Change> changes_;  // of this delivery, not committed yet
  DeadlineTimer timer_;                    // of the scheduler

  static constexpr size_t kMostEndsAtOnce = 2048;  // a commit of some milliseconds
  std::deque<IntentId> ends_;                      // finished, and not durable yet
  size_t ends_under_way_ = 0;                      // of these, the first ones: in a commit
  size_t ends_at_once_ = kMostEndsAtOnce;          // in the next commit; few after a refusal
  bool ends_refused_ = false;                      // it is in the journal
  TimerId ends_timer_ = 0;                         // until they are tried again
  // Who waits for an end to be durable.
  std::unordered_map<IntentId, std::vector<UniqueFunction<void(Status)>>> ends_awaited_;
  std::vector<Task> after_ends_;
  LateDrops late_drops_;
  bool changes_refused_ = false;  // it is in the journal

  std::map<IntentId, LiveIntent> live_;
  std::unordered_map<Kind, LiveKind> kinds_;
  absl::btree_map<IntentId, const Kind*> places_;  // of these, in the order that lists have
  absl::flat_hash_set<const LiveIntent*, KeyOf, KeyOf> keys_;  // of those that have a key
  std::unordered_map<uint32_t, size_t> intents_of_uid_;
  std::unordered_map<uint32_t, uint64_t> bytes_of_uid_;  // none is 0
  std::set<Hash> sequences_;                             // the roots among kinds_
  Journal journal_;
  std::unordered_map<TransferId, Running> running_;
  std::map<TransferId, std::vector<UniqueFunction<void(Status)>>> transfer_ends_;  // who waits
  ContentTable contents_;
  MirrorFaults faults_;
  std::deque<std::shared_ptr<PendingQueue>> waiting_for_ids_;
  size_t queues_committing_ = 0;
  UidTurns look_ups_;  // of ids and keys in the registry
  UidTurns lists_;     // of intents there
  UidTurns request_lists_;
  std::map<IntentId, std::vector<std::shared_ptr<IntentWatcher>>> watchers_;
  std::map<IntentId, IntentView> told_;  // what the watchers heard last
  TimerId sampling_ = 0;
  bool unflushed_ = false;  // a transfer may have written since the last flush
  bool flushing_ = false;
  Instant flushed_at_;
  uint64_t verified_bytes_ = 0;

  LiveLimits configured_limits_;
  LiveLimits limits_;                            // in force
  std::map<std::string, uint64_t> kept_limits_;  // set to stay
  bool everything_paused_ = false;
  LongWaits long_waits_;
  TimerId long_wait_timer_ = 0;

  std::unique_ptr<store::DiskWatch> disk_watch_;
  store::DiskState disk_;
  Status degraded_;  // why the registry could not be loaded, if it is damaged
  bool draining_ = false;
  std::function<void()> on_readiness_;
  std::vector<UniqueFunction<void()>> drained_;  // who waits for it
  TimerId drain_timer_ = 0;
  TimerId network_timer_ = 0;  // while what comes back has just been told
  bool network_back_ = false;  // more came since
  void CheckDrained(bool out_of_time);
};

}  // namespace blobd::engine
