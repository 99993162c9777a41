// Transfers: listed, asked for, and cancelled by callers. See engine.h.
#include <fmt/format.h>

#include <string>
#include <utility>

#include "base/error_reason.h"
#include "engine/engine.h"
#include "engine/history.h"

namespace blobd::engine {

std::vector<TransferView> Engine::ListTransfers(const TransferFilter& filter, TransferId after,
                                                size_t limit) const {
  std::vector<TransferView> views = transfers_.List(filter, after, limit);
  for (TransferView& view : views) AddIntents(view);
  return views;
}

std::vector<TransferId> Engine::TransfersAfter(TransferId after, size_t limit) const {
  return transfers_.After(after, limit);
}

std::optional<TransferView> Engine::FindTransfer(TransferId id) const {
  auto view = transfers_.View(id);
  if (view) AddIntents(*view);
  return view;
}

// They work for others than a moment ago.
void Engine::NoteTransfersOf(const Kind& kind) {
  if (!transfer_watch_.follows()) return;
  for (const TransferId id : transfers_.OfKind(kind)) transfer_watch_.Note(id);
}

// For whom it runs; nobody, once it has ended.
void Engine::AddIntents(TransferView& view) const {
  if (running_.count(view.id) == 0) return;
  view.intents = scheduler_->IntentsOf(view.kind, kIntentsShown);
  if (const auto it = kinds_.find(view.kind); it != kinds_.end())
    view.intent_count = it->second.owners.intents();
}

void Engine::GetTransfer(TransferId id, UniqueFunction<void(StatusOr<TransferView>)> done) {
  if (scheduler_ == nullptr) return done(Ready());
  auto view = FindTransfer(id);
  if (!view) return FindEnded(id, std::move(done));
  done(*std::move(view));
}

// The history has more of them than are kept here.
void Engine::FindEnded(TransferId id, UniqueFunction<void(StatusOr<TransferView>)> done) {
  if (!id || id.value >= scheduler_->next_transfer_id()) return done(NoTransfer(id));
  deps_.registry.ListTransfers({}, TransferId{id.value - 1}, 1,
                               [this, id, done = std::move(done)](
                                   StatusOr<std::vector<registry::TransferRow>> rows) mutable {
                                 if (!rows.ok()) return done(rows.status());
                                 if (rows->empty() || rows->front().id != id)
                                   return done(NoTransfer(id));
                                 done(ToView(std::move(rows->front())));
                               });
}

Status Engine::NoTransfer(TransferId id) const {
  if (!id || id.value >= scheduler_->next_transfer_id()) {
    return WithDetail(ErrorFor(Reason::kUnknownTransfer, "there is no transfer {}", id.value),
                      "transfer_id", std::to_string(id.value));
  }
  return WithDetail(
      ErrorFor(Reason::kTransferForgotten,
               "transfer {} ended so long ago that nothing is known of it any more", id.value),
      "transfer_id", std::to_string(id.value));
}

void Engine::CancelTransfer(const Caller& caller, TransferId id,
                            UniqueFunction<void(StatusOr<CancelTransferAnswer>)> done) {
  // While the daemon drains every transfer is about to end, and nobody would hear of this one.
  if (const Status status = Ready(); !status.ok()) return done(status);
  const auto running = running_.find(id);
  if (running == running_.end()) {
    return GetTransfer(id, [done = std::move(done)](StatusOr<TransferView> view) mutable {
      if (!view.ok()) return done(view.status());
      done(CancelTransferAnswer{false, *std::move(view)});
    });
  }
  // One that nobody wants any more is being stopped: that is nobody's to forbid.
  const auto kind = kinds_.find(running->second.kind);
  if (!caller.is_admin() && kind != kinds_.end() && !kind->second.owners.HasOnly(caller.uid)) {
    return done(ErrorFor(
        Reason::kNotOwner,
        "transfer {} works for intents of others, too, who would have to wait; an administrator "
        "may cancel it",
        id.value));
  }
  running->second.cancelled_by = caller.uid;
  transfer_ends_[id].emplace_back([this, id, done = std::move(done)](const Status& status) mutable {
    if (!status.ok()) return done(status);
    GetTransfer(id, [done = std::move(done)](StatusOr<TransferView> view) mutable {
      if (!view.ok()) return done(view.status());
      const bool cancelled = view->state == TransferState::kCancelled;
      done(CancelTransferAnswer{cancelled, *std::move(view)});
    });
  });
  Deliver(schedule::CancelTransfer{id});
}

void Engine::TellTransferEnd(TransferId id) {
  auto waiting = transfer_ends_.extract(id);
  if (waiting.empty()) return;
  for (auto& done : waiting.mapped()) done(OkStatus());
}

// The daemon ends, and with it the transfers that still run.
void Engine::GiveUpTransferEnds() {
  for (auto& [id, waiting] : std::exchange(transfer_ends_, {})) {
    for (auto& done : waiting)
      done(ErrorFor(Reason::kDraining, "the daemon is draining before it stops"));
  }
}

}  // namespace blobd::engine
