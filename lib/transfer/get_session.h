// GetSession: one transfer from a node, seen from the disk's side: it looks what is missing, asks
// for it on several streams, has what comes verified and written, and decides how it ends. What is
// asked for is cut by GetWork, each stream is read by a GetLane, and the network's side is
// GetStreams (get_streams.h).
//
//   kLooking --work--> kReceiving --all answered--> kSettling --more is missing--> kLooking
//      |                   |                           `------nothing is missing--> kEnded (done)
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
// Thread:    its strand only (one worker at a time). The port and the observer are called from
//            there.
// Ownership: shared; callbacks from the store keep it alive. Bytes are moved in.
// Memory:    what it holds unprocessed is bounded by the streams' receive windows: credit is given
//            back only when bytes were verified and handed to the store. Lanes, and GetWork.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/task.h"
#include "base/time.h"
#include "store/blob_store.h"
#include "transfer/get_lane.h"
#include "transfer/get_port.h"
#include "transfer/get_work.h"
#include "transfer/node_network.h"

namespace blobd::transfer {

class GetObserver {
 public:
  virtual ~GetObserver() = default;
  virtual void OnProgress(TransferId id, const GetProgress& progress) = 0;
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
  };

  // REQUIRES: options.lanes > 0
  GetSession(Deps deps, TransferId id, const Kind& kind, const GetOptions& options);
  ~GetSession() override;

  // Each of these on the strand. Start once, first.
  void Start();
  // GetReceiver
  void OnBytes(uint64_t stream, Bytes bytes) override;
  void OnStreamEnd(uint64_t stream, StreamEnd end) override;
  void Stop() override;

 private:
  enum class Phase { kLooking, kReceiving, kSettling, kEnded };

  // Looking.
  void Look();
  void OnInventory(StatusOr<Inventory> inventory);
  void FinishHeld();

  // Lanes.
  size_t LanesAllowed() const;
  void OpenLanes();
  void OpenLane(GetPart part);
  void CloseLane(const GetLane& lane);
  void GoOn();
  void Drive(GetLane& lane);
  void DriveAll();
  void SettleAccounts(GetLane& lane);
  bool CheckProof(GetLane& lane);
  bool Admit(GetLane& lane);
  bool OnAnswered(GetLane& lane);

  // Writing.
  void OpenWriter(const Hash& hash);
  void OnWriter(const Hash& hash, StatusOr<std::shared_ptr<store::BlobWriter>> writer);
  void FinishBlob(const std::shared_ptr<store::BlobWriter>& writer);
  void OnBlobStored(const Status& status);

  // Ending.
  void OnLaneEnded(GetLane& lane);
  void OnRefused(GetLane& lane);
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
  const GetOptions options_;
  Phase phase_ = Phase::kLooking;
  std::optional<GetEnd> end_;  // set when it is decided how it ends
  std::string note_;
  size_t storing_ = 0;   // answers the store owes
  bool paused_ = false;  // lanes wait until it owes fewer
  // Verified bytes and complete blobs at the last look.
  std::optional<std::pair<uint64_t, uint64_t>> held_before_;
  std::vector<Hash> to_finish_;  // held completely, but not finished

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

  GetProgress progress_;
  Instant last_report_;
};

}  // namespace blobd::transfer
