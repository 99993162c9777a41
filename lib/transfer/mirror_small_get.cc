#include "transfer/mirror_small_get.h"

#include <utility>

#include "blake3/hasher.h"

namespace blobd::transfer {
namespace {

using http::FetchEnd;
using schedule::Outcome;
using store::kGroupSize;

// The only one. No number of a MirrorGet's: what is told late is not for its fetch.
constexpr uint64_t kFetch = UINT64_MAX;

// Asking again, in another way, would be of no use.
bool IsFinal(FetchEnd::Kind kind) {
  switch (kind) {
    case FetchEnd::Kind::kNotHere:
    case FetchEnd::Kind::kEncoded:
    case FetchEnd::Kind::kTooLarge:
    case FetchEnd::Kind::kForbidden:
    case FetchEnd::Kind::kBusy:
    case FetchEnd::Kind::kStalled:
    case FetchEnd::Kind::kLocalFault:
      return true;
    case FetchEnd::Kind::kDone:
    case FetchEnd::Kind::kShort:
    case FetchEnd::Kind::kNoSuchPart:
    case FetchEnd::Kind::kChanged:
    case FetchEnd::Kind::kNoRanges:
    case FetchEnd::Kind::kWrongSize:
    case FetchEnd::Kind::kFailed:  // perhaps it does not like such a range
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
void MirrorSmallGet::Start(std::shared_ptr<MirrorPort> port, uint64_t max_size) {
  port_ = std::move(port);
  http::Ask ask;
  ask.end = kGroupSize;
  ask.max_size = max_size;
  progress_.state = GetState::kRequesting;
  port_->Open(kFetch, ask, std::nullopt);
}

void MirrorSmallGet::Stop() {
  if (phase_ != Phase::kStoring) End(Verdict::kEnded, {Outcome::kStopped, "stopped", {}});
}

void MirrorSmallGet::OnOpened(uint64_t) {}

void MirrorSmallGet::OnContent(uint64_t, const http::Content& content) {
  if (phase_ != Phase::kAsking) return;
  progress_.state = GetState::kReceiving;
  is_larger_ = content.entity.size && *content.entity.size > kGroupSize;
  if (is_larger_ && !content.entity.ranges) End(Verdict::kWrong);
}

void MirrorSmallGet::OnBytes(uint64_t, uint64_t, Bytes bytes) {
  port_->Consumed(kFetch, bytes.size());
  if (phase_ != Phase::kAsking) return;
  progress_.received_bytes += bytes.size();
  if (!is_larger_) content_.insert(content_.end(), bytes.begin(), bytes.end());
}

// A body of unknown length that ends before its range does looks cut off to the HTTP client.
void MirrorSmallGet::OnFetchEnd(uint64_t, const FetchEnd& end) {
  if (phase_ != Phase::kAsking) return;
  if (end.kind == FetchEnd::Kind::kSurplus) return End(Verdict::kOther);
  const bool all_came = end.kind == FetchEnd::Kind::kDone || end.kind == FetchEnd::Kind::kShort;
  if (all_came && !is_larger_ && content_.size() <= kGroupSize &&
      blake3::HashOf(content_) == hash_) {
    return Put();
  }
  if (!IsFinal(end.kind)) return End(Verdict::kWrong);
  GetEnd ended{http::OutcomeOf(end), end.reason, end.retry_after};
  ended.own_fault = schedule::OwnFault::kNetwork;  // no route, or no socket
  End(Verdict::kEnded, std::move(ended));
}

void MirrorSmallGet::Put() {
  phase_ = Phase::kStoring;
  progress_.moved_bytes = progress_.claimed_bytes = content_.size();
  progress_.total_bytes = content_.size();
  store_.PutSmall(hash_, std::exchange(content_, {}), *strand_,
                  [self = shared_from_this()](const Status& status) { self->OnPut(status); });
  fetched_();
}

void MirrorSmallGet::OnPut(const Status& status) {
  if (!status.ok()) return End(Verdict::kEnded, {Outcome::kLocalFault, Message(status), {}});
  progress_.verified_bytes = progress_.moved_bytes;
  progress_.arrived = RangeSet(Range{0, 1});
  End(Verdict::kEnded, {Outcome::kDone, "", {}});
}

void MirrorSmallGet::End(Verdict verdict, GetEnd end) {
  if (std::exchange(phase_, Phase::kOver) == Phase::kOver) return;
  port_->Stop(kFetch);
  strand_->Post([self = shared_from_this(), verdict, end = std::move(end)] {
    std::exchange(self->done_, {})(verdict, end);
  });
}

}  // namespace blobd::transfer
