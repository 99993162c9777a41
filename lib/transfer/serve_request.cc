#include "transfer/serve_request.h"

#include <limits>
#include <utility>

#include "base/overloaded.h"

namespace blobd::transfer {
namespace {

// What a vector costs besides its elements: the allocator rounds up and keeps a word.
constexpr size_t kAllocationOverhead = 32;

size_t MemoryOf(const wire::ChunkRanges& ranges) {
  const size_t count = ranges.chunks().ranges().size();
  return count == 0 ? 0 : count * sizeof(Range) + kAllocationOverhead;
}

size_t MemoryOf(const wire::RangeSpecSeq& seq) {
  size_t bytes = 0;
  for (const auto& run : seq.runs()) bytes += sizeof(run) + MemoryOf(run.ranges);
  return bytes;
}

}  // namespace

ServeSelection::ServeSelection(wire::GetRequest request)
    : ranges_(std::move(request.ranges)),
      is_hash_seq_(true),
      wants_children_(!ranges_.IsRawBlob()),
      hashes_{request.hash},
      index_(ranges_.FirstSelectedFrom(0)) {}

ServeSelection::ServeSelection(wire::GetManyRequest request)
    : ranges_(std::move(request.ranges)),
      hashes_(std::move(request.hashes)),
      index_(ranges_.FirstSelectedFrom(0)) {}

std::optional<ServeSelection::Place> ServeSelection::place() const {
  if (!index_) return std::nullopt;
  if (*index_ < hashes_.size()) return Named{hashes_[static_cast<size_t>(*index_)]};
  if (!is_hash_seq_) return std::nullopt;
  return Child{hashes_.front(), *index_ - 1};
}

void ServeSelection::Advance() {
  index_ = *index_ == std::numeric_limits<uint64_t>::max() ? std::nullopt
                                                           : ranges_.FirstSelectedFrom(*index_ + 1);
}

size_t MemoryOf(const wire::Request& request) {
  return std::visit(
      Overloaded{[](const wire::GetRequest& get) { return MemoryOf(get.ranges); },
                 [](const wire::ObserveRequest& observe) { return MemoryOf(observe.ranges); },
                 [](const wire::PushRequest& push) { return MemoryOf(push.ranges); },
                 [](const wire::GetManyRequest& many) {
                   return MemoryOf(many.ranges) + many.hashes.size() * sizeof(Hash);
                 }},
      request);
}

}  // namespace blobd::transfer
