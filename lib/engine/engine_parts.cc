// Parts: one request in several transfers at once. See engine.h.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/engine.h"

namespace blobd::engine {

transfer::GetOrder Engine::OrderOf(const schedule::StartTransfer& effect) const {
  transfer::GetOrder order{effect.kind};
  const auto layout = contents_.LayoutOf(effect.kind, effect.request);
  if (effect.part) {
    // The scheduler heard of the line from us.
    BLOBD_CHECK(layout != nullptr);
    order.share = {layout, *effect.part};
  }
  const auto view = scheduler_->ViewOfKind(effect.kind);
  order.others = view && view->providers > 1;
  return order;
}

void Engine::ExecuteLowerLimit(const schedule::LowerLimit& effect) {
  LowerLimit(effect.transfer, effect.boundary);
}

void Engine::OnBoundary(TransferId id, uint64_t boundary) {
  Deliver(schedule::BoundaryAccepted{id, boundary});
}

void Engine::OnGetContent(TransferId id, const transfer::GetContent& content) {
  const auto it = running_.find(id);
  if (it == running_.end()) return;
  const Running& running = it->second;
  // One that is being stopped may still find out; whoever came after it will say so itself.
  const auto view = scheduler_->ViewOfKind(running.kind);
  const bool counts = view && view->id == running.request &&
                      std::count(view->transfers.begin(), view->transfers.end(), id) != 0;
  if (!counts || !contents_.Learn(running.kind, running.request, content)) return;
  if (const auto kind = kinds_.find(running.kind); kind != kinds_.end() && content.total_bytes) {
    kind->second.total_bytes = *content.total_bytes;
    CountBytes(kind->first, kind->second);
  }
  Deliver(ToEvent(running.request, content));
}

// What several transfers bring of one request is counted once, where its line is known; before
// that there is only one transfer.
void Engine::CountProgress(Running& running, const transfer::GetProgress& progress, uint64_t more) {
  const uint64_t stored =
      progress.stored_blobs - std::exchange(running.stored_blobs, progress.stored_blobs);
  const auto it = kinds_.find(running.kind);
  if (it == kinds_.end()) return;
  LiveKind& kind = it->second;
  if (running.is_mirror) kind.unproven_bytes = progress.unproven_bytes;
  if (progress.on_line) {
    kind.verified_bytes +=
        contents_.Arrived(running.kind, running.request, progress.arrived).value_or(0);
    kind.complete_blobs = std::min(kind.total_blobs, kind.complete_blobs + stored);
    // What a mirror claimed by which the line was laid out has been proven.
    const auto layout = contents_.LayoutOf(running.kind, running.request);
    if (layout != nullptr && layout->is_claim && running.is_mirror && progress.total_bytes)
      kind.total_bytes = layout->length;
    kind.claimed_bytes = kind.total_bytes == 0 ? progress.claimed_bytes : 0;
    return CountBytes(it->first, kind);
  }
  kind.verified_bytes += more;
  if (progress.total_bytes) kind.total_bytes = *progress.total_bytes;
  kind.claimed_bytes = progress.claimed_bytes;
  if (kind.total_blobs == 0 && progress.total_blobs != 0) journal_.Note(it->first);
  kind.total_blobs = progress.total_blobs;
  kind.complete_blobs = progress.complete_blobs;
  CountBytes(it->first, kind);
}

// Mirrors send no proof of what they bring: a node that is at work on the same blob is asked for
// it. Said again and again until it has come, so that another is asked when a node's transfer ends.
void Engine::AskForProof(const Running& mirror, const RangeSet& groups) {
  RangeSet unasked = groups;
  TransferId chosen;
  Running* prover = nullptr;
  for (auto& [id, running] : running_) {
    const bool is_its = running.kind == mirror.kind && running.request == mirror.request;
    if (running.is_mirror || !is_its) continue;
    unasked.RemoveAll(running.proving);
    if (prover != nullptr) continue;
    prover = &running;
    chosen = id;
  }
  if (prover == nullptr || unasked.empty()) return;
  prover->proving.InsertAll(unasked);
  deps_.network.Prove(chosen, unasked);
}

}  // namespace blobd::engine
