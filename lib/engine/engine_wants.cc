// What unfinished intents want, for those who plan removals. See wants.h and engine.h.
#include <algorithm>

#include "engine/engine.h"

namespace blobd::engine {
namespace {

bool IsRepair(const registry::IntentRow& row) {
  return row.owner_uid == 0 && row.label == kRepairLabel;
}

}  // namespace

bool Engine::IsWanted(const Hash& hash) const {
  return kinds_.count({hash, BlobFormat::kRaw}) != 0 ||
         kinds_.count({hash, BlobFormat::kHashSeq}) != 0;
}

std::vector<Hash> Engine::WantedSequences() const { return {sequences_.begin(), sequences_.end()}; }

bool Engine::IsListArriving() const {
  return std::any_of(running_.begin(), running_.end(), [&](const auto& running) {
    const Kind& kind = running.second.kind;
    if (kind.format != BlobFormat::kHashSeq) return false;
    const auto it = kinds_.find(kind);
    return it != kinds_.end() && it->second.total_blobs == 0;
  });
}

bool Engine::IsBeingRepaired(const Hash& hash) const { return repairs_.count(hash) != 0; }

void Engine::NoteWant(const registry::IntentRow& row) {
  if (IsRepair(row)) ++repairs_[row.kind.hash];
  if (row.kind.format == BlobFormat::kHashSeq && sequences_.insert(row.kind.hash).second) {
    journal_.Note(row.kind);
  }
}

// `last`: nobody wants the kind any longer. It may be protected all the same, as one that was got.
void Engine::NoteUnwanted(const registry::IntentRow& row, bool last) {
  if (IsRepair(row)) {
    const auto it = repairs_.find(row.kind.hash);
    if (--it->second == 0) repairs_.erase(it);
  }
  if (!last) return;
  if (row.kind.format == BlobFormat::kHashSeq) sequences_.erase(row.kind.hash);
  journal_.Note(row.kind);
}

}  // namespace blobd::engine
