#include "engine/content_table.h"

namespace blobd::engine {

bool ContentTable::Learn(const Kind& kind, RequestId request, const transfer::GetContent& content) {
  Content& known = contents_[kind];
  if (known.layout != nullptr && known.request == request) {
    // What a mirror claimed is proven: nothing lies elsewhere than before.
    const bool is_proof = known.layout->is_claim && !content.layout->is_claim;
    if (is_proof && known.layout->length == content.layout->length) known.layout = content.layout;
    return false;
  }
  known = {request, content.layout, RangeSet({0, content.layout->length})};
  known.held.RemoveAll(content.missing);
  return true;
}

std::shared_ptr<const transfer::GetLayout> ContentTable::LayoutOf(const Kind& kind,
                                                                  RequestId request) const {
  const auto it = contents_.find(kind);
  if (it == contents_.end() || it->second.request != request) return nullptr;
  return it->second.layout;
}

std::optional<uint64_t> ContentTable::Arrived(const Kind& kind, RequestId request,
                                              const RangeSet& ranges) {
  const auto it = contents_.find(kind);
  if (it == contents_.end() || it->second.request != request) return std::nullopt;
  RangeSet fresh = ranges;
  fresh.RemoveAll(it->second.held);
  it->second.held.InsertAll(fresh);
  return fresh.Count();
}

schedule::ContentKnown ToEvent(RequestId request, const transfer::GetContent& content) {
  schedule::ContentKnown event;
  event.request = request;
  event.length = content.layout->length;
  event.missing = content.missing;
  if (content.layout->blobs() > 1) {
    // The beginnings live as long as the line they belong to.
    event.cuts = {content.layout, &content.layout->begins};
  }
  return event;
}

}  // namespace blobd::engine
