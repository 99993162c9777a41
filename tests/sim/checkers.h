// Checkers: judge a history by its events and effects alone. They share no code with the scheduler:
// what they believe is rebuilt from what was said aloud.
//
//   an intent ends exactly once, for a reason that was true; a withdrawn one never
//   limits: nothing starts at a limit (what is ending counts), nothing runs above one
//   transfers go to connected, named, unbanned providers, never to ourselves; dials only to those
//   not connected
//   a failed dial is not repeated before its delay, unless the provider was named again or
//   forgotten
//   what is missing does not wait while a provider of good name is free, or may be dialled
//   what is remembered of providers is forgotten again; at rest nothing is left
//
// What becomes of the parts of requests is the ledger's to judge (ledger.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "good_names.h"
#include "ledger.h"
#include "schedule/effect.h"
#include "schedule/event.h"
#include "schedule/scheduler.h"

namespace blobd::sim {

class Checkers {
 public:
  using OnBroken = std::function<void(const std::string&)>;
  using IsComplete = std::function<bool(const Kind&)>;
  Checkers(const schedule::Options& options, OnBroken broken, IsComplete complete)
      : options_(options),
        limits_(options.limits),
        broken_(std::move(broken)),
        complete_(std::move(complete)),
        ledger_(options.parts_per_request, broken_) {}

  // One event that was delivered at `now`, and what came of it; `failures` is the scheduler's count
  // after it.
  void Saw(Instant now, const schedule::Event& event, const std::vector<schedule::Effect>& effects,
           uint64_t failures);
  // Every intent has ended, no timer is left.
  void CheckRest(const schedule::Scheduler& scheduler);

  // What the registry holds of the life that just ended.
  struct Persisted {
    std::vector<schedule::Queue> intents;
    std::map<ProviderId, Instant> bans;
  };
  // The daemon died: what only it knew is gone.
  Persisted Crashed();

  size_t open_intents() const { return intents_.size(); }
  size_t live_transfers() const { return transfers_.size(); }
  std::optional<Kind> KindOf(IntentId intent) const;
  std::vector<IntentId> OpenIntents() const;
  // Every kind that an open intent wants.
  std::set<Kind> OpenKinds() const;

 private:
  struct OpenIntent {
    Kind kind;
    std::optional<Instant> deadline;
    Instant patience_over;
    schedule::Queue asked;
    bool paused = false;
  };
  struct Live {
    schedule::StartTransfer start;
    bool stopped = false;
  };
  enum class Link { kDown, kDialling, kUp };
  struct Node {
    Link link = Link::kDown;
    std::optional<Instant> not_before;  // its next dial
    uint32_t failures = 0;              // counted on this connection since it last delivered
  };

  void Expect(bool condition, const std::string& what) const {
    if (!condition) broken_(what);
  }
  void ApplyPaused(const schedule::SetPaused& event);
  // Everything is paused, or all intents for it.
  bool Resting(const Kind& kind) const;
  void ApplyEvent(const schedule::Event& event);
  void Named(const std::vector<ProviderId>& providers);
  void Lost(const NodeId& node);
  void CheckFailures(const schedule::Event& event, uint64_t failures);
  void OnStart(const schedule::StartTransfer& start);
  void OnFinish(const schedule::FinishIntent& finish);
  void OnDial(const NodeId& node);
  void OnEffect(const schedule::Effect& effect);
  bool Wanted(const NodeId& node) const;
  void CheckLimits();
  // Requests with a transfer that is not stopped.
  std::set<RequestId> Running() const;
  // Nothing that is missing waits while somebody of good name is free, or may be dialled.
  void CheckNobodyIsIdle() const;
  bool IsFree(const ProviderId& provider) const;
  bool MayBeDialled(const ProviderId& provider) const;
  // How many requests but this one have a transfer, be it ending.
  size_t Holding(RequestId but = {}) const;
  uint32_t LiveOn(const ProviderId& provider, bool running_only) const;
  uint32_t Connections() const;

  schedule::Options options_;
  schedule::Limits limits_;
  OnBroken broken_;
  IsComplete complete_;  // the truth about the store
  Ledger ledger_;
  GoodNames good_names_;
  Instant now_;
  bool draining_ = false;
  bool all_paused_ = false;
  uint64_t failures_ = 0;
  std::map<IntentId, OpenIntent> intents_;
  std::map<RequestId, Kind> asked_;  // of the store
  std::map<TransferId, Live> transfers_;
  struct SetAside {
    Kind kind;
    Instant until;
  };
  std::map<std::pair<RequestId, ProviderId>, SetAside> set_aside_;  // by CancelTransfer
  std::set<std::pair<Hash, ProviderId>> remembered_;
  std::map<ProviderId, Instant> banned_;
  std::map<NodeId, Node> nodes_;
  TransferId last_transfer_;
  IntentId last_intent_;
  std::set<IntentId> restored_;  // queued again with their old ids
  // What this event makes true.
  std::set<Kind> completed_;
  std::set<Kind> doomed_;
  std::optional<IntentId> cancelled_;
};

}  // namespace blobd::sim
