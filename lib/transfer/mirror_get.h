// MirrorGet: one blob from one URL, in one transfer: what is wanted of it is cut into runs of chunk
// groups, each brought by a fetch of its own (a lane). When an origin may have another connection
// is the HTTP client's to say; lanes wait there for their turn.
//
//   kOpening --blob open--> kProbing --the server's answer--> kGetting --all came--> kSettling
//      |                        |                                |  ^------ discarded ----'  |
//      `------------------------+---- error, verdict, stop ------+----------- stored --------+-->
//      over
//
// The probe is one fetch to the end of the file; from its answer it is known whether the server
// sends parts, and how large the file is said to be. Then the run that would end last is halved as
// long as lanes are allowed and both halves are worth it. Without parts there is one stream, and
// after a break it begins anew. Of a file whose size nobody says, one get brings all, and others
// wait for that without a connection (mirror_get_stream.cc).
//
// Beside them, the outboard is asked for that the server may have: it proves parts as they come.
//
// A lane that fails while others deliver leaves its run to them, and there is one lane less for a
// minute, and no new one before the server is willing again.
//
// It may be given a share of the blob, whose end can be lowered while it runs
// (mirror_get_share.cc). Where others may take what is behind, lanes go through it in order, in
// runs of limited length, so that what has come lies together. When all of its share has come it
// waits for the proof if one is to be expected, and else ends.
//
// Thread:    the blob's strand. The observer is called there.
// Ownership: shared; the blob holds it weakly.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/range_set.h"
#include "base/time.h"
#include "transfer/mirror_blob.h"
#include "transfer/mirror_port.h"
#include "transfer/node_network.h"

