// MirrorSession: one transfer from a mirror: the one blob of its URL or, where the URL has `{hash}`
// in it, any blob, and so a hash sequence: its list first, then the children it names, several at
// once. Each blob is the work of a MirrorGet (mirror_get.h), on a strand of its own; or, where
// small blobs are to be expected, of a MirrorSmallGet (mirror_small_get.h) on the session's.
//
//   kLooking --missing--> kGetting --all gets ended--> kLooking, until nothing is missing -->
//   kEnded
//      `----------------------+------ error, stop ------> kStopping --all gets ended--> kEnded
//
// What the mirror lacks of the children is said at the end; the others are got all the same.
//
// It may be given a share of its request's line (get_layout.h). Of one blob it finds the line out
// itself, as soon as the server has said how long the file is and that it sends parts; that is a
// claim (GetLayout::is_claim). From then on its limit can be lowered (mirror_session_share.cc).
//
// Thread:    its strand only. Port and observer are called from there.
// Ownership: shared; callbacks from the store keep it alive.
// Memory:    the missing children, and of small ones what has come and is not stored yet.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "base/task.h"
#include "http/url.h"
#include "store/blob_store.h"
#include "transfer/get_session.h"
#include "transfer/inventory.h"
#include "transfer/mirror_get.h"
#include "transfer/mirror_port.h"
#include "transfer/mirror_small_get.h"

namespace blobd::transfer {

// Starts and stops the gets of a session. Any thread; never calls back from within a call.
class MirrorGets {
 public:
  virtual ~MirrorGets() = default;
  // Answered with OnBlobProgress and one OnBlobEnded of that number.
  virtual void GetBlob(uint64_t number, const Hash& hash, const http::Url& url,
                       const std::string& provider, uint64_t max_size,
                       const MirrorShare& share) = 0;
  // Answered with OnBlobBoundary, unless it has ended.
  virtual void LowerBlob(uint64_t number, uint64_t group) = 0;
  virtual void StopBlob(uint64_t number) = 0;
  // The fetches by which the session gets a blob itself; it hears of them on its strand. Until
  // CloseFetches nobody else here gets the blob: who wants to waits. While somebody does there are
  // none: one ends as kSurplus, unasked. The number may be used for GetBlob afterwards.
  virtual std::shared_ptr<MirrorPort> OpenFetches(uint64_t number, const Hash& hash,
                                                  const http::Url& url,
                                                  std::shared_ptr<MirrorReceiver> receiver) = 0;
  virtual void CloseFetches(uint64_t number) = 0;
};

class MirrorSession final : public std::enable_shared_from_this<MirrorSession> {
 public:
  struct Deps {
    store::BlobStore& store;
    std::shared_ptr<Executor> strand;
    std::shared_ptr<MirrorGets> gets;
    std::shared_ptr<GetObserver> observer;
    const Clock& clock;
  };

  MirrorSession(Deps deps, TransferId id, std::string url, const GetOrder& order,
                const SizeLimits& limits);

  void Start();
  void Stop();
  void LowerLimit(uint64_t boundary);
  void OnBlobProgress(uint64_t number, const MirrorGetProgress& progress);
  void OnBlobBoundary(uint64_t number, uint64_t group);
  void OnBlobEnded(uint64_t number, const MirrorGetProgress& progress, const GetEnd& end);

 private:
  enum class Phase { kLooking, kGetting, kStopping, kEnded };
  struct Wish {
    Hash hash;
    size_t place = 0;  // on the line
    MirrorShare share;
    bool is_large = false;  // no small blob, as far as the store or the line knows
  };
  struct Get {
    Wish wish;
    MirrorGetProgress progress;
    bool dropped = false;                   // it is behind the limit now
    std::shared_ptr<MirrorSmallGet> small;  // null: it is a MirrorGet
    bool is_storing = false;                // a small one, all of which has come
  };

  StatusOr<http::Url> UrlOf(const Hash& hash) const;
  uint64_t MaxSizeOf(const Hash& hash) const;
  void Look();
  void OnInventory(StatusOr<Inventory> inventory);
  void StartMore();
  void GoOn();
  // Children that are expected to be small are looked up shortly before they are asked for: since
  // the inventory others may have brought them.
  void LookAhead();
  void OnLookedUp(const std::vector<store::LookedUp>& some);
  void StartGet(const Wish& wish);
  bool MayStart() const;
  bool ExpectsSmall(const Wish& wish) const;
  void OnSmallFetched(uint64_t number);
  void OnSmallEnded(uint64_t number, MirrorSmallGet::Verdict verdict, const GetEnd& end);
  void StopGet(uint64_t number, const Get& get);
  // The line.
  std::optional<Wish> WishFor(const Inventory::Child& child) const;
  void TellContent(const MirrorGetProgress& progress);
  void NoteArrived(const Wish& wish, const RangeSet& groups);
  uint64_t Position() const;
  bool IsBehind(const Wish& wish) const;
  void LowerTo(uint64_t boundary);
  bool IsLackOfChild(const Hash& hash, schedule::Outcome outcome) const;
  void Settle(GetEnd end);
  void EndIfIdle();
  void Report(bool force);

  const Deps deps_;
  const TransferId id_;
  const std::string url_;
  const Kind kind_;
  const bool others_;
  const SizeLimits limits_;
  std::optional<GetShare> share_;
  RangeSet early_;     // of the one blob: what was verified before the line was known
  RangeSet held_;      // of the line: verified
  RangeSet untold_;    // of that, what was not told yet
  uint64_t came_ = 0;  // of the one blob: all of the share before this has come
  std::optional<uint64_t> lowering_;  // the get that was asked to end earlier
  Phase phase_ = Phase::kLooking;
  std::optional<GetEnd> end_;
  std::optional<GetEnd> lacks_;  // the first child that it does not have
  // Verified bytes and complete blobs at the last look.
  std::optional<std::pair<uint64_t, uint64_t>> held_before_;
  std::deque<Wish> missing_;
  std::vector<Wish> looking_;  // taken from the front of `missing_`, to be looked up
  size_t unanswered_ = 0;      // of these
  std::deque<Wish> ready_;     // of these, those that are still missing: they come first
  std::map<uint64_t, Get> gets_;
  uint64_t last_number_ = 0;
  // Small ones that need no connection any more.
  size_t storing_ = 0;
  uint64_t storing_bytes_ = 0;
  size_t small_in_a_row_ = 0;  // of the children that ended last
  size_t small_needed_;        // in a row, before the next one is expected to be small
  MirrorGetProgress ended_;    // the sum of the gets that have ended
  GetProgress progress_;
  Instant last_report_;
};

}  // namespace blobd::transfer
