#include "transfer/serve_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace blobd::transfer {

ServeQueue::ServeQueue(const Options& options) : options_(options) {
  BLOBD_CHECK(options.budget >= kLeastGrant && options.first_window >= kLeastGrant);
  BLOBD_CHECK(options.reads_at_once > 0);
}

void ServeQueue::Add(uint64_t number, const NodeId& id, uint32_t weight) {
  BLOBD_CHECK(weight > 0);
  auto [node, is_first] = nodes_.try_emplace(
      id, Node{.id = id,
               .weight = weight,
               .window = ServeWindow(options_.first_window, options_.node_window),
               .last_progress = {},
               .ready = {},
               .turn = {}});
  ++node->second.streams;
  const auto [stream, is_fresh] = streams_.try_emplace(
      number, Stream{.number = number,
                     .node = &node->second,
                     .window = ServeWindow(options_.first_window, options_.stream_window),
                     .turn = {}});
  BLOBD_CHECK(is_fresh);
  Settle(stream->second);
}

void ServeQueue::Remove(uint64_t number) {
  const auto it = streams_.find(number);
  if (it == streams_.end() || it->second.removed) return;
  Stream& stream = it->second;
  used_ -= stream.unacknowledged;
  stream.node->unacknowledged -= stream.unacknowledged;
  stream.unacknowledged = 0;
  stream.removed = true;
  Settle(stream);
  if (stream.granted == 0) Forget(stream);
}

void ServeQueue::Forget(Stream& stream) {
  Node& node = *stream.node;
  streams_.erase(stream.number);
  if (--node.streams > 0) return;
  BLOBD_CHECK(!node.turn && node.granted == 0 && node.unacknowledged == 0);
  nodes_.erase(NodeId(node.id));
}

bool ServeQueue::TakesPart(const Stream& stream) const {
  return stream.wants && !stream.removed && stream.granted == 0 &&
         stream.window.Room(stream.unacknowledged) >= kLeastGrant;
}

bool ServeQueue::TakesPart(const Node& node) const {
  return !node.ready.empty() && node.window.Room(node.granted + node.unacknowledged) >= kLeastGrant;
}

void ServeQueue::Settle(Stream& stream) {
  Node& node = *stream.node;
  const bool takes_part = TakesPart(stream);
  if (takes_part && !stream.turn) {
    stream.turn = node.ready.insert(node.ready.end(), &stream);
  } else if (!takes_part && stream.turn) {
    node.ready.erase(*std::exchange(stream.turn, std::nullopt));
  }
  Settle(node);
}

void ServeQueue::Settle(Node& node) {
  if (TakesPart(node)) {
    if (!node.turn) {
      // A turn that waited for a read goes on.
      node.turn = turns_.insert(node.has_turn ? turns_.begin() : turns_.end(), &node);
    }
  } else if (node.granted == 0) {
    LeaveTurns(node);
  }
}

void ServeQueue::LeaveTurns(Node& node) {
  if (node.turn) turns_.erase(*std::exchange(node.turn, std::nullopt));
}

std::optional<ServeQueue::Grant> ServeQueue::Next(uint64_t most) {
  if (reading_ >= options_.reads_at_once || BudgetRoom() < kLeastGrant) return std::nullopt;
  while (!turns_.empty()) {
    Node& first = *turns_.front();
    // Under a limit turns are as short as reads, so that the others' do not look like a stall.
    if (!std::exchange(first.has_turn, true)) first.deficit += most * first.weight;
    if (TakesPart(first)) break;
    // Its turn comes while its reads are under way: it has it when they are back, else nodes with
    // few streams would get less.
    LeaveTurns(first);
  }
  if (turns_.empty()) return std::nullopt;
  Node& node = *turns_.front();
  Stream& stream = *node.ready.front();
  const uint64_t bytes = std::min({stream.is_new ? kLeastGrant : most, node.deficit, BudgetRoom(),
                                   stream.window.Room(stream.unacknowledged),
                                   node.window.Room(node.granted + node.unacknowledged)});
  node.deficit -= bytes;
  if (node.deficit < kLeastGrant) {
    node.has_turn = false;
    turns_.splice(turns_.end(), turns_, *node.turn);
  }
  ++reading_;
  granted_ += bytes;
  used_ += bytes;
  node.granted += bytes;
  stream.granted = bytes;
  stream.is_new = false;
  Settle(stream);
  return Grant{stream.number, static_cast<size_t>(bytes)};
}

void ServeQueue::OnRead(uint64_t number, uint64_t bytes, bool wants_more, Instant now) {
  Stream& stream = streams_.at(number);
  Node& node = *stream.node;
  const uint64_t granted = std::exchange(stream.granted, 0);
  BLOBD_CHECK(granted > 0 && bytes <= granted);
  --reading_;
  granted_ -= granted;
  node.granted -= granted;
  node.deficit = std::min(node.deficit + granted - bytes, kMostGrant * (node.weight + 1));
  if (stream.removed) {
    used_ -= granted;
    Settle(node);
    return Forget(stream);
  }
  used_ -= granted - bytes;
  if (bytes > 0) {
    if (stream.unacknowledged == 0) stream.window.Begin(now);
    if (node.unacknowledged == 0) {
      node.window.Begin(now);
      node.last_progress = now;
    }
    stream.unacknowledged += bytes;
    node.unacknowledged += bytes;
  }
  stream.wants = wants_more;
  Settle(stream);
}

void ServeQueue::Want(uint64_t number) {
  const auto it = streams_.find(number);
  if (it == streams_.end()) return;
  it->second.wants = true;
  Settle(it->second);
}

void ServeQueue::OnAcknowledged(uint64_t number, uint64_t bytes, Instant now) {
  const auto it = streams_.find(number);
  if (it == streams_.end()) return;
  Stream& stream = it->second;
  Node& node = *stream.node;
  bytes = std::min(bytes, stream.unacknowledged);
  if (bytes == 0) return;
  used_ -= bytes;
  stream.unacknowledged -= bytes;
  node.unacknowledged -= bytes;
  node.last_progress = now;
  stream.window.OnAcknowledged(bytes, now);
  node.window.OnAcknowledged(bytes, now);
  Settle(stream);
}

bool ServeQueue::is_starved() const {
  return BudgetRoom() < kLeastGrant &&
         std::any_of(turns_.begin(), turns_.end(),
                     [&](const Node* node) { return TakesPart(*node); });
}

std::vector<uint64_t> ServeQueue::StreamsOfStalledNodes(Instant now, Duration limit) const {
  std::vector<uint64_t> stalled;
  for (const auto& [number, stream] : streams_) {
    if (stream.unacknowledged > 0 && now - stream.node->last_progress >= limit)
      stalled.push_back(number);
  }
  return stalled;
}

}  // namespace blobd::transfer
