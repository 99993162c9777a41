// DashboardHistory: the rates of the last minutes, one sample a second, for the plots of the status
// page. A time of which nothing is known is a gap between two samples.
//
// Thread: one owner. Bounded in time, and in the number of providers of a sample.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"

namespace blobd::client {

class DashboardHistory {
 public:
  static constexpr Duration kLength = std::chrono::minutes(5);

  // Bytes per second.
  struct Sample {
    int64_t unix_ms = 0;
    double down = 0;
    double up = 0;
    std::map<std::string, double> providers;  // what came from each; the fastest, at most 32
  };

  // Forgets what is older than kLength then, and all of a time to come: the clock was set back.
  void Add(Sample sample);
  const std::deque<Sample>& samples() const { return samples_; }
  // Those who brought most in all that time, the one with most first.
  std::vector<std::string> Foremost(size_t count) const;

 private:
  std::deque<Sample> samples_;
};

}  // namespace blobd::client
