#include "engine/protection.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace blobd::engine {
namespace {

// Whose limit a list counts against: that of the uid whose tag or lease holds it. What intents hold
// counts together.
uint64_t ShareOf(const Keeping& keeping) {
  const bool is_owned =
      keeping.because == KeptBecause::kTagged || keeping.because == KeptBecause::kLeased;
  return is_owned ? keeping.owner_uid : UINT64_MAX;
}

}  // namespace

Protection::Holder Protection::Add(const Hash& hash, Keeping keeping) {
  const auto holder = static_cast<Holder>(holders_.size());
  holders_.push_back(std::move(keeping));
  holds_.push_back({hash, holder, false});
  return holder;
}

bool Protection::Join(Holder holder, const Hash& root) {
  const auto it = list_of_root_.find(root);
  if (it == list_of_root_.end()) return false;
  HoldList(holder, lists_[it->second]);
  return true;
}

void Protection::HoldList(Holder holder, List& list) {
  if (list.holders.empty() || IsStronger({holder, true}, {list.strongest, true}))
    list.strongest = holder;
  list.holders.push_back(holder);
  list.uids.insert(holders_[holder].owner_uid);
}

bool Protection::HasRoomFor(Holder holder, size_t hashes) {
  size_t& own = listed_of_[ShareOf(holders_[holder])];
  if (own + hashes > limits_.of_uid || listed_ + hashes > limits_.total) return false;
  own += hashes;
  listed_ += hashes;
  return true;
}

void Protection::AddList(Holder holder, const Hash& root, ByteView hashes) {
  const auto index = static_cast<uint32_t>(lists_.size());
  BLOBD_CHECK(list_of_root_.emplace(root, index).second);
  HoldList(holder, lists_.emplace_back());
  const bool one_by_one = HasRoomFor(holder, hashes.size() / 32);
  if (!one_by_one && (!beyond_by_ || IsStronger({holder, true}, {*beyond_by_, true})))
    beyond_by_ = holder;
  for (size_t at = 0; at + 32 <= hashes.size(); at += 32) {
    const Hash hash = *Hash::FromBytes(hashes.subspan(at, 32));
    if (one_by_one) {
      holds_.push_back({hash, index, true});
    } else {
      beyond_.Add(hash);
    }
  }
}

bool Protection::IsStronger(const Reason& a, const Reason& b) const {
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
  const auto before = [](const Hold& a, const Hold& b) {
    return std::tie(a.hash, a.by_list, a.index) < std::tie(b.hash, b.by_list, b.index);
  };
  const auto middle = [this] { return holds_.begin() + static_cast<ptrdiff_t>(sorted_); };
  std::sort(middle(), holds_.end(), before);
  // A list may name a hash as often as it likes.
  holds_.erase(std::unique(middle(), holds_.end()), holds_.end());
  std::inplace_merge(holds_.begin(), middle(), holds_.end(), before);
  sorted_ = holds_.size();
}

std::vector<Protection::Hold>::const_iterator Protection::First(const Hash& hash) const {
  BLOBD_CHECK(sorted_ == holds_.size());
  return std::lower_bound(holds_.begin(), holds_.end(), hash,
                          [](const Hold& hold, const Hash& h) { return hold.hash < h; });
}

Keeping Protection::KeepingOf(const Reason& reason) const {
  Keeping keeping = holders_[reason.holder];
  keeping.through_collection = reason.through_collection;
  return keeping;
}

std::optional<Keeping> Protection::Strongest(const Hash& hash) const {
  std::optional<Reason> strongest;
  if (beyond_.MayHave(hash)) strongest = Reason{*beyond_by_, true};
  for (auto it = First(hash); it != holds_.end() && it->hash == hash; ++it) {
    const Reason reason{it->by_list ? lists_[it->index].strongest : it->index, it->by_list};
    if (!strongest || IsStronger(reason, *strongest)) strongest = reason;
  }
  if (!strongest) return std::nullopt;
  return KeepingOf(*strongest);
}

std::vector<Keeping> Protection::All(const Hash& hash, size_t limit) const {
  std::vector<Reason> reasons;
  for (auto it = First(hash); it != holds_.end() && it->hash == hash; ++it) {
    if (it->by_list) {
      for (const Holder holder : lists_[it->index].holders) reasons.push_back({holder, true});
    } else {
      reasons.push_back({it->index, false});
    }
  }
  if (beyond_.MayHave(hash)) reasons.push_back({*beyond_by_, true});
  std::sort(reasons.begin(), reasons.end(),
            [this](const Reason& a, const Reason& b) { return IsStronger(a, b); });
  if (reasons.size() > limit) reasons.resize(limit);
  std::vector<Keeping> all;
  for (const Reason& reason : reasons) all.push_back(KeepingOf(reason));
  return all;
}

bool Protection::IsHeldBy(uint32_t uid, const Hash& hash) const {
  for (auto it = First(hash); it != holds_.end() && it->hash == hash; ++it) {
    if (it->by_list ? lists_[it->index].uids.count(uid) != 0 : holders_[it->index].owner_uid == uid)
      return true;
  }
  return false;
}

}  // namespace blobd::engine
