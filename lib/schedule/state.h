// Scheduler::State: what changes the tables. Its members are grouped by theme, one file each:
//
//   intents.cc      callers' wishes come, rest and go; a request ends
//   supply.cc       providers are named, leave, come back; a request stands in their queues
//   waits.cc        faults of our own, bans and what ends them, standing providers
//   connections.cc  dials, connections, failures, pauses
//   transfers.cc    transfers start, move, stall, end
//   parts.cc        one request from several providers at once
//   planning.cc     after every event: start what can be started; limits; making room
//
// While it handles an event a request may be *unsettled*: in no queue, without a transfer. Whoever
// unsettles one settles it, finishes it or starts it before the event is done.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schedule/content.h"
#include "schedule/next_step.h"
#include "schedule/scheduler.h"
#include "schedule/tables.h"

namespace blobd::schedule {

class Scheduler::State {
 public:
  explicit State(Options options) : t(std::move(options)) {}

  void Apply(const Event& event);
  void FireTimers();
  void Plan();
  void Sweep();

  Tables t;
  std::vector<Effect>* out = nullptr;                  // during a Step
  std::optional<std::pair<RequestId, Failures>> told;  // of this Step: see FailuresToTell

 private:
  // intents.cc
  void OnQueue(const Queue& event);
  void OnLeave(IntentId id, bool withdrawn);
  void OnStoreAnswered(const StoreAnswered& event);
  void OnDeadline(IntentId id);
  void OnPatienceOver(IntentId id);
  void OnSetPaused(const SetPaused& event);
  void PauseEverything();
  void ResumeEverything();
  void AddIntent(Request& request, const Queue& event);
  void DisarmPatience(Intent& intent);
  // Looks anew where it belongs. The request may be gone afterwards.
  void Resettle(Request& request);
  void Reorder(Request& request);
  // The intent leaves its request, which may be left without one: DropOrReorder must follow.
  void RemoveIntent(Request& request, IntentId id);
  // The same, and its caller is told how it ended.
  void EndIntent(Request& request, FinishIntent finish);
  void DropOrReorder(Request& request);
  // Made once a Step: the deadlines of many intents of one request may pass at once.
  const Failures& FailuresToTell(const Request& request);
  void SetPriority(Request& request, Priority priority);
  void Finish(Request& request, ResultCode code, const std::string& reason);
  // Ends those that are out of patience, for want of a provider; the request may be left without
  // one.
  void EndImpatient(Request& request);
  // Frees a request that has no intent any more. The request is gone afterwards.
  void Drop(Request& request);
  void Emit(Effect effect) { out->push_back(std::move(effect)); }

  // supply.cc
  void OnNodesHave(const NodesHave& event);
  void AddProviders(WantedHash& wanted, const std::vector<ProviderId>& ids);
  void Settle(Request& request);
  void Unsettle(Request& request);
  void Strand(Request& request);
  // A provider has become usable for a hash's requests.
  void Offer(WantedHash& wanted, Provider& provider);
  void Leave(Request& request, Provider& provider);
  void Unlink(WantedHash& wanted, Provider& provider);
  void RemoveFromMap(Provider& provider, Outcome outcome, const std::string& reason);
  void MakeUnreachable(Provider& provider);
  void ComeBack(Provider& provider);
  bool AnyPatience(const Provider& provider) const;
  // No hash is left: nobody needs its dial, its timer or its count.
  void BecomeUnneeded(Provider& provider);
  // After the hash reached its limit of dials, or fell below it.
  void RefreshProviders(WantedHash& wanted);
  // Nothing may refer to it any more: Sweep looks when the event is done.
  void MayGo(const Provider& provider) { may_go_.push_back(provider.number); }

  // waits.cc
  void Hold(Request& request, OwnFault fault, const std::string& reason);
  void OnHoldOver(RequestId id);
  void ReleaseHeld(OwnFault fault);
  void BanNow(Provider& provider, const std::string& reason,
              std::optional<Duration> length = std::nullopt);
  void OnBanWanted(const BanWanted& event);
  void OnDisconnectWanted(const DisconnectWanted& event);
  void OnUnban(const ProviderId& provider);
  void Return(const ProviderId& provider, const std::vector<Hash>& hashes);
  void OnPathNews(const PathNews& event);
  void OnNetworkBack();
  void EndWait(Provider& provider);
  bool AskStanding(Request& request);
  void OnAskAgain(Request& request);
  void LeaveStanding(WantedHash& wanted, Provider& provider);

