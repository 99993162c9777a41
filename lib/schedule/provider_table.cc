#include "schedule/provider_table.h"

#include <algorithm>
#include <vector>

#include "base/check.h"

namespace blobd::schedule {

Provider& ProviderTable::FindOrAdd(const ProviderId& id) {
  const auto [it, is_new] = providers_.try_emplace(id);
  if (is_new) {
    it->second.id = id;
    it->second.number = ++last_number_;
    it->second.is_mirror = std::holds_alternative<MirrorUrl>(id);
    by_number_.emplace(it->second.number, &it->second);
  }
  return it->second;
}

Provider* ProviderTable::Find(const ProviderId& id) {
  const auto it = providers_.find(id);
  return it == providers_.end() ? nullptr : &it->second;
}

const Provider* ProviderTable::Find(const ProviderId& id) const {
  const auto it = providers_.find(id);
  return it == providers_.end() ? nullptr : &it->second;
}

Provider* ProviderTable::FindNumber(uint64_t number) {
  const auto it = by_number_.find(number);
  return it == by_number_.end() ? nullptr : it->second;
}

void ProviderTable::Erase(Provider& provider) {
  BLOBD_CHECK(provider.link == Link::kDown && provider.transfers.empty());
  BLOBD_CHECK(provider.hashes.empty() && provider.waiting.empty() && provider.more.empty());
  Refresh(provider);
  by_number_.erase(provider.number);
  const ProviderId id = provider.id;
  providers_.erase(id);
}

void ProviderTable::SetLink(Provider& provider, Link link) {
  if (provider.link != Link::kDown) --connections_;
  provider.link = link;
  if (provider.link != Link::kDown) ++connections_;
}

void ProviderTable::SetIdleSince(Provider& provider, std::optional<Instant> since) {
  idle_.Put(provider, provider.keys.idle, since);
}

template <typename Accept>
std::vector<Provider*> ProviderTable::Those(Accept accept) const {
  std::vector<Provider*> those;
  for (const auto& [number, provider] : by_number_) {
    if (accept(*provider)) those.push_back(provider);
  }
  std::sort(those.begin(), those.end(),
            [](const Provider* a, const Provider* b) { return a->number < b->number; });
  return those;
}

std::vector<Provider*> ProviderTable::Dialling() const {
  return Those([](const Provider& provider) { return provider.link == Link::kDialling; });
}

std::vector<Provider*> ProviderTable::Paused() const {
  return Those([](const Provider& provider) { return provider.pause != Pause::kNone; });
}

Request* ProviderTable::FirstToDial(const Provider& provider) const {
  return provider.waiting.FirstWhere([&](const Request& request) {
    return request.wanted->dials < options_.limits.dials_per_hash;
  });
}

void ProviderTable::Refresh(Provider& provider) {
  const Request* first = provider.waiting.First();
  std::optional<Order> ready;
  std::optional<IntentId> ready_by_place;
  if (first != nullptr && provider.CanTake(options_)) {
    ready = first->order();
    ready_by_place = provider.waiting.FirstByPlace()->place;
  }
  ready_.Put(provider, provider.keys.ready, ready);
  ready_by_place_.Put(provider, provider.keys.ready_by_place, ready_by_place);

  std::optional<Order> dialable;
  if (first != nullptr && provider.CanBeDialled()) {
    if (const Request* dialler = FirstToDial(provider)) dialable = dialler->order();
  }
  dialable_.Put(provider, provider.keys.dialable, dialable);

  std::optional<Order> ready_more;
  std::optional<Order> dialable_more;
  if (const Request* another = provider.more.First()) {
    if (provider.CanTake(options_)) ready_more = another->order();
    if (provider.CanBeDialled()) dialable_more = another->order();
  }
  ready_more_.Put(provider, provider.keys.ready_more, ready_more);
  dialable_more_.Put(provider, provider.keys.dialable_more, dialable_more);

  std::optional<Order> connected;
  if (provider.link == Link::kUp) connected = first != nullptr ? first->order() : Order::Last();
  connected_.Put(provider, provider.keys.connected, connected);
}

void ProviderTable::RefreshAll() {
  for (auto& [id, provider] : providers_) Refresh(provider);
}

}  // namespace blobd::schedule
