// The line of a request that is got from a mirror: where this transfer's share of it lies, and how
// its limit is lowered. See mirror_session.h.
#include <algorithm>

#include "transfer/mirror_session.h"

namespace blobd::transfer {
namespace {

// Two parts of the least size.
constexpr uint64_t kLeastShared = 6 << 20;

}  // namespace

// The mirror says how long the file is, and sends parts: others may take some.
void MirrorSession::TellContent(const MirrorGetProgress& progress) {
  if (share_) return;
  early_.InsertAll(progress.arrived);
  if (phase_ != Phase::kGetting || !progress.takes_parts) return;
  const uint64_t size = progress.total_bytes.value_or(progress.claimed_bytes);
  if (size < kLeastShared) return;
  GetContent content;
  const auto layout =
      std::make_shared<const GetLayout>(LayoutOfBlob(size, !progress.total_bytes.has_value()));
  held_ = layout->ToLine(0, early_);
  content.missing = held_.Missing({0, size});
  if (content.missing.empty()) return;  // it is about to end
  // What was found until now is told before, by the old count.
  Report(true);
  content.layout = layout;
  content.total_bytes = layout->content_bytes;
  share_ = GetShare{layout,
                    {content.missing.ranges().front().begin, content.missing.ranges().back().end}};
  deps_.observer->OnContent(id_, content);
}

// What of a child lies in the share and is missing.
std::optional<MirrorSession::Wish> MirrorSession::WishFor(const Inventory::Child& child) const {
  if (child.blob.state == store::BlobState::kComplete) return std::nullopt;
  const Range groups = share_->layout->GroupsIn(child.place, share_->range);
  if (groups.empty() || child.blob.groups.ContainsAll(groups)) return std::nullopt;
  const auto size = share_->layout->SizeOf(child.place);
  const Range whole = share_->layout->RangeOf(child.place);
  const bool is_all = share_->range.begin <= whole.begin && whole.end <= share_->range.end;
  Wish wish{child.blob.hash, child.place, {}, size.value_or(child.blob.size) > store::kGroupSize};
  if (size && !is_all) wish.share = {groups, size, true};
  return wish;
}

void MirrorSession::NoteArrived(const Wish& wish, const RangeSet& groups) {
  if (!share_ || !share_->layout->exact[wish.place] || groups.empty()) return;
  RangeSet fresh = share_->layout->ToLine(wish.place, groups);
  fresh.RemoveAll(held_);
  untold_.InsertAll(fresh);
  held_.InsertAll(fresh);
}

uint64_t MirrorSession::Position() const {
  if (kind_.format == BlobFormat::kRaw) {
    const uint64_t groups = gets_.empty() ? came_ : gets_.begin()->second.progress.position;
    const uint64_t line = std::min(groups, share_->layout->length / store::kGroupSize + 1);
    return std::clamp(line * store::kGroupSize, share_->range.begin, share_->range.end);
  }
  uint64_t position = share_->range.end;
  const auto keep = [&](const Wish& wish) {
    const uint64_t begin = share_->layout->RangeOf(wish.place).begin;
    position = std::min(position, std::max(begin, share_->range.begin));
  };
  for (const Wish& wish : missing_) keep(wish);
  for (const Wish& wish : ready_) keep(wish);
  if (unanswered_ > 0) std::for_each(looking_.begin(), looking_.end(), keep);
  for (const auto& [number, get] : gets_) {
    if (!get.dropped) keep(get.wish);
  }
  return position;
}

void MirrorSession::LowerLimit(uint64_t boundary) {
  if (phase_ == Phase::kEnded) return;
  const bool can = share_ && !end_ && phase_ == Phase::kGetting && !gets_.empty() && !lowering_;
  if (!can) return deps_.observer->OnBoundary(id_, UINT64_MAX);
  const GetLayout& layout = *share_->layout;
  const uint64_t wish = layout.BoundaryFrom(std::max(boundary, Position()));
  if (wish >= share_->range.end) return deps_.observer->OnBoundary(id_, UINT64_MAX);
  const size_t place = layout.PlacesIn({wish, wish + 1}).first;
  const Range blob = layout.RangeOf(place);
  for (const auto& [number, get] : gets_) {
    if (get.wish.place != place || get.dropped || wish == blob.begin) continue;
    lowering_ = number;
    return deps_.gets->LowerBlob(number, (wish - blob.begin) / store::kGroupSize);
  }
  LowerTo(wish);
}

void MirrorSession::OnBlobBoundary(uint64_t number, uint64_t group) {
  if (lowering_ != number) return;
  lowering_.reset();
  if (phase_ == Phase::kEnded) return;
  const auto it = gets_.find(number);
  if (it == gets_.end() || end_) return deps_.observer->OnBoundary(id_, UINT64_MAX);
  const Range blob = share_->layout->RangeOf(it->second.wish.place);
  if (group == RangeSet::kOpenEnd) return LowerTo(std::min(blob.end, share_->range.end));
  it->second.wish.share.groups.end = group;
  LowerTo(std::min(blob.end, blob.begin + group * store::kGroupSize));
}

bool MirrorSession::IsBehind(const Wish& wish) const {
  return share_ && share_->layout->RangeOf(wish.place).begin >= share_->range.end;
}

// Children behind the limit are left to others.
void MirrorSession::LowerTo(uint64_t boundary) {
  if (boundary >= share_->range.end) return deps_.observer->OnBoundary(id_, UINT64_MAX);
  share_->range.end = boundary;
  const auto is_behind = [this](const Wish& wish) { return IsBehind(wish); };
  std::erase_if(missing_, is_behind);
  std::erase_if(ready_, is_behind);
  const auto cut = [&](Wish& wish) {
    if (share_->layout->RangeOf(wish.place).end <= boundary) return;
    wish.share = {share_->layout->GroupsIn(wish.place, share_->range),
                  share_->layout->SizeOf(wish.place), true};
  };
  std::for_each(missing_.begin(), missing_.end(), cut);
  std::for_each(ready_.begin(), ready_.end(), cut);
  std::for_each(looking_.begin(), looking_.end(), cut);
  for (auto& [number, get] : gets_) {
    if (kind_.format == BlobFormat::kRaw || get.dropped || !is_behind(get.wish)) continue;
    if (get.is_storing) continue;  // it is here
    get.dropped = true;
    StopGet(number, get);
  }
  held_before_.reset();
  deps_.observer->OnBoundary(id_, boundary);
}

}  // namespace blobd::transfer
