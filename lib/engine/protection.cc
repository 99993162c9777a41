#include "engine/protection.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace blobd::engine {

Protection::Holder Protection::Add(const Hash& hash, Keeping keeping) {
  const auto holder = static_cast<Holder>(holders_.size());
  holders_.push_back(std::move(keeping));
  holds_.push_back({hash, holder, false});
  return holder;
}

void Protection::AddList(Holder holder, const std::vector<Hash>& hashes) {
  for (const Hash& hash : hashes) holds_.push_back({hash, holder, true});
}

bool Protection::IsStronger(const Hold& a, const Hold& b) const {
  const Keeping& x = holders_[a.holder];
  const Keeping& y = holders_[b.holder];
  // Of the same strength what lasts longer; 0 is for ever, and so the largest.
  const auto last = [](const Keeping& keeping) {
    return static_cast<uint64_t>(keeping.until.unix_ms) - 1;
  };
  return std::make_tuple(x.because, ~last(x), a.through_collection, a.holder) <
         std::make_tuple(y.because, ~last(y), b.through_collection, b.holder);
}

void Protection::Sort() {
  const auto before = [this](const Hold& a, const Hold& b) {
    return a.hash != b.hash ? a.hash < b.hash : IsStronger(a, b);
  };
  const auto news = holds_.begin() + static_cast<ptrdiff_t>(sorted_);
  std::sort(news, holds_.end(), before);
  std::inplace_merge(holds_.begin(), news, holds_.end(), before);
  sorted_ = holds_.size();
}

std::vector<Protection::Hold>::const_iterator Protection::First(const Hash& hash) const {
  BLOBD_CHECK(sorted_ == holds_.size());
  return std::lower_bound(holds_.begin(), holds_.end(), hash,
                          [](const Hold& hold, const Hash& h) { return hold.hash < h; });
}

Keeping Protection::KeepingOf(const Hold& hold) const {
  Keeping keeping = holders_[hold.holder];
  keeping.through_collection = hold.through_collection;
  return keeping;
}

std::optional<Keeping> Protection::Strongest(const Hash& hash) const {
  const auto it = First(hash);
  if (it == holds_.end() || it->hash != hash) return std::nullopt;
  return KeepingOf(*it);
}

std::vector<Keeping> Protection::All(const Hash& hash) const {
  std::vector<Keeping> all;
  for (auto it = First(hash); it != holds_.end() && it->hash == hash; ++it) {
    all.push_back(KeepingOf(*it));
  }
  return all;
}

}  // namespace blobd::engine
