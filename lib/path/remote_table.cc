#include "path/remote_table.h"

#include "base/check.h"
#include "base/utf8.h"

namespace blobd::path {

void RemoteTable::Restore(const NodeId& node, WallTime last_success, WallTime last_failure,
                          std::string_view failure) {
  Entry& entry = remotes_[node];
  entry.info.last_success = last_success;
  entry.info.last_failure = last_failure;
  entry.info.failure = ShortText(failure, kMaxReason);
  File(node, entry);
}

void RemoteTable::Dialling(const NodeId& node) {
  Entry& entry = remotes_[node];
  entry.info.link = Link::kDialling;
  File(node, entry);
}

void RemoteTable::Connected(const NodeId& node, const SocketAddress& address, WallTime now) {
  Entry& entry = remotes_[node];
  entry.info.link = Link::kConnected;
  entry.info.address = address;
  entry.info.last_success = now;
  File(node, entry);
}

void RemoteTable::Failed(const NodeId& node, std::string_view reason, WallTime now) {
  Entry& entry = remotes_[node];
  entry.info.link = Link::kDown;
  entry.info.last_failure = now;
  entry.info.failure = ShortText(reason, kMaxReason);
  File(node, entry);
}

void RemoteTable::Closed(const NodeId& node) {
  const auto it = remotes_.find(node);
  if (it == remotes_.end() || it->second.info.link == Link::kDown) return;
  it->second.info.link = Link::kDown;
  File(node, it->second);
}

void RemoteTable::Banned(const NodeId& node, WallTime until, std::string_view reason) {
  Entry& entry = remotes_[node];
  entry.info.banned_until = until;
  entry.info.ban_reason = ShortText(reason, kMaxReason);
  File(node, entry);
}

void RemoteTable::Forget(const NodeId& node, bool is_banned) {
  const auto it = remotes_.find(node);
  if (it == remotes_.end()) return;
  Entry& entry = it->second;
  BLOBD_CHECK(entry.info.link == Link::kDown);
  if (is_banned) {
    entry.info.last_success = entry.info.last_failure = {};
    entry.info.failure.clear();
    return;
  }
  down_.erase(entry.place);
  remotes_.erase(it);
}

const RemoteInfo* RemoteTable::Find(const NodeId& node) const {
  const auto it = remotes_.find(node);
  return it == remotes_.end() ? nullptr : &it->second.info;
}

std::vector<NodeId> RemoteTable::After(const std::optional<NodeId>& after, size_t limit) const {
  std::vector<NodeId> nodes;
  auto it = after ? remotes_.upper_bound(*after) : remotes_.begin();
  for (; it != remotes_.end() && nodes.size() < limit; ++it) nodes.push_back(it->first);
  return nodes;
}

void RemoteTable::File(const NodeId& node, Entry& entry) {
  if (entry.place != 0) down_.erase(entry.place);
  entry.place = 0;
  if (entry.info.link != Link::kDown) return;
  entry.info.address = {};
  entry.place = next_place_++;
  down_[entry.place] = node;
  if (down_.size() <= kKeptDown) return;
  const auto oldest = down_.begin();
  remotes_.erase(oldest->second);
  down_.erase(oldest);
}

}  // namespace blobd::path
