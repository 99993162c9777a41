#include "schedule/provider_map.h"

#include <utility>

#include "base/check.h"

namespace blobd::schedule {

WantedHash* ProviderMap::Find(const Hash& hash) {
  const auto it = hashes_.find(hash);
  return it == hashes_.end() ? nullptr : it->get();
}

const WantedHash* ProviderMap::Find(const Hash& hash) const {
  const auto it = hashes_.find(hash);
  return it == hashes_.end() ? nullptr : it->get();
}

WantedHash& ProviderMap::FindOrAdd(const Hash& hash) {
  const auto it = hashes_.lazy_emplace(hash, [&](const auto& make) {
    auto wanted = std::make_unique<WantedHash>();
    wanted->hash = hash;
    make(std::move(wanted));
  });
  return **it;
}

void ProviderMap::Erase(const WantedHash& wanted) {
  BLOBD_CHECK(!wanted.wanted() && wanted.providers.empty());
  hashes_.erase(hashes_.find(wanted.hash));
}

bool ProviderMap::Linked(const WantedHash& wanted, const Provider& provider) {
  for (const ProviderLink& link : wanted.providers) {
    if (link.provider == &provider) return true;
  }
  return false;
}

ProviderLink* ProviderMap::FindLink(WantedHash& wanted, const Provider& provider) {
  for (ProviderLink& link : wanted.providers) {
    if (link.provider == &provider) return &link;
  }
  return nullptr;
}

ProviderMap::Added ProviderMap::Link(WantedHash& wanted, Provider& provider) {
  if (Linked(wanted, provider)) return Added::kKnown;
  if (wanted.providers.size() >= providers_per_hash_) return Added::kFull;
  wanted.providers.push_back({&provider, static_cast<uint32_t>(provider.hashes.size())});
  provider.hashes.push_back({&wanted, static_cast<uint32_t>(wanted.providers.size() - 1)});
  return Added::kNew;
}

bool ProviderMap::Unlink(WantedHash& wanted, Provider& provider) {
  for (size_t i = 0; i < wanted.providers.size(); ++i) {
    if (wanted.providers[i].provider != &provider) continue;
    // The provider's side is unordered: its last entry fills the hole.
    const uint32_t hole = wanted.providers[i].at;
    const HashLink moved = provider.hashes.back();
    provider.hashes[hole] = moved;
    moved.hash->providers[moved.at].at = hole;
    provider.hashes.pop_back();
    // The hash's side keeps the order in which providers were named.
    wanted.providers.erase(wanted.providers.begin() + static_cast<std::ptrdiff_t>(i));
    for (size_t j = i; j < wanted.providers.size(); ++j) {
      const ProviderLink& link = wanted.providers[j];
      link.provider->hashes[link.at].at = static_cast<uint32_t>(j);
    }
    return true;
  }
  return false;
}

}  // namespace blobd::schedule
