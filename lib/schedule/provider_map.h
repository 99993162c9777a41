// ProviderMap: which providers may have which wanted hash, in both directions. A hash is in it
// exactly as long as an unfinished request wants it (its provider list may be empty); a provider
// keeps its own side in Provider::hashes.
//
// Both sides know the other's index, so that a link is cut in time proportional to the providers of
// one hash, however many hashes a provider has.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/hash.h"
#include "schedule/provider.h"

namespace blobd::schedule {

// One entry of the hash's side; `at` is its index in provider->hashes.
struct ProviderLink {
  Provider* provider = nullptr;
  uint32_t at = 0;
  bool standing = false;  // asked of itself: nobody named it for this hash
};

struct WantedHash {
  Hash hash;
  std::array<Request*, 2> requests{};   // unfinished ones, by format
  std::vector<ProviderLink> providers;  // in the order they were named
  uint32_t dials = 0;                   // running dials it sponsors
  uint32_t standing_asked = 0;          // how many of the standing providers, in this round

  bool wanted() const { return requests[0] != nullptr || requests[1] != nullptr; }
};

class ProviderMap {
 public:
  explicit ProviderMap(size_t providers_per_hash) : providers_per_hash_(providers_per_hash) {}

  // nullptr if no unfinished request wants it.
  WantedHash* Find(const Hash& hash);
  const WantedHash* Find(const Hash& hash) const;
  WantedHash& FindOrAdd(const Hash& hash);
  // REQUIRES: no request and no provider left
  void Erase(const WantedHash& wanted);

  enum class Added { kNew, kKnown, kFull };
  Added Link(WantedHash& wanted, Provider& provider);
  // False if they were not linked.
  bool Unlink(WantedHash& wanted, Provider& provider);
  static bool Linked(const WantedHash& wanted, const Provider& provider);
  // nullptr if they are not linked.
  static ProviderLink* FindLink(WantedHash& wanted, const Provider& provider);

  void Reserve(size_t hashes) { hashes_.reserve(hashes); }
  size_t size() const { return hashes_.size(); }
  // In no particular order, another one each time: for checks only.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& wanted : hashes_) visit(static_cast<const WantedHash&>(*wanted));
  }

 private:
  // Found by the hash alone, which is random already.
  struct HashOf {
    using is_transparent = void;
    size_t operator()(const Hash& hash) const { return std::hash<Hash>{}(hash); }
    size_t operator()(const std::unique_ptr<WantedHash>& wanted) const {
      return (*this)(wanted->hash);
    }
  };
  struct SameHash {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Key(a) == Key(b);
    }
    static const Hash& Key(const Hash& hash) { return hash; }
    static const Hash& Key(const std::unique_ptr<WantedHash>& wanted) { return wanted->hash; }
  };

  size_t providers_per_hash_;
  absl::flat_hash_set<std::unique_ptr<WantedHash>, HashOf, SameHash> hashes_;
};

}  // namespace blobd::schedule
