// The line of a request: where this transfer's share of it lies, what of it is held, and how its
// limit is lowered. See get_session.h.
#include <algorithm>
#include <utility>

#include "bao/tree.h"
#include "transfer/get_session.h"

namespace blobd::transfer {
namespace {

// A line of more children than these is not worth its memory: whoever is first gets them all.
constexpr size_t kMostPlaces = 1'000'000;

}  // namespace

// The root of a sequence is not: it comes before there is a line.
bool GetSession::IsOnLine(const GetTarget& target) const {
  return target.blob_index != 0 || kind_.format == BlobFormat::kRaw;
}

Places GetSession::PlacesToLookAt() const {
  if (!share_) return {};
  const auto [first, end] = share_->layout->PlacesIn(share_->range);
  return {first, end};
}

// After a look: the store's word counts, also where something was taken back.
void GetSession::TakeStock(const Inventory& inventory) {
  if (!share_ || inventory.needs_root()) return;
  const GetLayout& layout = *share_->layout;
  held_.Remove(share_->range);
  if (kind_.format == BlobFormat::kRaw) NoteHeld(HeldOnLine(layout, 0, inventory.root));
  RangeSet line;
  for (const Inventory::Child& child : inventory.children) {
    line.InsertAll(HeldOnLine(layout, child.place, child.blob));
  }
  NoteHeld(line);
}

// Keeps what is needed to lay out the line, if it is to be known.
void GetSession::SeekContent(const Inventory& inventory) {
  if (share_) return;
  const bool is_raw = kind_.format == BlobFormat::kRaw;
  if (!is_raw && (inventory.needs_root() || inventory.children.size() > kMostPlaces)) return;
  if (is_raw || others_ || AllSizesKnown(inventory)) looked_ = inventory;
}

// The line is known: all of it that is missing is ours, until somebody takes a part.
void GetSession::TellContent() {
  if (share_ || !looked_) return;
  const Inventory inventory = *std::exchange(looked_, std::nullopt);
  auto layout = LayoutOf(inventory, sizes_);
  if (!layout) return;
  if (kind_.format == BlobFormat::kRaw) {
    held_ = HeldOnLine(*layout, 0, inventory.root);
  }
  for (const Inventory::Child& child : inventory.children) {
    held_.InsertAll(HeldOnLine(*layout, child.place, child.blob));
  }
  for (const auto& [place, groups] : early_) {
    if (groups == RangeSet::All()) held_.Insert(layout->RangeOf(place));
    if (layout->exact[place]) held_.InsertAll(layout->ToLine(place, groups));
  }
  early_.clear();
  GetContent content;
  content.missing = held_.Missing({0, layout->length});
  if (content.missing.empty()) return;  // it is about to end
  // What was found until now is told before, by the old count.
  ReportProgress(true);
  content.total_bytes = layout->content_bytes;
  if (content.total_bytes && kind_.format == BlobFormat::kHashSeq)
    *content.total_bytes += inventory.root.size;
  content.layout = std::make_shared<const GetLayout>(*std::move(layout));
  share_total_ = content.total_bytes.value_or(content.layout->length);
  share_ = GetShare{content.layout,
                    {content.missing.ranges().front().begin, content.missing.ranges().back().end}};
  work_->Narrow(*share_);
  deps_.observer->OnContent(id_, content);
  OpenProof();
  if (to_observe_) AskWhatItHolds(*std::exchange(to_observe_, std::nullopt));
}

void GetSession::NoteGroups(const GetTarget& target, const RangeSet& groups) {
  if (!IsOnLine(target)) return;
  if (!share_) {
    if (looked_) early_[target.place].InsertAll(groups);
  } else if (share_->layout->exact[target.place]) {
    NoteHeld(share_->layout->ToLine(target.place, groups));
  }
}

// All of it is held.
void GetSession::NoteBlob(const GetTarget& target) {
  if (!IsOnLine(target)) return;
  if (!share_) {
    if (looked_) early_[target.place] = RangeSet::All();
  } else {
    NoteHeld(RangeSet(share_->layout->RangeOf(target.place)));
  }
}

void GetSession::NoteHeld(const RangeSet& line) {
  RangeSet fresh = line;
  fresh.RemoveAll(held_);
  untold_.InsertAll(fresh);
  held_.InsertAll(fresh);
}

uint64_t GetSession::Position() const {
  const RangeSet missing = held_.Missing(share_->range);
  return missing.empty() ? share_->range.end : missing.ranges().front().begin;
}

void GetSession::LowerLimit(uint64_t boundary) {
  if (phase_ == Phase::kEnded) return;
  const bool can = share_ && !end_;
  const uint64_t accepted =
      can ? share_->layout->BoundaryFrom(std::max(boundary, Position())) : UINT64_MAX;
  if (!can || accepted >= share_->range.end) return deps_.observer->OnBoundary(id_, UINT64_MAX);
  share_total_ -= std::min(share_total_, share_->range.end - accepted);
  share_->range.end = accepted;
  held_before_.reset();
  if (work_) work_->Narrow(*share_);
  deps_.observer->OnBoundary(id_, accepted);
  if (phase_ == Phase::kWaiting) return LookAgain();
  if (phase_ != Phase::kReceiving) return;
  CutLanes();
  DriveAll();
  GoOn();
}

// Lanes behind the limit are closed, those across it end there.
void GetSession::CutLanes() {
  for (auto it = lanes_.begin(); it != lanes_.end();) {
    GetLane& lane = (it++)->second;
    if (lane.part().is_proof) continue;
    const auto& targets = lane.part().targets;
    size_t kept = lane.number_of_target();
    Range groups;
    for (; kept < targets.size(); ++kept) {
      const Range wanted = share_->layout->GroupsIn(targets[kept].place, share_->range);
      const Range chunks = {
          0, wanted.end == RangeSet::kOpenEnd ? wanted.end : wanted.end * bao::kGroupChunks};
      if (wanted.empty() || !targets[kept].wanted.chunks().Intersects(chunks)) break;
      groups = wanted;
    }
    if (kept == lane.number_of_target()) {
      CloseLane(lane);
      continue;
    }
    const size_t last = targets[kept - 1].place;
    const bool whole = share_->layout->RangeOf(last).end <= share_->range.end;
    const uint64_t end = whole ? RangeSet::kOpenEnd : groups.end;
    Release(lane, kept - 1, end);
    lane.Cut(kept, end);
  }
}

}  // namespace blobd::transfer
