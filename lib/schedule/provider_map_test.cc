#include "schedule/provider_map.h"

#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "base/rng.h"
#include "schedule/scheduler_harness.h"

namespace blobd::schedule {
namespace {

void CheckBothDirections(const ProviderMap& map, const std::deque<Provider>& providers) {
  size_t links = 0;
  map.ForEach([&](const WantedHash& wanted) {
    for (size_t i = 0; i < wanted.providers.size(); ++i) {
      const ProviderLink& link = wanted.providers[i];
      ASSERT_EQ(link.provider->hashes.at(link.at).hash, &wanted);
      ASSERT_EQ(link.provider->hashes.at(link.at).at, i);
      ++links;
    }
  });
  for (const Provider& provider : providers) links -= provider.hashes.size();
  ASSERT_EQ(links, 0u);
}

TEST(ProviderMap, StaysConsistentUnderRandomLinks) {
  ProviderMap map(5);
  std::deque<Provider> providers(12);
  std::set<std::pair<uint8_t, size_t>> model;
  Rng rng(7);
  for (int i = 0; i < 5000; ++i) {
    const auto hash = static_cast<uint8_t>(rng.Below(10));
    const size_t number = rng.Below(providers.size());
    WantedHash& wanted = map.FindOrAdd(Raw(hash).hash);
    if (rng.Chance(0.5)) {
      const bool known = model.contains({hash, number});
      const bool full = wanted.providers.size() == 5;
      const ProviderMap::Added added = map.Link(wanted, providers[number]);
      EXPECT_EQ(added, known  ? ProviderMap::Added::kKnown
                       : full ? ProviderMap::Added::kFull
                              : ProviderMap::Added::kNew);
      if (added == ProviderMap::Added::kNew) model.insert({hash, number});
    } else {
      EXPECT_EQ(map.Unlink(wanted, providers[number]), model.erase({hash, number}) == 1);
    }
    CheckBothDirections(map, providers);
  }
  for (uint8_t hash = 0; hash < 10; ++hash) {
    for (size_t number = 0; number < providers.size(); ++number) {
      EXPECT_EQ(ProviderMap::Linked(*map.Find(Raw(hash).hash), providers[number]),
                model.contains({hash, number}));
    }
  }
}

TEST(ProviderMap, KeepsTheOrderGiven) {
  ProviderMap map(8);
  std::deque<Provider> providers(4);
  WantedHash& wanted = map.FindOrAdd(Raw(1).hash);
  for (Provider& provider : providers) map.Link(wanted, provider);
  map.Unlink(wanted, providers[1]);
  ASSERT_EQ(wanted.providers.size(), 3u);
  EXPECT_EQ(wanted.providers[0].provider, &providers[0]);
  EXPECT_EQ(wanted.providers[1].provider, &providers[2]);
  EXPECT_EQ(wanted.providers[2].provider, &providers[3]);
  for (Provider& provider : providers) map.Unlink(wanted, provider);
  map.Erase(wanted);
  EXPECT_EQ(map.Find(Raw(1).hash), nullptr);
}

}  // namespace
}  // namespace blobd::schedule
