#include "transfer/get_streams.h"

#include <algorithm>
#include <utility>

namespace blobd::transfer {
namespace {

// So much that arrived and was not consumed means that it is our disk that is slow. What the other
// streams hold of the connection's window may then keep a silent one silent.
constexpr uint64_t kBacklog = 1 << 20;

}  // namespace

void GetStreams::Open(std::optional<quic::ConnectionId> connection, uint64_t number, Bytes request,
                      bool patient) {
  if (stopped_) return;
  streams_.try_emplace(number, shared_, number, connection, std::move(request), patient);
}

void GetStreams::Consumed(uint64_t number, uint64_t bytes) {
  if (const auto it = streams_.find(number); it != streams_.end()) it->second.Consumed(bytes);
}

void GetStreams::Stop(uint64_t number) { streams_.erase(number); }

bool GetStreams::Granted(uint64_t number, uint64_t bytes) {
  const auto it = streams_.find(number);
  if (it == streams_.end()) return false;
  it->second.Granted(bytes);
  return true;
}

void GetStreams::Flush() {
  for (auto& [number, stream] : streams_) stream.Flush();
}

bool GetStreams::waiting() const {
  return std::any_of(streams_.begin(), streams_.end(),
                     [](const auto& stream) { return stream.second.waiting(); });
}

void GetStreams::TryAgain() {
  for (auto& [number, stream] : streams_) stream.TryAgain();
}

void GetStreams::CheckStalls(Instant now, Duration limit) {
  uint64_t backlog = 0;
  for (const auto& [number, stream] : streams_) backlog += stream.unconsumed();
  for (auto& [number, stream] : streams_) {
    if (backlog >= kBacklog) {
      stream.ForgiveSilence(now);
    } else {
      stream.CheckStall(now, limit);
    }
  }
}

void GetStreams::ConnectionClosed(quic::ConnectionId connection) {
  for (auto& [number, stream] : streams_) stream.ConnectionClosed(connection);
}

void GetStreams::ConnectionReplaced(quic::ConnectionId connection) {
  for (auto& [number, stream] : streams_) stream.ConnectionReplaced(connection);
}

void GetStreams::NotReplaced() {
  for (auto& [number, stream] : streams_) stream.NotReplaced();
}

void GetStreams::StopAll() {
  if (std::exchange(stopped_, true)) return;
  streams_.clear();
  if (shared_.release_rate) shared_.release_rate();
  shared_.strand->Post([receiver = shared_.receiver] { receiver->Stop(); });
}

}  // namespace blobd::transfer
