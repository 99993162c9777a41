// GetSession: one transfer from a node, seen from the disk's side: it looks what is missing, asks
// for it on several streams, has what comes verified and written, and decides how it ends. What is
// asked for is cut by GetWork, each stream is read by a GetLane, and the network's side is
// GetStreams (get_streams.h).
//
//   kLooking --work--> kReceiving --all answered--> kSettling --more is missing--> kLooking
//      |                   |                           `------nothing is missing--> kEnded (done)
//      |                   `-- others get the rest --> kWaiting --freed--> kSettling
//      `-------------------+--- error, end, stop --> kSettling -------------> kEnded (outcome)
//
// The first decision how it ends stands; all streams are stopped with it. In kSettling it waits
// for what it gave to the store, so that a transfer has ended only when nothing of it is under way
// any more.
//
// "Not here" is said of one part: the others go on, what can be had is taken, and then the transfer
// ends with it. If nothing ever came of a hash sequence whose root we hold, the provider may lack
// only that root, and the children are asked for once by their own hashes.
//
// What transfers of other requests are getting of the same blobs is not asked for (claims.h). When
// nothing else is left it waits for that, without any stream, and looks again when something comes
// free: it is held then, or ours to get. What holds it up for long is hurried, and so it is itself.
//
// Where another connection takes the place of its own, all streams end, and it looks again: what is
// verified by then is not asked for a second time.
//
// It may be given a share of its request's line (get_layout.h), or find the line out itself, and
// then tells it. From then on its limit can be lowered: what lies behind is not asked for, lanes
// that are wholly behind are closed, and one across it ends there. What it got in no order at all
// is held all the same, and whoever takes over finds it in the store.
//
// Thread:    its strand only (one worker at a time). The port and the observer are called from
//            there.
// Ownership: shared; callbacks from the store keep it alive. Bytes are moved in.
// Memory:    what it holds unprocessed is bounded by the streams' receive windows: credit is given
//            back only when bytes were verified and handed to the store. Lanes, and GetWork.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/task.h"
#include "base/time.h"
#include "store/blob_store.h"
#include "transfer/claims.h"
#include "transfer/get_lane.h"
#include "transfer/get_port.h"
#include "transfer/get_work.h"
#include "transfer/node_network.h"

namespace blobd::transfer {

class GetObserver {
 public:
  virtual ~GetObserver() = default;
  virtual void OnProgress(TransferId id, const GetProgress& progress) = 0;
  // As in NodeNetworkSink.
  virtual void OnContent(TransferId id, const GetContent& content) = 0;
  virtual void OnBoundary(TransferId id, uint64_t boundary) = 0;
  // The last call, once.
  virtual void OnEnded(TransferId id, const GetProgress& progress, const GetEnd& end) = 0;
};

class GetSession final : public GetReceiver, public std::enable_shared_from_this<GetSession> {
 public:
  struct Deps {
    store::BlobStore& store;
    std::shared_ptr<Executor> strand;
    std::shared_ptr<GetPort> port;
    std::shared_ptr<GetObserver> observer;
    const Clock& clock;
    std::shared_ptr<Claims> claims = {};  // null: nobody else gets anything
  };

  // REQUIRES: options.lanes > 0
  GetSession(Deps deps, TransferId id, const GetOrder& order, const GetOptions& options);
  ~GetSession() override;

  // Each of these on the strand. Start once, first.
  void Start();
  // GetReceiver
  void OnBytes(uint64_t stream, Bytes bytes) override;
  void OnStreamEnd(uint64_t stream, StreamEnd end) override;
  void Stop() override;
  void LowerLimit(uint64_t boundary);
  // Gets these groups of the one blob as well, when its line is known (get_session_prove.cc).
  void Prove(const RangeSet& groups);
  // About once a second: tells that nothing came since, where others could help.
  void Beat();
  // There is no connection any more. Streams are told themselves; this is for when there are none.
  void OnConnectionEnd(const StreamEnd& end);

 private:
  enum class Phase { kLooking, kReceiving, kWaiting, kSettling, kEnded };

  // Looking.
  void Look();
  void OnInventory(StatusOr<Inventory> inventory);
  void FinishHeld();

  // Lanes.
  size_t LanesAllowed() const;
  void OpenLanes();
  void OpenLane(GetPart&& part);
  void CloseLane(const GetLane& lane, bool answered = false);
  void GoOn();
  void Drive(GetLane& lane);
  void DriveAll();
  void SettleAccounts(GetLane& lane);
  bool CheckProof(GetLane& lane);
  bool Admit(GetLane& lane);
  bool OnAnswered(GetLane& lane);

  // What others are getting (get_session_claims.cc).
  void JoinClaims();
  std::optional<GetPart> NextPart();
  void CheckPart(GetPart part);
  void OnChecked(uint64_t check, const std::vector<store::LookedUp>& found);
  void OpenChecked(GetPart part);
  bool TrimToMissing(GetTarget& target, const store::BlobInfo& blob);
  void GotGroups(const Hash& hash, const RangeSet& groups);
  void ReleaseTarget(const GetTarget& target);
  void ReleaseAnswered(const GetLane& lane);
  void Release(const GetLane& lane, size_t number, uint64_t begin);
  bool idle() const { return lanes_.empty() && checks_.empty(); }
  void WaitForOthers();
  void OnFreed();
  void BeatWaiting();
  void LookAgain();
  void OnHurried(const Hash& hash);
  bool GiveAway(GetLane& lane);
  Duration ExpectedOf(const Hash& hash, uint64_t left);

