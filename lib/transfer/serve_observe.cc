#include "transfer/serve_observe.h"

#include <utility>

#include "bao/tree.h"
#include "base/check.h"

namespace blobd::transfer {
namespace {

// An item of so many ranges fits every piece that may be asked for; the others follow as added.
constexpr size_t kRangesPerItem = 2000;

wire::ObserveItem ItemOf(const store::BlobInfo& info) {
  wire::ObserveItem item;
  if (info.is_private || info.state == store::BlobState::kAbsent) return item;
  item.size = info.size;
  if (info.state == store::BlobState::kComplete) {
    item.chunks = RangeSet::All();
    return item;
  }
  for (const Range& groups : info.groups.ranges()) {
    // That the last chunk is held is told by a set without end.
    const bool has_last_chunk = info.size_proven && groups.end >= bao::GroupCount(info.size);
    item.chunks.Insert({groups.begin * bao::kGroupChunks,
                        has_last_chunk ? RangeSet::kOpenEnd : groups.end * bao::kGroupChunks});
  }
  return item;
}

RangeSet FirstRanges(const RangeSet& set, size_t count) {
  if (set.ranges().size() <= count) return set;
  RangeSet first;
  for (size_t i = 0; i < count; ++i) first.Insert(set.ranges()[i]);
  return first;
}

}  // namespace

ServeObserve::ServeObserve(ServeContext context, const Hash& hash)
    : context_(std::move(context)), hash_(hash) {}

void ServeObserve::Produce(size_t /*limit*/) {
  if (phase_ == Phase::kEnded) return Deliver({}, Produced::Next::kFinish);
  phase_ = Phase::kAsked;
  if (is_known_) return Tell();
  // The watch may post one more time after its end, so the strand must live as long as it does.
  watch_ = context_.store.Watch(
      hash_, *context_.strand,
      [weak = weak_from_this(), strand = context_.strand](const store::BlobInfo& info) {
        if (const auto self = weak.lock()) self->OnState(info);
      });
}

void ServeObserve::Close() {
  watch_.reset();
  if (std::exchange(phase_, Phase::kEnded) == Phase::kAsked) Deliver({}, Produced::Next::kFinish);
}

void ServeObserve::OnState(const store::BlobInfo& info) {
  state_ = ItemOf(info);
  is_known_ = true;
  if (phase_ == Phase::kAsked) return Tell();
  if (phase_ != Phase::kIdle || state_ == told_) return;
  phase_ = Phase::kHasNews;
  context_.port->OnNews();
}

void ServeObserve::Tell() {
  RangeSet lost = told_.chunks;
  lost.RemoveAll(state_.chunks);
  if (!lost.empty()) {
    phase_ = Phase::kEnded;  // this may be a call of the watch, which therefore stays until Close
    return Deliver({}, Produced::Next::kFinish);
  }
  RangeSet added = state_.chunks;
  added.RemoveAll(told_.chunks);
  phase_ = Phase::kIdle;
  if (added.empty() && has_told_ && state_.size == told_.size)
    return Deliver({}, Produced::Next::kIdle);
  const wire::ObserveItem item{state_.size, FirstRanges(added, kRangesPerItem)};
  auto frame = wire::EncodeObserveFrame(item);
  BLOBD_CHECK(frame.ok());
  told_.size = item.size;
  told_.chunks.InsertAll(item.chunks);
  has_told_ = true;
  const bool is_all = told_.chunks == state_.chunks;
  Deliver(*std::move(frame), is_all ? Produced::Next::kIdle : Produced::Next::kMore);
}

void ServeObserve::Deliver(Bytes bytes, Produced::Next next) {
  Produced produced;
  produced.bytes = std::move(bytes);
  produced.next = next;
  produced.observes = true;
  context_.port->OnProduced(std::move(produced));
}

}  // namespace blobd::transfer
