// A file of which no server says the size: one get brings all of it, others wait. See mirror_get.h.
#include <algorithm>

#include "base/units.h"
#include "transfer/mirror_get.h"

namespace blobd::transfer {
namespace {

using schedule::Outcome;

// A stream is looked at for so long before it is called slow. A request with other providers waits
// no longer, either.
constexpr Duration kLook = seconds(10);
// Less than a chunk group a second is slow.
constexpr uint64_t kSlow = 10 * store::kGroupSize;
// One that has brought more is not thrown away, unless it is slow for a minute.
constexpr uint64_t kMostThrownAway = 16 * kMiB;
constexpr uint32_t kLooksForMore = 6;

}  // namespace

// What runs brings all of the file, or is about to, and counts.
bool MirrorGet::Streams() const {
  if (lanes_.empty()) return false;
  const Lane& lane = lanes_.begin()->second;
  if (lane.unsized) return deps_.blob->Streams(this);
  return !entity()->ranges || lane.groups == Range{0, RangeSet::kOpenEnd};
}

void MirrorGet::OpenStream() {
  CloseLanes();
  if (deps_.blob->stream() != 0 && !deps_.blob->Streams(this)) return Wait();
  waiting_.reset();
  OpenLane({0, RangeSet::kOpenEnd}, false);
}

// The server agreed to send it, and says no size. Only now it is taken from others: who waits for a
// connection holds nobody up.
void MirrorGet::TakeStream(uint64_t fetch) {
  Lane& lane = lanes_.at(fetch);
  if (lane.groups.begin != 0) return OpenStream();
  // While we were connected it may have caught up.
  const bool overtakes = waiting_ && IsSlow();
  lane.unsized = deps_.blob->BeginUnsized(this, overtakes ? waiting_->stream : 0);
  if (!lane.unsized) {
    CloseLanes();
    return Wait();
  }
  waiting_.reset();
}

void MirrorGet::Wait() {
  progress_.state = GetState::kWaiting;
  if (waiting_ && waiting_->stream == deps_.blob->stream()) return;
  waiting_ = Waiting{deps_.blob->stream(), deps_.clock.Now(), deps_.blob->unproven_bytes()};
}

// What is waited for, at the end of a look.
bool MirrorGet::IsSlow() const {
  const uint64_t came = deps_.blob->unproven_bytes();
  const auto looks = static_cast<uint64_t>((deps_.clock.Now() - waiting_->since) / kLook);
  if (came >= waiting_->came + std::max<uint64_t>(looks, 1) * kSlow) return false;
  return came < kMostThrownAway || waiting_->slow + 1 >= kLooksForMore;
}

// About once a second.
void MirrorGet::WaitOn() {
  const MirrorBlob& blob = *deps_.blob;
  if (blob.size()) return waiting_.reset();
  if (!lanes_.empty()) return;  // it is about to overtake
  if (blob.stream() != waiting_->stream) return OpenStream();
  const Instant now = deps_.clock.Now();
  if (now - waiting_->since < kLook) return;
  if (IsSlow() && blob.MayOvertake(this)) return OpenLane({0, RangeSet::kOpenEnd}, false);
  if (share_.others) {
    return End(
        {Outcome::kBusy, "another mirror sends the file, of which neither says the size", {}});
  }
  const uint64_t came = blob.unproven_bytes();
  waiting_->slow = came < waiting_->came + kSlow ? waiting_->slow + 1 : 0;
  waiting_->since = now;
  waiting_->came = came;
}

}  // namespace blobd::transfer
