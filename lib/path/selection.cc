#include "path/selection.h"

#include <algorithm>
#include <tuple>

#include "path/relay_addresses.h"

namespace blobd::path {
namespace {

class Ranking {
 public:
  Ranking(const std::optional<SocketAddress>& current, const SelectionOptions& options)
      : current_(current), options_(options) {}

  // Smaller is better. The advantage may make it negative.
  Duration Biased(const OpenPath& path) const {
    return *path.rtt - options_.advantage[static_cast<size_t>(TransportOf(path.address))];
  }
  auto Key(const OpenPath& path) const {
    const Transport transport = TransportOf(path.address);
    return std::make_tuple(IsBackup(transport), Biased(path), transport != Transport::kIpv6,
                           path.address != current_, path.address);
  }
  bool operator()(const OpenPath& a, const OpenPath& b) const { return Key(a) < Key(b); }

 private:
  const std::optional<SocketAddress>& current_;
  const SelectionOptions& options_;
};

}  // namespace

Transport TransportOf(const SocketAddress& address) {
  if (RelayAddresses::IsRelayed(address)) return Transport::kRelay;
  return address.is_v4() ? Transport::kIpv4 : Transport::kIpv6;
}

std::string_view Describe(Why why) {
  switch (why) {
    case Why::kNothing:
      return "no path is open";
    case Why::kOnlyPath:
      return "the only path";
    case Why::kPrimary:
      return "the only direct path";
    case Why::kLowestRtt:
      return "the lowest round-trip time";
    case Why::kKeptCurrent:
      return "in use, and no other is better by enough";
  }
  return {};
}

Selection Select(std::span<const OpenPath> paths, const std::optional<SocketAddress>& current,
                 const SelectionOptions& options) {
  const Ranking ranking(current, options);
  const OpenPath* best = nullptr;
  const OpenPath* now = nullptr;  // the current path
  size_t measured = 0;
  size_t primary = 0;
  for (const OpenPath& path : paths) {
    if (path.address == current) now = &path;
    if (!path.rtt) continue;
    ++measured;
    if (!IsBackup(TransportOf(path.address))) ++primary;
    if (best == nullptr || ranking(path, *best)) best = &path;
  }
  if (best == nullptr) {
    if (now != nullptr) return {now->address, Why::kOnlyPath};
    return {};
  }
  const bool best_is_backup = IsBackup(TransportOf(best->address));
  const bool may_stay = now != nullptr && now != best && now->rtt &&
                        IsBackup(TransportOf(now->address)) == best_is_backup;
  if (may_stay && ranking.Biased(*best) + options.least_gain > ranking.Biased(*now)) {
    return {now->address, Why::kKeptCurrent};
  }
  if (measured == 1) return {best->address, Why::kOnlyPath};
  if (!best_is_backup && primary == 1) return {best->address, Why::kPrimary};
  return {best->address, Why::kLowestRtt};
}

}  // namespace blobd::path
