#include "transfer/mirror_small_get.h"

#include <utility>

#include "blake3/hasher.h"

namespace blobd::transfer {
namespace {

using http::FetchEnd;
using schedule::Outcome;
using store::kGroupSize;

constexpr uint64_t kFetch = 1;  // the only one

// Asking again, in another way, would be of no use.
bool IsFinal(FetchEnd::Kind kind) {
  switch (kind) {
    case FetchEnd::Kind::kNotHere:
    case FetchEnd::Kind::kEncoded:
    case FetchEnd::Kind::kTooLarge:
    case FetchEnd::Kind::kForbidden:
    case FetchEnd::Kind::kBusy:
    case FetchEnd::Kind::kFailed:
    case FetchEnd::Kind::kStalled:
    case FetchEnd::Kind::kLocalFault:
      return true;
    case FetchEnd::Kind::kDone:
    case FetchEnd::Kind::kShort:
    case FetchEnd::Kind::kNoSuchPart:
    case FetchEnd::Kind::kChanged:
    case FetchEnd::Kind::kNoRanges:
    case FetchEnd::Kind::kWrongSize:
    case FetchEnd::Kind::kSurplus:
      return false;
  }
  return false;
}

}  // namespace

MirrorSmallGet::MirrorSmallGet(store::BlobStore& store, std::shared_ptr<Executor> strand,
                               const Hash& hash, Fetched fetched, Done done)
    : store_(store),
      strand_(std::move(strand)),
      hash_(hash),
      fetched_(std::move(fetched)),
      done_(std::move(done)) {}

// The first group alone: of a larger file no more is on its way, and the connection can be used
// again.
void MirrorSmallGet::Start(std::shared_ptr<MirrorPort> port) {
  port_ = std::move(port);
  http::Ask ask;
  ask.end = kGroupSize;
  port_->Open(kFetch, ask, std::nullopt);
}

void MirrorSmallGet::Stop() { End(GetEnd{Outcome::kStopped, "stopped", {}}); }

void MirrorSmallGet::OnOpened(uint64_t) {}

void MirrorSmallGet::OnContent(uint64_t, const http::Content& content) {
  if (phase_ != Phase::kAsking) return;
  is_larger_ = content.entity.size && *content.entity.size > kGroupSize;
  if (is_larger_ && !content.entity.ranges) End(std::nullopt);
}

void MirrorSmallGet::OnBytes(uint64_t, uint64_t, Bytes bytes) {
  progress_.received_bytes += bytes.size();
  port_->Consumed(kFetch, bytes.size());
  if (phase_ != Phase::kAsking || is_larger_) return;
  content_.insert(content_.end(), bytes.begin(), bytes.end());
}

void MirrorSmallGet::OnFetchEnd(uint64_t, const FetchEnd& end) {
  if (phase_ != Phase::kAsking) return;
  if (end.kind == FetchEnd::Kind::kDone && !is_larger_) return Put();
  if (!IsFinal(end.kind)) return End(std::nullopt);
  GetEnd ended{http::OutcomeOf(end), end.reason, end.retry_after};
  ended.own_fault = schedule::OwnFault::kNetwork;  // no route, or no socket
  End(std::move(ended));
}

void MirrorSmallGet::Put() {
  if (content_.size() > kGroupSize || blake3::HashOf(content_) != hash_) return End(std::nullopt);
  phase_ = Phase::kStoring;
  progress_.total_bytes = progress_.claimed_bytes = content_.size();
  store_.PutSmall(hash_, std::exchange(content_, {}), *strand_,
                  [self = shared_from_this()](const Status& status) { self->OnPut(status); });
  fetched_();
}

void MirrorSmallGet::OnPut(const Status& status) {
  if (phase_ != Phase::kStoring) return;
  if (!status.ok()) return End(GetEnd{Outcome::kLocalFault, Message(status), {}});
  progress_.verified_bytes = progress_.moved_bytes = progress_.claimed_bytes;
  progress_.position = 1;
  progress_.arrived = RangeSet(Range{0, 1});
  End(GetEnd{Outcome::kDone, "", {}});
}

void MirrorSmallGet::End(std::optional<GetEnd> end) {
  if (std::exchange(phase_, Phase::kOver) == Phase::kOver) return;
  if (port_ != nullptr) port_->Stop(kFetch);
  strand_->Post([self = shared_from_this(), end = std::move(end)]() mutable {
    std::exchange(self->done_, {})(self->progress_, std::move(end));
  });
}

}  // namespace blobd::transfer