  // Writing.
  void OpenWriter(const Hash& hash);
  void OnWriter(const Hash& hash, StatusOr<std::shared_ptr<store::BlobWriter>> writer);
  void FinishBlob(const std::shared_ptr<store::BlobWriter>& writer,
                  UniqueFunction<void(const Status&)> done);
  void OnBlobStored(const GetTarget& target, const Status& status);
  void OnStored(const Status& status);

  // The line (get_session_share.cc).
  Places PlacesToLookAt() const;
  void TakeStock(const Inventory& inventory);
  void SeekContent(const Inventory& inventory);
  void TellContent();
  void NoteGroups(const GetTarget& target, const RangeSet& groups);
  void NoteBlob(const GetTarget& target);
  void NoteHeld(const RangeSet& line);
  uint64_t Position() const;
  void CutLanes();
  bool IsOnLine(const GetTarget& target) const;

  // Proof for others, and sizes that mirrors claim (get_session_prove.cc).
  void OpenProof();
  bool DropLine(const GetLane& lane);
  bool EndIfLineIsVoid(uint64_t size);
  void ProveClaim();

  // What the provider holds (get_session_holds.cc).
  bool ProbeInstead(const GetLane& lane);
  void NoteLacks(const GetLane& lane);
  void AskWhatItHolds(const GetTarget& target);
  void OnObserved(Bytes bytes);
  void OnObservationEnd(const StreamEnd& end);
  void EndObservation(const std::optional<RangeSet>& groups);
  void FillIn(GetEnd& end) const;

  // Ending.
  void OnLaneEnded(GetLane& lane);
  void OnRefused(GetLane& lane);
  void OnMoved(const GetLane& lane);
  void OnNotHere(GetLane& lane);
  void TakeAsNotHere(GetEnd end, GetPart tail, bool fruitful);
  void AskByHash();
  void OnFirstByte();
  void Settle(GetEnd end);
  void SettleOrEnd();
  void ReportProgress(bool force);
  void UpdateTotals();

  const Deps deps_;
  const TransferId id_;
  const Kind kind_;
  const bool others_;  // others could take a part of it
  const GetOptions options_;
  Phase phase_ = Phase::kLooking;
  std::optional<GetEnd> end_;  // set when it is decided how it ends
  std::string note_;
  size_t storing_ = 0;  // answers the store owes
  struct {
    size_t count = 0;
    uint64_t bytes = 0;
  } small_;              // of these, those to small blobs
  bool paused_ = false;  // lanes wait until it owes fewer
  // Verified bytes and complete blobs at the last look.
  std::optional<std::pair<uint64_t, uint64_t>> held_before_;
  std::vector<Hash> to_finish_;  // held completely, but not finished

  // The line: what of it is this transfer's (without an order for less: all that is missing), what
  // is known to be held, and what of that was not told yet.
  std::optional<GetShare> share_;
  uint64_t share_total_ = 0;  // of the share, or of all there is, without what was given away
  RangeSet held_;
  RangeSet untold_;
  // Until the line is known: the last look, sizes that were proven since, and groups that came
  // since, by place.
  std::optional<Inventory> looked_;
  ProvenSizes sizes_;
  std::map<size_t, RangeSet> early_;
  bool sizes_asked_ = false;
  RangeSet to_prove_;          // groups that are to be asked for besides
  bool line_dropped_ = false;  // the provider contradicts the line that a mirror claimed

  // What the provider said that it holds, and what it does not have, on the line.
  RangeSet holds_;
  RangeSet holds_not_;
  RangeSet lacks_;
  // The stream on which it is asked what it holds of one blob.
  struct Observation {
    uint64_t stream = 0;
    GetTarget target;
    Bytes bytes;
  };
  std::optional<Observation> observation_;
  std::optional<GetTarget> to_observe_;  // when the line is known
  std::set<size_t> observed_;            // places

  // Of which transfers of other requests are to know.
  std::unique_ptr<Claims::User> claims_;  // null: nobody else gets anything, or it has ended
  uint64_t news_ = 0;                     // at the last look
  // Parts that are claimed and looked up in the store, since others got something meanwhile.
  struct Check {
    GetPart part;
    std::vector<std::optional<store::BlobInfo>> found;
    size_t owed = 0;
  };
  std::map<uint64_t, Check> checks_;
  uint64_t last_check_ = 0;
  Instant waiting_since_;  // in kWaiting
  bool freed_ = false;     // and the look is still to come
  // When it was hurried last, and how many groups were left then.
  struct Hurry {
    Hash hash;
    uint64_t left = 0;
    Instant at;
  };
  std::optional<Hurry> hurry_;

  std::optional<GetWork> work_;        // since the last look
  std::map<uint64_t, GetLane> lanes_;  // by stream; only in kReceiving
  uint64_t last_stream_ = 0;
  size_t lane_limit_;           // what the provider seems to allow
  size_t lanes_answering_ = 1;  // so many at once have been answered

  bool answered_ = false;  // a byte came, in answer to the way of asking that is used now
  bool by_hash_ = false;   // children are asked for by their hashes
  // Not answered with any byte, while nothing else was either: the root may be missing there.
  struct Unanswered {
    GetPart part;
    GetEnd end;
    GetPart tail;
  };
  std::vector<Unanswered> unanswered_;
  std::optional<GetEnd> not_here_;  // the first such end, for when everything else has been had
  size_t fruitless_ = 0;            // such ends in a row that brought nothing
  bool given_up_ = false;           // nothing more is asked for
  bool moved_ = false;              // streams ended so; it will look again

  GetProgress progress_;
  Instant last_report_;
};

}  // namespace blobd::transfer
