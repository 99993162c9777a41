// What transfers of other requests are getting of the same blobs: it is not asked for a second
// time, and waited for when nothing else is left. See get_session.h and claims.h.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "transfer/get_end.h"
#include "transfer/get_session.h"

namespace blobd::transfer {
namespace {

using store::kGroupSize;

// Nobody waits longer without saying so to those who hold it up.
constexpr Duration kPatience = seconds(3);
// What comes sooner than this may be waited for; what comes later than that is got twice rather.
constexpr Duration kSoon = seconds(10);
constexpr Duration kTooLate = seconds(30);
// Who is hurried is asked about once a second; what was before that tells nothing of its rate.
constexpr Duration kHurryMemory = seconds(5);
// The most of one blob that may be got twice: what a first request asks for, which cannot be cut.
constexpr uint64_t kMostTwice = (8 << 20) / kGroupSize;
// Neither part of a request that is cut is smaller.
constexpr uint64_t kLeastCut = (1 << 20) / kGroupSize;
// A look at more children than these is worth waiting until more has come.
constexpr uint64_t kManyBlobs = 4096;

// What has not come of the lane's target.
RangeSet MissingOf(const GetLane& lane) {
  return lane.MissingGroups().Intersection(GroupsOf(lane.target()));
}

// Of all that the lane is to bring, if the blob is among it.
uint64_t LeftOf(const GetLane& lane, const Hash& hash) {
  const auto& targets = lane.part().targets;
  const size_t current = lane.number_of_target();
  const auto first = targets.begin() + static_cast<ptrdiff_t>(current);
  const bool has_it = std::any_of(first, targets.end(),
                                  [&](const GetTarget& target) { return target.hash == hash; });
  if (!has_it || lane.part().only_sizes) return 0;
  uint64_t left = MissingOf(lane).Count();
  for (size_t i = current + 1; i < targets.size(); ++i) left += GroupsOf(targets[i]).Count();
  return left;
}

// Groups of a lane's target that are still ours: what was cut off may be another lane's by now.
RangeSet ClaimedOf(const GetLane& lane, size_t number) {
  const auto& targets = lane.part().targets;
  const RangeSet groups = GroupsOf(targets[number]);
  return number + 1 == targets.size() ? groups.Intersection(Range{0, lane.cut_end()}) : groups;
}

RangeSet Behind(const RangeSet& groups, uint64_t begin) {
  return groups.Intersection(Range{begin, RangeSet::kOpenEnd});
}

}  // namespace

void GetSession::JoinClaims() {
  if (deps_.claims == nullptr) return;
  Claims::Callbacks callbacks;
  const auto strand = deps_.strand;
  callbacks.freed = [weak = weak_from_this(), strand] {
    strand->Post([weak] {
      if (const auto self = weak.lock()) self->OnFreed();
    });
  };
  callbacks.hurried = [weak = weak_from_this(), strand](const Hash& hash) {
    strand->Post([weak, hash] {
      if (const auto self = weak.lock()) self->OnHurried(hash);
    });
  };
  claims_ = deps_.claims->Join(kind_, std::move(callbacks));
}

// The next part that nobody else is getting, claimed.
std::optional<GetPart> GetSession::NextPart() {
  if (!claims_) return work_->Next();
  Claims::Turn turn(*claims_);
  auto part = work_->Next([&turn](const Hash& hash) { return turn.Others(hash); });
  if (part) {
    for (const GetTarget& target : part->targets) turn.Take(target.hash, GroupsOf(target));
  } else if (work_->left_out()) {
    (void)turn.WaitFor(*work_->left_out());
  }
  return part;
}

// ---- What others got since the last look ----

void GetSession::CheckPart(GetPart part) {
  const uint64_t number = ++last_check_;
  std::vector<Hash> hashes;
  for (const GetTarget& target : part.targets) hashes.push_back(target.hash);
  Check& check = checks_[number];
  check.owed = hashes.size();
  check.found.resize(hashes.size());
  check.part = std::move(part);
  ++storing_;
  deps_.store.LookupMany(std::move(hashes), *deps_.strand,
                         [self = shared_from_this(), number,
                          owed = check.owed](const std::vector<store::LookedUp>& found) mutable {
                           owed -= found.size();
                           if (owed == 0) --self->storing_;
                           self->OnChecked(number, found);
                         });
}

void GetSession::OnChecked(uint64_t number, const std::vector<store::LookedUp>& found) {
  const auto it = checks_.find(number);
  if (end_ || it == checks_.end()) return SettleOrEnd();
  Check& check = it->second;
  for (const store::LookedUp& each : found) {
    // What the store cannot say now is asked for as it was to be.
    if (each.info.ok()) check.found[each.index] = *each.info;
  }
  check.owed -= found.size();
  if (check.owed > 0) return;
  GetPart part = std::move(check.part);
  size_t index = 0;
  std::erase_if(part.targets, [&](GetTarget& target) {
    const auto& blob = check.found[index++];
    return blob && !TrimToMissing(target, *blob);
  });
  checks_.erase(it);
  OpenChecked(std::move(part));
}

// The share may have become smaller meanwhile.
void GetSession::OpenChecked(GetPart part) {
  if (!part.targets.empty()) {
    const GetPart whole = part;
    part = work_->Trim(std::move(part));
    for (const GetTarget& target : whole.targets) {
      const auto kept =
          std::find_if(part.targets.begin(), part.targets.end(),
                       [&](const GetTarget& each) { return each.blob == target.blob; });
      RangeSet cut = GroupsOf(target);
      if (kept != part.targets.end()) cut.RemoveAll(GroupsOf(*kept));
      if (!cut.empty()) claims_->Release(target.hash, cut);
    }
  }
  if (!part.targets.empty()) OpenLane(std::move(part));
  GoOn();
}

// Of the target, what the store still lacks. False if that is nothing, or not known.
bool GetSession::TrimToMissing(GetTarget& target, const store::BlobInfo& blob) {
  const RangeSet wanted = GroupsOf(target);
  const RangeSet held = wanted.Intersection(blob.groups);
  if (blob.state == store::BlobState::kComplete) {
    work_->Drop(target);
    NoteBlob(target);
  } else if (held.empty()) {
    return true;
  } else if (target.size) {
    target.untouched = false;
    work_->LeaveOut(target, blob.groups);
    NoteGroups(target, blob.groups);
    claims_->Release(target.hash, held);
    RangeSet chunks = target.wanted.chunks();
    for (const Range& range : held.ranges())
      chunks.Remove({range.begin * bao::kGroupChunks, range.end * bao::kGroupChunks});
    const bool last_chunk = target.wanted.last_chunk();
    target.wanted = {std::move(chunks), last_chunk};
    if (!target.wanted.empty()) return true;
  }
  // What is left of one whose size was not known is for the next look to find.
  (void)work_->Answered(target);
  claims_->Release(target.hash, wanted);
  return false;
}

// ---- What we claim ----

void GetSession::GotGroups(const Hash& hash, const RangeSet& groups) {
  if (claims_) claims_->Got(hash, groups);
}

void GetSession::ReleaseTarget(const GetTarget& target) {
  if (claims_) claims_->Release(target.hash, GroupsOf(target));
}

void GetSession::ReleaseAnswered(const GetLane& lane) {
  if (claims_ && !lane.part().only_sizes)
    claims_->Release(lane.target().hash, ClaimedOf(lane, lane.number_of_target()));
}

// The lane brings nothing more from the group `begin` of its target `number` on.
void GetSession::Release(const GetLane& lane, size_t number, uint64_t begin) {
  if (!claims_ || lane.part().only_sizes) return;
  const auto& targets = lane.part().targets;
  for (size_t i = number; i < targets.size(); ++i) {
    const RangeSet groups = ClaimedOf(lane, i);
    claims_->Release(targets[i].hash, i == number ? Behind(groups, begin) : groups);
  }
}

// ---- Waiting ----

void GetSession::WaitForOthers() {
  bool waits = false;
  if (claims_) {
    Claims::Turn turn(*claims_);
    waits = turn.WaitFor(*work_->left_out());
  }
  if (!waits) return LookAgain();
  if (phase_ != Phase::kWaiting) waiting_since_ = deps_.clock.Now();
  phase_ = Phase::kWaiting;
  progress_.state = GetState::kWaiting;
  ReportProgress(true);
}

void GetSession::OnFreed() {
  if (phase_ == Phase::kReceiving) return OpenLanes();
  if (phase_ != Phase::kWaiting) return;
  freed_ = progress_.total_blobs > kManyBlobs;
  if (!freed_) LookAgain();
}

// That nothing came meanwhile is not the provider's doing.
void GetSession::LookAgain() {
  freed_ = false;
  held_before_.reset();
  phase_ = Phase::kSettling;
  SettleOrEnd();
}

void GetSession::BeatWaiting() {
  if (freed_) return LookAgain();
  if (deps_.clock.Now() - waiting_since_ >= kPatience) claims_->Hurry(*work_->left_out());
}

void GetSession::OnConnectionEnd(const StreamEnd& end) {
  if (phase_ == Phase::kWaiting) Settle(EndOfStream(end));
}

// ---- Being waited for ----

// If it takes too long, the longest of our requests for the blob is cut; what cannot be cut and
// takes still longer is left open to be got twice.
void GetSession::OnHurried(const Hash& hash) {
  if (phase_ != Phase::kReceiving || !claims_) return;
  GetLane* longest = nullptr;
  uint64_t most = 0;
  uint64_t all = 0;
  for (auto& [stream, lane] : lanes_) {
    const uint64_t left = LeftOf(lane, hash);
    all += left;
    if (left <= most) continue;
    most = left;
    longest = &lane;
  }
  if (longest == nullptr) return;
  const Duration expected = ExpectedOf(hash, all);
  if (expected <= kSoon) return;
  if (GiveAway(*longest)) return hurry_.reset();  // what was given away did not come
  if (expected > kTooLate && all <= kMostTwice) claims_->LeaveOpen(hash);
}

// When all of it will have come, judged by what came since it was hurried last.
Duration GetSession::ExpectedOf(const Hash& hash, uint64_t left) {
  const Instant now = deps_.clock.Now();
  const std::optional<Hurry> before = std::exchange(hurry_, Hurry{hash, left, now});
  if (!before || before->hash != hash || now - before->at > kHurryMemory) return Duration(0);
  if (before->left <= left) return now == before->at ? Duration(0) : Duration::max();
  const double groups = static_cast<double>(before->left - left);
  const double seconds_each = std::chrono::duration<double>(now - before->at).count() / groups;
  const std::chrono::duration<double> expected(seconds_each * static_cast<double>(left));
  return expected > hours(1) ? Duration::max() : std::chrono::duration_cast<Duration>(expected);
}

// Half of what the lane has not brought, if it can be cut there; as parts are (LowerLimit), it is
// not asked for anew, but ends sooner. False if it cannot.
bool GetSession::GiveAway(GetLane& lane) {
  const size_t current = lane.number_of_target();
  const size_t behind = lane.part().targets.size() - current - 1;
  size_t kept = current + 1 + behind / 2;
  uint64_t end = RangeSet::kOpenEnd;
  if (behind > 0) {
    const auto& targets = lane.part().targets;
    work_->PutBack({{targets.begin() + static_cast<ptrdiff_t>(kept), targets.end()}});
  } else {
    RangeSet missing = MissingOf(lane);
    if (!work_->IsSegment(lane.target()) || missing.Count() < 2 * kLeastCut) return false;
    uint64_t left = missing.Count() / 2;
    for (const Range& range : missing.ranges()) {
      end = range.begin + std::min(left, range.size());
      left -= std::min(left, range.size());
      if (left == 0) break;
    }
    work_->GiveBack(lane.target(), Behind(missing, end));
  }
  // First its claims, so that who waits is woken when there is something to take.
  Release(lane, kept - 1, end);
  lane.Cut(kept, end);
  Drive(lane);
  return true;
}

}  // namespace blobd::transfer
