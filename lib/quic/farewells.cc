#include "quic/farewells.h"

#include <iterator>
#include <utility>

namespace blobd::quic {
namespace {

constexpr size_t kMaxEntries = 1024;

}  // namespace

void Farewells::Add(std::vector<Cid> cids, const SocketAddress& to, Bytes datagram, Instant until) {
  entries_.push_back({std::move(cids), to, std::move(datagram), until, 0});
  const auto entry = std::prev(entries_.end());
  for (const Cid& cid : entry->cids) by_cid_[cid] = entry;
  if (entries_.size() > kMaxEntries) Forget(entries_.begin());
}

std::optional<Farewells::Late> Farewells::OnDatagram(const Cid& cid, Instant now) {
  while (!entries_.empty() && entries_.front().until <= now) Forget(entries_.begin());
  const auto found = by_cid_.find(cid);
  if (found == by_cid_.end()) return std::nullopt;
  Entry& entry = *found->second;
  const uint64_t count = ++entry.received;
  // To the 1st, 2nd, 4th, 8th late datagram and so on, so that two peers that both close cannot
  // keep each other busy.
  const bool answer = now < entry.until && (count & (count - 1)) == 0;
  return Late{entry.to, answer ? ByteView(entry.datagram) : ByteView()};
}

void Farewells::Forget(std::list<Entry>::iterator entry) {
  for (const Cid& cid : entry->cids) {
    const auto found = by_cid_.find(cid);
    if (found != by_cid_.end() && found->second == entry) by_cid_.erase(found);
  }
  entries_.erase(entry);
}

}  // namespace blobd::quic
