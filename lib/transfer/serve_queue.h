// ServeQueue decides which stream reads next, and how much, so that what is read and not yet
// acknowledged stays within one budget and everybody gets a fair share (design/transfers.md,
// "Serving").
//
// Nodes take turns by deficit round robin (Shreedhar and Varghese, 1996): a turn is worth
// kMostGrant bytes times the node's weight, and what a node did not use it keeps. Inside a node its
// streams take turns, one grant each. A stream has one read under way at most, all together have
// `reads_at_once`, so that a small request waits for a few reads and never for a queue of them.
//
// A stream takes part while it wants more, has no read under way, and its window has room; a node
// while it has such a stream and its own window has room.
//
// Thread: one owner; no clock, no calls out.
// Cost:   O(1) for each grant and event.
// Units:  bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/node_id.h"
#include "base/time.h"
#include "transfer/serve_window.h"

namespace blobd::transfer {

class ServeQueue {
 public:
  // Below this a read is not worth its cost; also what a stream gets first, since most requests are
  // small. And the largest, which must not keep others waiting.
  static constexpr uint64_t kLeastGrant = 64 << 10;
  static constexpr uint64_t kMostGrant = 256 << 10;

  struct Options {
    uint64_t budget = 64 << 20;  // at least kLeastGrant
    size_t reads_at_once = 8;
    uint64_t first_window = 256 << 10;  // of streams and of nodes; at least kLeastGrant
    uint64_t stream_window = 4 << 20;
    uint64_t node_window = 16 << 20;
  };
  struct Grant {
    uint64_t stream = 0;
    size_t bytes = 0;
  };

  explicit ServeQueue(const Options& options);

  // A stream that wants to read. Its node's weight is that of the node's first stream.
  // REQUIRES: the number was never used before, weight > 0
  void Add(uint64_t stream, const NodeId& node, uint32_t weight = 1);
  // Its unacknowledged bytes are gone, too. A read under way is counted until its OnRead.
  void Remove(uint64_t stream);

  // Who reads next, at most `most` bytes; nullopt until something changes.
  // REQUIRES: most >= kLeastGrant
  std::optional<Grant> Next(uint64_t most = kMostGrant);
  // The read that was granted came back with `bytes`, at most those granted, which are sent now. If
  // it does not want more, Want may say so later. For removed streams, too.
  void OnRead(uint64_t stream, uint64_t bytes, bool wants_more, Instant now);
  // Harmless for streams that want already or are not here.
  void Want(uint64_t stream);
  void OnAcknowledged(uint64_t stream, uint64_t bytes, Instant now);

  // Somebody waits for nothing but budget. Linear in nodes.
  bool is_starved() const;
  // The streams with unacknowledged bytes of nodes which acknowledged nothing for `limit`. Linear.
  std::vector<uint64_t> StreamsOfStalledNodes(Instant now, Duration limit) const;

  uint64_t used() const { return used_; }  // bytes granted or unacknowledged
  size_t reading() const { return reading_; }
  uint64_t granted() const { return granted_; }    // bytes being read
  size_t size() const { return streams_.size(); }  // removed ones with a read under way included

 private:
  struct Stream;
  struct Node {
    NodeId id;
    uint32_t weight = 1;
    ServeWindow window;
    uint64_t granted = 0;  // being read
    uint64_t unacknowledged = 0;
    Instant last_progress;  // while something is unacknowledged
    uint64_t deficit = 0;   // bytes left of its turns
    bool has_turn = false;  // and then the deficit is at least kLeastGrant
    size_t streams = 0;
    std::list<Stream*> ready;  // its streams that take part
    std::optional<std::list<Node*>::iterator> turn;
  };
  struct Stream {
    uint64_t number = 0;
    Node* node = nullptr;
    ServeWindow window;
    uint64_t granted = 0;
    uint64_t unacknowledged = 0;
    bool wants = true;
    bool is_new = true;  // nothing was granted yet
    bool removed = false;
    std::optional<std::list<Stream*>::iterator> turn;
  };

  uint64_t BudgetRoom() const { return options_.budget - used_; }
  bool TakesPart(const Stream& stream) const;
  bool TakesPart(const Node& node) const;
  // Puts both in and out of the rounds as is due now.
  void Settle(Stream& stream);
  void Settle(Node& node);
  void LeaveTurns(Node& node);
  void Forget(Stream& stream);

  const Options options_;
  std::unordered_map<NodeId, Node> nodes_;  // those with streams
  std::unordered_map<uint64_t, Stream> streams_;
  // The first has its turn. Nodes that take part, and those that did and have reads under way.
  std::list<Node*> turns_;
  uint64_t used_ = 0;  // at most the budget
  size_t reading_ = 0;
  uint64_t granted_ = 0;
};

}  // namespace blobd::transfer