namespace blobd::transfer {

struct MirrorGetOptions {
  size_t lanes = 8;
  uint64_t max_size = uint64_t{1} << 44;  // of the file
};

// What of the blob a get is for.
struct MirrorShare {
  Range groups = {0, RangeSet::kOpenEnd};
  std::optional<uint64_t> size = {};  // by which the share was cut
  bool others = false;                // that could take what is behind its position
};

// How far it is; see GetProgress.
struct MirrorGetProgress {
  GetState state = GetState::kWaiting;
  uint64_t received_bytes = 0;
  uint64_t verified_bytes = 0;
  uint64_t moved_bytes = 0;
  uint64_t unproven_bytes = 0;          // of the blob, whoever sent it
  uint64_t claimed_bytes = 0;           // the file's size; 0: not known
  std::optional<uint64_t> total_bytes;  // proven
  bool restarted = false;               // it began anew, since the server sends no parts
  bool takes_parts = false;             // the server sends parts
  // In groups: all of its share before this has come; what was verified since the last report; and
  // whose proof would help.
  uint64_t position = 0;
  RangeSet arrived;
  RangeSet proof_wanted;
};

class MirrorGetObserver {
 public:
  virtual ~MirrorGetObserver() = default;
  virtual void OnProgress(const MirrorGetProgress& progress) = 0;
  // The answer to LowerEnd: the group at which its share ends now; kOpenEnd: where it did.
  virtual void OnBoundary(uint64_t group) = 0;
  // The last call, once. `blob_over`: the MirrorBlob is of no further use.
  virtual void OnEnded(const MirrorGetProgress& progress, const GetEnd& end, bool blob_over) = 0;
};

class MirrorGet final : public MirrorReceiver,
                        public MirrorBlobUser,
                        public std::enable_shared_from_this<MirrorGet> {
 public:
  struct Deps {
    std::shared_ptr<MirrorBlob> blob;
    std::shared_ptr<MirrorPort> port;
    std::shared_ptr<MirrorGetObserver> observer;
    const Clock& clock;
  };

  // `provider`: as it was named, if `url` was made from a template.
  MirrorGet(Deps deps, std::string url, std::string provider, MirrorGetOptions options,
            MirrorShare share);

  void Start();
  void Stop();
  // Its share is to end at this group, or as soon behind it as it can.
  void LowerEnd(uint64_t group);
  // So many fetches at once from now on; surplus ones are the HTTP client's to end.
  void SetLanes(size_t lanes);
  // About once a second.
  void Beat();

  // MirrorReceiver
  void OnOpened(uint64_t fetch) override;
  void OnContent(uint64_t fetch, const http::Content& content) override;
  void OnBytes(uint64_t fetch, uint64_t offset, Bytes bytes) override;
  void OnFetchEnd(uint64_t fetch, const http::FetchEnd& end) override;
  // MirrorBlobUser
  void OnBlobChanged() override;
  void OnBlobComplete() override;
  void OnBlobFailed(const GetEnd& end) override;

 private:
  enum class Phase { kOpening, kProbing, kGetting, kSettling, kOver };
  struct Lane {
    Range groups;          // its run; open-ended until the size is known
    uint64_t at = 0;       // the group that comes next
    bool patient = false;  // it may wait until another connection is worth it
    bool opened = false;
    bool delivers = false;
    bool unsized = false;  // it brings all of a file of which nobody says the size

    Range rest() const { return {at, groups.end}; }
    // Until another connection is worth it, as far as we have heard.
    bool waits() const { return patient && !opened; }
  };
  // For the end of somebody else's stream.
  struct Waiting {
    uint64_t stream = 0;  // its number
    Instant since;
    uint64_t came = 0;  // bytes of it, by then
    uint32_t slow = 0;  // looks in a row that found it slow
  };

  void OnOpen(const Status& status);
  void Probe();
  void Plan();
  void PlanParts();
  void PlanStream();
  void GiveBack(uint64_t fetch, uint64_t bytes);
  void AskForSidecar();
  void OpenLane(Range groups, bool patient);
  void CloseLane(uint64_t fetch);
  void CloseLanes();
  bool Halve();
  void BeImpatient();
  // A file without a size (mirror_get_stream.cc).
  bool Streams() const;
  void OpenStream();
  void TakeStream(uint64_t fetch);
  void Wait();
  void WaitOn();
  bool IsSlow() const;
  // The share (mirror_get_share.cc).
  Range Segment(Range run) const;
  bool Shorten();
  void TakeBackWaiting();
  uint64_t LastGroup() const;
  uint64_t Position() const;
  void CutLanes();
  void EndIfHeld();
  void TellShare();
  bool IsFruitless(const Lane& lane, const http::FetchEnd& end) const;
  RangeSet Unassigned() const;
  size_t DeliveringLanes() const;
  bool AnyDelivers() const { return DeliveringLanes() > 0; }
  bool AllWait() const;  // also if there is none
  bool TakeSize(uint64_t size);
  void OnFailedLane(const http::FetchEnd& end);
  void AllowLanes(size_t lanes);
  void Hold(Duration wait);
  void EndForSize(const Status& status);
  void EndForWrite(const Status& status);
  http::Ask AskFor(Range groups) const;
  std::optional<http::Entity>& entity() const { return deps_.blob->EntityAt(source_); }
  uint64_t EndOf(uint64_t group) const;  // in bytes
  void Report(bool force);
  void End(const GetEnd& end);

  const Deps deps_;
  const std::string url_;
  const std::string provider_;
  MirrorGetOptions options_;
  MirrorShare share_;
  Phase phase_ = Phase::kOpening;
  bool stopped_ = false;
  bool joined_ = false;
  bao::SourceId source_ = 0;
  std::map<uint64_t, Lane> lanes_;  // by fetch
  uint64_t last_fetch_ = 0;
  size_t lanes_allowed_;
  Instant shrunk_at_;         // lanes_allowed_, or when it grew last
  Instant held_until_;        // no lane is opened before
  bool is_held_ = false;      // Beat is to plan when that has come
  uint64_t shorts_ = 0;       // bodies that broke off
  size_t lanes_reached_ = 0;  // so many delivered at once
  uint64_t sidecar_ = 0;      // its fetch; 0: none runs
  std::optional<Waiting> waiting_;
  MirrorGetProgress progress_;
  Instant last_report_;
  Instant last_change_;                // something came, or the blob had news
  RangeSet told_;                      // verified groups
  std::optional<Instant> held_since_;  // all of its share was there, and not verified
};

}  // namespace blobd::transfer
