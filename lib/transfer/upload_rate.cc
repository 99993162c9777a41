// UploadCore: the limit of the bandwidth of uploads. Who is read for next stays the ServeQueue's to
// say, so that shares and weights of nodes hold under a limit, too: pieces of answers wait in one
// line, and little is read ahead of it.
#include <algorithm>
#include <utility>

#include "transfer/upload_core.h"

namespace blobd::transfer {
namespace {

// All that wait here are one to the limit.
constexpr uint64_t kOneLine = 1;
// So much of a second is read ahead, and by one read. A newcomer waits for what was read before.
constexpr uint64_t kAheadPerSecond = 10;
constexpr uint64_t kReadsPerSecond = 40;

}  // namespace

std::optional<ServeQueue::Grant> UploadCore::NextRead() {
  if (!IsLimited()) return queue_.Next();
  const uint64_t rate = deps_.throttle->rate().value_or(0);
  const uint64_t ahead = std::max(rate / kAheadPerSecond, 2 * ServeQueue::kLeastGrant);
  if (held_ + queue_.granted() >= ahead) return std::nullopt;
  return queue_.Next(
      std::clamp(rate / kReadsPerSecond, ServeQueue::kLeastGrant, ServeQueue::kMostGrant));
}

void UploadCore::Hold(ServeStream& stream, Bytes bytes) {
  const uint64_t size = bytes.size();
  held_ += size;
  const auto granted = [weak = weak_from_this(), number = stream.number](uint64_t sent) {
    const auto core = weak.lock();
    if (core != nullptr && core->endpoint_ != nullptr) core->OnRate(number, sent);
  };
  stream.held.push_back({deps_.throttle->Ask(kOneLine, size, granted), std::move(bytes), 0});
}

// Grants come in the order of the asks, and none goes over the end of an ask.
void UploadCore::OnRate(uint64_t number, uint64_t bytes) {
  ServeStream* stream = Find(number);
  if (stream == nullptr) return;
  held_ -= bytes;
  ServeStream::Held& first = stream->held.front();
  const auto begin = first.bytes.begin() + static_cast<ptrdiff_t>(first.sent);
  first.sent += bytes;
  Bytes piece;
  if (first.sent == bytes && first.sent == first.bytes.size()) {
    piece = std::move(first.bytes);
  } else {
    piece.assign(begin, begin + static_cast<ptrdiff_t>(bytes));
  }
  if (first.sent >= first.bytes.size()) stream->held.pop_front();
  stream->last_progress = Now();
  const bool fin = stream->held.empty() && std::exchange(stream->fin_held, false);
  SendNow(*stream, std::move(piece), fin);
  WantPump();
}

void UploadCore::DropHeld(ServeStream& stream) {
  for (const ServeStream::Held& held : std::exchange(stream.held, {})) {
    held_ -= held.bytes.size() - held.sent;
    deps_.throttle->Cancel(held.ask);
  }
}

}  // namespace blobd::transfer
