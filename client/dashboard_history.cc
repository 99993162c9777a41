#include "client/dashboard_history.h"

#include <algorithm>
#include <utility>

namespace blobd::client {
namespace {

constexpr size_t kMostProviders = 32;

using Rated = std::pair<double, std::string>;

// The largest `count`, the largest first, and by name where that says nothing.
std::vector<Rated> Largest(const std::map<std::string, double>& all, size_t count) {
  std::vector<Rated> rated;
  for (const auto& [name, value] : all)
    if (value > 0) rated.emplace_back(-value, name);
  const size_t kept = std::min(count, rated.size());
  std::partial_sort(rated.begin(), rated.begin() + static_cast<std::ptrdiff_t>(kept), rated.end());
  rated.resize(kept);
  return rated;
}

}  // namespace

void DashboardHistory::Add(Sample sample) {
  const int64_t length_ms = std::chrono::duration_cast<milliseconds>(kLength).count();
  while (!samples_.empty() && samples_.front().unix_ms < sample.unix_ms - length_ms)
    samples_.pop_front();
  while (!samples_.empty() && samples_.back().unix_ms >= sample.unix_ms) samples_.pop_back();
  std::map<std::string, double> kept;
  for (auto& [value, name] : Largest(sample.providers, kMostProviders))
    kept.emplace(std::move(name), -value);
  sample.providers = std::move(kept);
  samples_.push_back(std::move(sample));
}

std::vector<std::string> DashboardHistory::Foremost(size_t count) const {
  std::map<std::string, double> sums;
  for (const Sample& sample : samples_)
    for (const auto& [name, rate] : sample.providers) sums[name] += rate;
  std::vector<std::string> names;
  for (auto& [value, name] : Largest(sums, count)) names.push_back(std::move(name));
  return names;
}

}  // namespace blobd::client