  // connections.cc
  void OnConnected(const Connected& event);
  void OnDialFailed(const DialFailed& event);
  void OnDisconnected(const Disconnected& event);
  void OnPauseOver(Provider& provider);
  void OnIdle(Provider& provider);
  void StartDial(Request& request, Provider& provider);
  // Its dial is over, whatever came of it.
  void EndDial(Provider& provider, Link link);
  void CloseConnection(Provider& provider, const std::string& reason);
  void LinkDown(Provider& provider);
  void PutOff(Provider& provider, std::optional<Duration> asked);
  void Fail(Provider& provider, const std::string& reason);
  void ClearFailures(Provider& provider);
  void SetPause(Provider& provider, Pause pause, Instant until);
  // After anything about a provider changed: its idle timer, its place in the indexes.
  void Touch(Provider& provider);

  // transfers.cc
  void OnProgress(const TransferProgress& event);
  void OpenWindow(Transfer& transfer);
  void CloseWindow(Transfer& transfer);
  void OnHeld(const TransferHeld& event);
  void OnWindowOver(Transfer& transfer);
  bool AnotherIsFree(const Request& request, const Provider& than) const;
  bool HasMore(Request& request, const Provider& provider, const TransferEnded& event);
  void Refuse(Request& request, Provider& provider, Outcome outcome);
  void OnCancelTransfer(const CancelTransfer& event);
  void OnSetAsideOver(Request& request);
  void EndSetAside(Request& request);
  void OnEnded(const TransferEnded& event);
  void OnEndedRunning(Request& request, Provider& provider, const Transfer& transfer,
                      const TransferEnded& event);
  void OnEndedEnding(Request* origin, Provider& provider, const Transfer& transfer,
                     const TransferEnded& event);
  Transfer& Launch(Request& request, Provider& provider);
  void EmitStart(const Request& request, const Transfer& transfer);
  void TakeFrom(Request& request, Transfer& transfer);
  void SettleOrFinish(Request& request);
  static bool HasAllParts(const Request& request);
  void AskStore(Request& request);
  void CountEnding();
  void StartOn(Request& request, Provider& provider);
  // Takes a running transfer from its request, which is unsettled then; it holds its slots until
  // its end.
  void Detach(Transfer& transfer);
  void Stop(Transfer& transfer);
  // Every running transfer of a provider; returns the requests to settle.
  std::vector<Request*> DetachAll(Provider& provider, bool stop);
  void SettleAll(const std::vector<Request*>& requests);

  // parts.cc
  static Content& MakeContent(Request& request);
  void OnContentKnown(const ContentKnown& event);
  void VoidContent(Request& request);
  void LookAgain(Request& request);
  void OnProviderHolds(const ProviderHolds& event);
  void OnArrived(const Arrived& event);
  void OnBoundaryAccepted(const BoundaryAccepted& event);
  void GiveBack(Request& request, Transfer& transfer);
  void EndPart(Transfer& transfer);
  bool MayUseMore(const Request& request) const;
  uint32_t TransfersOn(const Request& request, const Provider& provider) const;
  uint32_t ShareOf(const Provider& provider) const;
  void Reconsider(Request& request);
  void OfferMore(const Provider& provider);
  void LeaveMore(Request& request, Provider& provider);
  void LeaveAllMore(Request& request);
  void TakeMore(Request& request, Provider& provider);
  bool WouldTake(const Request& request, const Provider& provider);
  Transfer* EndsLast(const Request& request, bool can_be_cut);
  bool Split(Request& request, const Provider& taker);
  Transfer* WorthRacing(const Request& request, const Provider& taker);
  void StartPart(Request& request, Provider& provider, Range part, Transfer* rival);

  // planning.cc
  bool MoveOne();
  void OnSetLimits(const SetLimits& event);
  void StopSurplus(const std::vector<TransferId>& surplus, std::vector<Request*>& detached);
  Request* FirstThatCanMove();
  void Carry(Request& request);
  // The request that gets the next slot of `provider`: `first` in order, or by fairness the first
  // by place.
  Request& NextFor(Provider& provider, Request& first);
  void CountPassedOver(const Request& started);
  // True if a provider was freed from making room, so that there may be something to start.
  bool ChooseDraining();
  Provider* EndsSoonestAfter(const Order& order) const;
  void SetDraining(Provider* provider);

  std::vector<uint64_t> may_go_;
};

}  // namespace blobd::schedule
