// RemoteTable: how each node stands to us: dialled, connected, what went wrong last, banned. It
// remembers what happened for those who ask; who may be dialled and when is the scheduler's to
// decide.
//
// Bounded: of nodes that are neither dialled nor connected the latest 10,000 are kept. A node that
// is forgotten stays banned all the same.
//
// Thread: one owner (the control loop).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/node_id.h"
#include "base/socket_address.h"
#include "base/time.h"

namespace blobd::path {

enum class Link { kDown, kDialling, kConnected };

struct RemoteInfo {
  Link link = Link::kDown;
  SocketAddress address;   // of the connection, while there is one
  WallTime last_success;   // 0: never
  WallTime last_failure;   // 0: never
  std::string failure;     // what was said then, UTF-8
  WallTime banned_until;   // 0: never banned; may lie in the past
  std::string ban_reason;  // UTF-8
};

class RemoteTable {
 public:
  static constexpr size_t kKeptDown = 10'000;
  static constexpr size_t kMaxReason = 256;  // bytes; the rest of a longer one is cut off

  // As an earlier life left it.
  void Restore(const NodeId& node, WallTime last_success, WallTime last_failure,
               std::string_view failure);
  void Dialling(const NodeId& node);
  void Connected(const NodeId& node, const SocketAddress& address, WallTime now);
  // A dial failed, or a connection broke.
  void Failed(const NodeId& node, std::string_view reason, WallTime now);
  // Given up or closed, by whomever; no failure.
  void Closed(const NodeId& node);
  void Banned(const NodeId& node, WallTime until, std::string_view reason);

  // When it was reached, and what went wrong; of a ban nothing is forgotten.
  // REQUIRES: it is neither dialled nor connected
  void Forget(const NodeId& node, bool is_banned);

  // Null if nothing is known.
  const RemoteInfo* Find(const NodeId& node) const;
  // At most `limit` nodes greater than `after` (nullopt: from the first), in order.
  std::vector<NodeId> After(const std::optional<NodeId>& after, size_t limit) const;
  size_t size() const { return remotes_.size(); }

 private:
  struct Entry {
    RemoteInfo info;
    uint64_t place = 0;  // in down_; 0 exactly while dialled or connected
  };
  // To be called after every change: files the entry by its link, forgets the oldest.
  void File(const NodeId& node, Entry& entry);

  std::map<NodeId, Entry> remotes_;
  std::map<uint64_t, NodeId> down_;  // the latest change last
  uint64_t next_place_ = 1;
};

}  // namespace blobd::path
