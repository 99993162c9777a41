// GetSession: one transfer from a node, seen from the disk's side: it looks what is missing, asks
// for it, decodes and verifies what comes, and gives it to the store. The network's side is a
// GetStream (get_stream.h).
//
//   kLooking --plan--> kReceiving --all decoded--> kSettling --more is missing--> kLooking
//      |                   |                           `------nothing is missing--> kEnded (done)
//      `-------------------+--- error, end, stop --> kSettling -------------> kEnded (outcome)
//
// In kSettling it waits for what it gave to the store, so that a transfer has ended only when
// nothing of it is under way any more.
//
// Thread:    its strand only (one worker at a time). The port and the observer are called from
//            there.
// Ownership: shared; callbacks from the store keep it alive. Bytes are moved in.
// Memory:    what it holds unprocessed is bounded by the stream's receive window: credit is given
//            back only when bytes were verified and handed to the store.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bao/decoder.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "base/task.h"
#include "base/time.h"
#include "store/blob_store.h"
#include "transfer/get_plan.h"
#include "transfer/node_network.h"

namespace blobd::transfer {

// How the stream that answers a request ended. Every end but kFinished and kStopped is the
// provider's or the path's.
struct StreamEnd {
  enum class Kind {
    kFinished,  // FIN
    kReset,     // RESET_STREAM with `code`
    kLost,      // the connection is gone
    kRefused,   // the stream could not be opened
    kStalled,   // no byte for too long while we were ready to read
    kStopped,   // we closed the connection
  };
  Kind kind = Kind::kFinished;
  uint64_t code = 0;
  std::string reason;
};

// What the session asks of the network's side. Any thread; never blocks.
class GetPort {
 public:
  virtual ~GetPort() = default;
  // Opens stream number `stream` (counted by the session) and sends the request. Bytes and end come
  // back through OnBytes and OnStreamEnd with the same number.
  virtual void Open(uint64_t stream, Bytes request) = 0;
  virtual void Consumed(uint64_t stream, uint64_t bytes) = 0;
  // No more bytes of it are wanted.
  virtual void Stop(uint64_t stream) = 0;
};

class GetObserver {
 public:
  virtual ~GetObserver() = default;
  virtual void OnProgress(TransferId id, const GetProgress& progress) = 0;
  virtual void OnEnded(TransferId id, const GetProgress& progress, const GetEnd& end) = 0;
};

class GetSession : public std::enable_shared_from_this<GetSession>, private bao::DecodeSink {
 public:
  struct Deps {
    store::BlobStore& store;
    std::shared_ptr<Executor> strand;
    std::shared_ptr<GetPort> port;
    std::shared_ptr<GetObserver> observer;
    const Clock& clock;
  };

  GetSession(Deps deps, TransferId id, const Kind& kind);
  ~GetSession() override;

  // Each of these on the strand. Start once, first.
  void Start();
  void OnBytes(uint64_t stream, Bytes bytes);
  void OnStreamEnd(uint64_t stream, StreamEnd end);
  void Stop();

 private:
  enum class Phase { kLooking, kReceiving, kSettling, kEnded };

  // bao::DecodeSink
  void OnSize(uint64_t claimed) override;
  void OnLeaf(const bao::Leaf& leaf) override;

  void Look();
  void OnInventory(StatusOr<Inventory> inventory);
  void Ask(GetPlan plan);
  void BeginTarget();
  void Decode();
  bool DecodeSome(ByteView bytes, size_t* used);
  void OpenWriter();
  void FlushWrites();
  void FinishTarget();
  void FinishBlob(const std::shared_ptr<store::BlobWriter>& writer);
  void OnBlobStored(const Status& status);
  void FailDecoding();
  void StreamEndedEarly(const StreamEnd& end);
  void Settle(GetEnd end);
  void SettleOrEnd();
  void ReportProgress(bool force);
  void UpdateTotals();
  std::string TargetName() const;

  const Deps deps_;
  const TransferId id_;
  const Kind kind_;
  Phase phase_ = Phase::kLooking;
  bool stopped_ = false;
  std::optional<GetEnd> end_;  // set when it is decided how it ends
  size_t storing_ = 0;         // answers the store owes
  // Verified bytes and complete blobs at the last look.
  std::optional<std::pair<uint64_t, uint64_t>> held_before_;

  // The current request.
  GetPlan plan_;
  size_t target_ = 0;  // index of the blob being decoded
  std::optional<bao::Decoder> decoder_;
  size_t header_bytes_ = 0;  // of its size header, fed so far
  uint64_t stream_ = 0;      // number of the current stream; 0: none yet
  bool stream_open_ = false;
  std::optional<StreamEnd> stream_end_;  // arrived behind bytes that wait
  std::deque<Bytes> input_;
  size_t input_used_ = 0;  // of input_.front()

  // The current blob: either it is small and collected, or it has a writer.
  bool opening_ = false;  // the writer is on its way; decoding pauses
  bool small_ = false;
  Bytes small_content_;
  std::shared_ptr<store::BlobWriter>
      writer_;        // null for a small blob, and when somebody else completed it
  ByteView feeding_;  // what Feed was called with
  std::vector<store::VerifiedGroup> groups_;  // point into feeding_
  std::vector<store::OutboardPair> pairs_;
  Status write_status_;

  GetProgress progress_;
  uint64_t sizes_known_ = 0;     // sum of the sizes of all blobs whose size is proven or claimed
  uint64_t sizes_unknown_ = 0;   // blobs whose size nobody said yet
  uint64_t sizes_unproven_ = 0;  // blobs whose size is not proven
  Instant last_report_;
};

}  // namespace blobd::transfer
