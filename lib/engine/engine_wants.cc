// What unfinished intents want, for those who plan removals. See wants.h and engine.h.
#include <algorithm>

#include "engine/engine.h"

namespace blobd::engine {
bool Engine::IsWanted(const Hash& hash) const {
  return kinds_.count({hash, BlobFormat::kRaw}) != 0 ||
         kinds_.count({hash, BlobFormat::kHashSeq}) != 0;
}

bool Engine::IsWantedBy(uint32_t uid, const Hash& hash) const {
  for (const BlobFormat format : {BlobFormat::kRaw, BlobFormat::kHashSeq}) {
    const auto kind = kinds_.find({hash, format});
    if (kind != kinds_.end() && kind->second.owners.Has(uid)) return true;
  }
  return false;
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

void Engine::NoteWant(const registry::IntentRow& row) {
  if (row.kind.format == BlobFormat::kHashSeq && sequences_.insert(row.kind.hash).second) {
    journal_.Note(row.kind);
  }
}

// `last`: nobody wants the kind any longer. It may be protected all the same, as one that was got.
void Engine::NoteUnwanted(const registry::IntentRow& row, bool last) {
  if (!last) return;
  if (row.kind.format == BlobFormat::kHashSeq) sequences_.erase(row.kind.hash);
  journal_.Note(row.kind);
}

}  // namespace blobd::engine
