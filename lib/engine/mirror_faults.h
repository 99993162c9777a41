// MirrorFaults: which mirrors were proved to have sent wrong bytes, and of what (design/mirrors.md,
// "Verification"): a URL is refused for that hash, as long as a ban would last; and whose origin
// was wrong about kMostWrong hashes is to be banned itself.
//
// Thread: the control loop. Memory: at most kMostEntries; the oldest go first.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/hash.h"
#include "base/time.h"

namespace blobd::engine {

class MirrorFaults {
 public:
  static constexpr size_t kMostEntries = 4096;
  static constexpr size_t kMostWrong = 3;
  static constexpr Duration kLength = hours(1);

  // True if its origin has been wrong about so many hashes that it is to be banned.
  bool Add(const std::string& url, const Hash& hash, const std::string& reason, Instant now);
  // Why this URL is not used for the hash; null if it is.
  const std::string* Refused(const std::string& url, const Hash& hash, Instant now) const;

 private:
  using Key = std::pair<std::string, Hash>;
  struct Fault {
    Instant until;
    std::string reason;
  };
  void Expire(Instant now);

  std::map<Key, Fault> faults_;
  std::deque<Key> order_;                             // the oldest first
  std::map<std::string, std::multiset<Hash>> wrong_;  // by origin, of what is in faults_
};

}  // namespace blobd::engine
